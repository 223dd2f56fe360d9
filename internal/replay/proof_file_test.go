//go:build unix

package replay_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// anyRecords are records of all kinds there can be.
func anyRecords(topic string) []broker.Record {
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	kinds := [][]byte{nil, {}, []byte("text"), []byte(`{"a": 1.50, "b":["ü"]}`), {0xFF, 0x00, '\n'}, []byte("{\n}"), []byte("null")}
	var recs []broker.Record
	for i, key := range kinds {
		for j, value := range kinds {
			recs = append(recs, broker.Record{
				Topic: topic, Key: key, Value: value, Time: start.Add(time.Duration(i*j) * time.Millisecond),
				Headers: []broker.Header{
					{Key: "same", Value: kinds[(i+j)%len(kinds)]},
					{Key: "same", Value: kinds[j]},
					{Key: "", Value: []byte("of no name")},
					{Key: "n", Value: fmt.Append(nil, i, j)},
				}[:(i+j)%5],
			})
		}
	}
	return recs
}

// TestFileRoundTripIsIdentical: records that went to a file and came back into a topic
// are what they were, each of them and in order.
func TestFileRoundTripIsIdentical(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source := r.topic("source", 1, nil)
		r.publish(anyRecords(source))
		want := r.held(source, nil)
		for _, name := range []string{"round.jsonl", "round.jsonl.zst"} {
			path := filepath.Join(r.TempDir(), name)
			run := r.execute(r.plan(replay.Request{
				Select: selection.Selection{Topics: []string{source}, All: true}, To: replay.Target{Kind: replay.ToFile, File: path},
			}))
			if run.Progress.Delivered != int64(len(want)) {
				r.Errorf("%s: %d records, want %d", name, run.Progress.Delivered, len(want))
			}
			target := r.topic("target-"+name, 1, nil)
			restored := replay.Request{FromFile: path, To: replay.Target{Kind: replay.ToTopic, Topic: target}, Exact: true, Pace: replay.Pace{MaxInFlight: 7}}
			if plan := r.plan(restored); plan.Matching != int64(len(want)) || r.execute(plan).Progress.Delivered != int64(len(want)) {
				r.Errorf("%s: %d records planned, want %d", name, plan.Matching, len(want))
			}
			// Headers that are empty and headers that are not there are one in Kafka.
			same := cmp.Options{cmpopts.IgnoreFields(broker.Message{}, "Topic", "HighWater"), cmp.Comparer(sameHeaders)}
			byTime := r.held(target, nil)
			if diff := cmp.Diff(want, byTime, same, cmpopts.IgnoreFields(broker.Message{}, "Offset")); diff != "" {
				r.Errorf("%s (-was +is):\n%s", name, diff)
			}
		}
	})
}

// sameHeaders compares lists of headers; none and an empty list are the same.
func sameHeaders(a, b []broker.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !cmp.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// TestFullDiskLeavesNoGap: a run whose file cannot grow any more fails with a file that
// is whole, and when it is resumed with room enough, the file has every record once.
func TestFullDiskLeavesNoGap(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source := r.topic("source", 3, nil)
		r.publish(numbered(source, 5000))
		path := filepath.Join(r.TempDir(), "full.jsonl")
		plan := r.plan(replay.Request{
			Select: wanted(source), To: replay.Target{Kind: replay.ToFile, File: path}, Pace: replay.Pace{MaxInFlight: 100},
		})
		id := uuid.Must(uuid.NewV7()).String()
		if said, err := r.process(child{ID: id, Plan: plan, Room: 300_000}).Output(); err != nil {
			r.Fatalf("%v:\n%s", err, said)
		}
		partly := archived(r, path)
		run, err := r.engine.Run(r.ctx, id)
		if n := int64(len(partly)); err != nil || run.State != replay.Failed || run.Progress.Delivered != n || n == 0 || n == plan.Matching {
			r.Errorf("the run is %s and knows of %d records, %v; the file has %d of %d", run.State, run.Progress.Delivered, err, n, plan.Matching)
		}
		if run, err = r.engine.Resume(r.ctx, id, nil); err != nil || run.State != replay.Completed {
			r.Fatalf("Resume: state %s, %v", run.State, err)
		}
		var got []string
		for _, rec := range archived(r, path) {
			got = append(got, replay.Place(rec.Topic, rec.Partition, rec.Offset))
		}
		slices.Sort(got)
		if want := places(filter(r.held(source, nil), isWanted)); !cmp.Equal(got, want) {
			r.Errorf("the file has %d records, want %d, each once", len(got), len(want))
		}
	})
}
