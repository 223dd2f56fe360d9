//go:build unix

package replay_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// TestRetentionOvertakesAReplay: when records are deleted before a run comes to them,
// it goes on behind them and says which they were, to the offset.
func TestRetentionOvertakesAReplay(t *testing.T) {
	onBrokers(t, func(r *rig) {
		const n, cut = 20_000, 15_000
		source, target := r.topic("source", 1, nil), r.topic("target", 1, nil)
		recs := numbered(source, n)
		for i := range recs {
			recs[i].Value = make([]byte, 1000)
		}
		r.publish(recs)
		plan := r.plan(replay.Request{
			Select: selection.Selection{Topics: []string{source}, All: true}, To: replay.Target{Kind: replay.ToTopic, Topic: target},
			Pace: replay.Pace{Rate: 5000, MaxInFlight: 1000},
		})
		var once sync.Once
		run, err := r.engine.Execute(r.ctx, plan, func(p replay.Progress) {
			if p.Delivered > 0 {
				once.Do(func() { r.deleteBefore(source, 0, cut) })
			}
		})
		if err != nil || run.State != replay.Completed {
			r.Fatalf("Execute: state %s, %v", run.State, err)
		}
		begin := run.Progress.Delivered - (n - cut) // what was read before
		want := []replay.Gap{{Topic: source, From: begin, To: cut, Reason: replay.GapExpired}}
		if diff := cmp.Diff(want, run.Gaps); diff != "" || begin <= 0 || begin >= cut {
			r.Errorf("gaps (-want +got):\n%s", diff)
		}
		copies := r.held(target, nil)
		if len(copies) != int(begin)+n-cut {
			r.Fatalf("%d records were copied, want %d before the gap and %d after it", len(copies), begin, n-cut)
		}
		for i := range copies {
			offset := int64(i)
			if offset >= begin {
				offset += cut - begin
			}
			if of := header(&copies[i], replay.HeaderOf); of != replay.Place(source, 0, offset) {
				r.Fatalf("copy %d is of %s, want of offset %d", i, of, offset)
			}
		}
		remembered, err := r.engine.Run(r.ctx, run.ID)
		if err != nil || !cmp.Equal(remembered.Gaps, want) {
			r.Errorf("remembered are the gaps %v, %v; want %v", remembered.Gaps, err, want)
		}
	})
}

// TestPlanTellsWhatHasExpired: a plan that asks for offsets before the log's start
// says which are gone.
func TestPlanTellsWhatHasExpired(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source, target := r.topic("source", 1, nil), r.topic("target", 1, nil)
		r.publish(numbered(source, 100))
		r.deleteBefore(source, 0, 40)
		plan := r.plan(replay.Request{
			Select: selection.Selection{Topics: []string{source}, Offsets: []selection.Span{{From: 10, To: 60}}},
			To:     replay.Target{Kind: replay.ToTopic, Topic: target},
		})
		want := []replay.Gap{{Topic: source, From: 10, To: 40, Reason: replay.GapExpired}}
		if diff := cmp.Diff(want, plan.Gaps); diff != "" || plan.Matching != 20 {
			r.Errorf("%d records, want 20; gaps (-want +got):\n%s", plan.Matching, diff)
		}
		if run := r.execute(plan); run.Progress.Delivered != 20 || !cmp.Equal(run.Gaps, want) {
			r.Errorf("delivered %d with gaps %v, want 20 with %v", run.Progress.Delivered, run.Gaps, want)
		}
	})
}

// deleteBefore deletes a partition's records before an offset, as retention does.
func (r *rig) deleteBefore(topic string, partition int32, offset int64) {
	client := r.raw()
	defer client.Close()
	req := kmsg.NewDeleteRecordsRequest()
	req.TimeoutMillis = 30_000
	t, p := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	t.Topic, p.Partition, p.Offset = topic, partition, offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	res, err := req.RequestWith(r.ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		r.Errorf("delete the records of %s before %d: %v", topic, offset, err)
	}
}

// raw is another client, which has nothing in common with ours.
func (r *rig) raw(opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(r.brokers...))...)
	if err != nil {
		r.Error(err)
		panic(err)
	}
	return client
}

// TestCompactedOffsetsAreTold: offsets that compaction took are gaps in the plan and in
// the run, to the offset, and nothing else is.
func TestCompactedOffsetsAreTold(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source, target := r.topic("source", 1, map[string]string{
			"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "200", "delete.retention.ms": "0",
			"min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1000",
		}), r.topic("target", 1, nil)
		var recs []broker.Record
		for i := range 60 {
			recs = append(recs, broker.Record{Topic: source, Key: fmt.Appendf(nil, "key-%d", i*i%17), Value: fmt.Append(nil, i), Time: time.Now()})
		}
		r.publish(recs)
		kept := r.compacted(source, 60)
		var want []replay.Gap
		next := r.offsets(source)[0].First // the embedded broker drops files that are empty then, and the log begins later
		for _, offset := range append(kept, r.ends(source)[0]) {
			if offset > next {
				want = append(want, replay.Gap{Topic: source, From: next, To: offset, Reason: replay.GapCompacted})
			}
			next = offset + 1
		}
		plan := r.plan(replay.Request{
			Select: selection.Selection{Topics: []string{source}, All: true}, To: replay.Target{Kind: replay.ToTopic, Topic: target},
		})
		if diff := cmp.Diff(want, plan.Gaps); diff != "" || plan.Matching != int64(len(kept)) {
			r.Errorf("%d records, want %d; gaps of the plan (-want +got):\n%s", plan.Matching, len(kept), diff)
		}
		run := r.execute(plan)
		if diff := cmp.Diff(want, run.Gaps); diff != "" || run.Progress.Delivered != int64(len(kept)) {
			r.Errorf("%d records, want %d; gaps of the run (-want +got):\n%s", run.Progress.Delivered, len(kept), diff)
		}
	}, compactOften)
}

// compactOften makes an embedded broker compact twice a second, not once an hour.
func compactOften(t *testing.T, addr string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	value := "500"
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value, config.Op = "log.cleaner.backoff.ms", &value, kmsg.IncrementalAlterConfigOpSet
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.Configs = kmsg.ConfigResourceTypeBroker, append(resource.Configs, config)
	req := kmsg.NewIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource)
	res, err := req.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(res.Resources[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("let the broker compact often: %v", err)
	}
}

// compacted waits until compaction has taken some of the first n records of a topic,
// and returns the offsets that are left, as another client sees them. A segment is
// compacted when another has begun, which takes a new record.
func (r *rig) compacted(topic string, n int) []int64 {
	r.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if i < 4 { // not for ever: the log has to come to rest
			r.publish([]broker.Record{{Topic: topic, Key: []byte("roll"), Value: []byte("x"), Time: time.Now()}})
		}
		first, second := r.left(topic), r.left(topic)
		if i > 4 && len(first) < n && cmp.Equal(first, second) {
			return first
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.Fatalf("compaction took nothing of %s", topic)
		}
	}
}

// left are the offsets of a topic's only partition that have a record.
func (r *rig) left(topic string) []int64 {
	r.Helper()
	end := r.ends(topic)[0]
	client := r.raw(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
	defer client.Close()
	var offsets []int64
	for {
		fetches := client.PollFetches(r.ctx)
		if err := fetches.Err(); err != nil {
			r.Fatal(err)
		}
		fetches.EachRecord(func(rec *kgo.Record) { offsets = append(offsets, rec.Offset) })
		if n := len(offsets); n > 0 && offsets[n-1] == end-1 {
			return offsets
		}
	}
}
