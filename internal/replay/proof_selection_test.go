//go:build unix

package replay_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// TestPlanIsWhatHappens: for any selection over partitions whose records are late now
// and then, the plan counts just the records that a look at each one by itself finds,
// and executing it copies just these.
func TestPlanIsWhatHappens(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source, target := r.topic("source", 3, nil), r.topic("target", 3, nil)
		start := time.Now().Add(-time.Hour).Truncate(time.Second)
		r.publish(late(source, start, 400))
		all := r.held(source, nil)
		rapid.Check(r.T, func(t *rapid.T) {
			w := anyWish(source, start, all).Draw(t, "wish")
			want := filter(all, w.holds)
			plan := r.plan(replay.Request{Select: w.sel, To: replay.Target{Kind: replay.ToTopic, Topic: target}})
			before := r.ends(target)
			run := r.execute(plan)
			copies := r.held(target, before)
			if n := w.count(want); plan.Matching != n || run.Progress.Delivered != n || int64(len(copies)) != n {
				t.Fatalf("planned %d, delivered %d, copied %d, want %d", plan.Matching, run.Progress.Delivered, len(copies), n)
			}
			if w.sel.Limit == 0 && !cmp.Equal(originals(copies), places(want)) {
				t.Fatalf("copied (-want +got):\n%s", cmp.Diff(places(want), originals(copies)))
			}
			if len(plan.Gaps)+len(run.Gaps) > 0 {
				t.Fatalf("gaps %v, %v, want none", plan.Gaps, run.Gaps)
			}
		})
	})
}

// late are n records a second apart, of which some are much older or newer than their
// neighbours, and some are copies of an earlier replay.
func late(topic string, start time.Time, n int) []broker.Record {
	recs := make([]broker.Record, n)
	for i := range recs {
		at := start.Add(time.Duration(i) * time.Second)
		switch i % 7 {
		case 3:
			at = at.Add(-time.Duration(i*13%300) * time.Second)
		case 5:
			at = at.Add(time.Duration(i*17%300) * time.Second)
		}
		recs[i] = broker.Record{
			Topic: topic, Key: fmt.Appendf(nil, "acme/web/message-%d", i%23), Value: fmt.Appendf(nil, `{"n":%d}`, i), Time: at,
			Headers: []broker.Header{{Key: "provider", Value: []byte(providers()[i%3])}, {Key: "n", Value: strconv.AppendInt(nil, int64(i%5), 10)}},
		}
		if i%11 == 0 {
			recs[i].Headers = append(recs[i].Headers, broker.Header{Key: replay.HeaderID, Value: []byte("earlier")})
		}
	}
	return recs
}

func providers() []string { return []string{"acme", "bolt", "cord"} }

// wish is a selection, and the same said in another way.
type wish struct {
	sel   selection.Selection
	conds []func(*broker.Message) bool
}

func (w *wish) holds(m *broker.Message) bool {
	return !slices.ContainsFunc(w.conds, func(cond func(*broker.Message) bool) bool { return !cond(m) })
}

// count is how many of the records that a selection has are taken.
func (w *wish) count(found []broker.Message) int64 {
	if n := int64(len(found)); w.sel.Limit == 0 || n < w.sel.Limit {
		return n
	}
	return w.sel.Limit
}

func (w *wish) add(cond func(*broker.Message) bool) { w.conds = append(w.conds, cond) }

// anyWish draws a selection with any conditions.
func anyWish(topic string, start time.Time, all []broker.Message) *rapid.Generator[*wish] {
	return rapid.Custom(func(t *rapid.T) *wish {
		w := &wish{sel: selection.Selection{Topics: []string{topic}}}
		chance := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
		at := rapid.Map(rapid.Int64Range(-400_000, 800_000), func(ms int64) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) })
		if chance("from?") {
			w.sel.From = at.Draw(t, "from")
			w.add(func(m *broker.Message) bool { return !m.Time.Before(w.sel.From) })
		}
		if chance("to?") {
			w.sel.To = at.Filter(func(to time.Time) bool { return to.After(w.sel.From) }).Draw(t, "to")
			w.add(func(m *broker.Message) bool { return m.Time.Before(w.sel.To) })
		}
		if chance("partitions?") {
			w.sel.Partitions = rapid.SliceOfNDistinct(rapid.IntRange(0, 2), 1, 2, rapid.ID).Draw(t, "partitions")
			w.add(func(m *broker.Message) bool { return slices.Contains(w.sel.Partitions, m.Partition) })
		}
		if chance("offsets?") {
			w.sel.Offsets = rapid.SliceOfN(anySpan(), 1, 3).Draw(t, "offsets")
			w.add(func(m *broker.Message) bool { return slices.ContainsFunc(w.sel.Offsets, within(m)) })
		}
		if chance("provider?") {
			w.sel.Providers = []string{rapid.SampledFrom(providers()).Draw(t, "provider")}
			w.add(func(m *broker.Message) bool { return header(m, "provider") == w.sel.Providers[0] })
		}
		if chance("header?") {
			w.sel.Headers = []selection.Header{{Name: "n", Value: rapid.SampledFrom([]string{"0", "1", "4", "7"}).Draw(t, "header")}}
			w.add(func(m *broker.Message) bool { return header(m, "n") == w.sel.Headers[0].Value })
		}
		w.sel.All = len(w.conds) == 0
		if chance("limit?") {
			w.sel.Limit = rapid.Int64Range(1, int64(len(all))).Draw(t, "limit")
		}
		if w.sel.Replayed = chance("replayed?"); !w.sel.Replayed {
			w.add(func(m *broker.Message) bool { return header(m, replay.HeaderID) == "" })
		}
		return w
	})
}

func anySpan() *rapid.Generator[selection.Span] {
	return rapid.Custom(func(t *rapid.T) selection.Span {
		s := selection.Span{Partition: rapid.IntRange(0, 2).Draw(t, "partition"), From: rapid.Int64Range(0, 60).Draw(t, "first")}
		if rapid.Bool().Draw(t, "bounded") {
			s.To = s.From + rapid.Int64Range(1, 60).Draw(t, "length")
		}
		return s
	})
}

func within(m *broker.Message) func(selection.Span) bool {
	return func(s selection.Span) bool {
		return s.Partition == m.Partition && s.From <= m.Offset && (s.To == 0 || m.Offset < s.To)
	}
}

// TestReplayIntoItsOwnTopicEnds: copies that go where they are read from are not
// copied, neither by the run that makes them, nor by the next.
func TestReplayIntoItsOwnTopicEnds(t *testing.T) {
	onBrokers(t, func(r *rig) {
		topic := r.topic("self", 2, nil)
		r.publish(numbered(topic, 3000))
		before := r.held(topic, nil)
		req := replay.Request{
			Select: selection.Selection{Topics: []string{topic}, All: true}, To: replay.Target{Kind: replay.ToTopic},
			AllowSameTopic: true, Pace: replay.Pace{MaxInFlight: 50},
		}
		r.execute(r.plan(req))
		after := r.held(topic, nil)
		copies := filter(after, func(m *broker.Message) bool { return header(m, replay.HeaderID) != "" })
		if !cmp.Equal(originals(copies), places(before)) || len(after) != 2*len(before) {
			r.Errorf("%d records became %d, of which %d are copies; want each copied once", len(before), len(after), len(copies))
		}
		plan := r.plan(req)
		if plan.Matching != int64(len(before)) || plan.Replayed != int64(len(copies)) {
			r.Errorf("a second plan has %d records and leaves out %d copies, want %d and %d", plan.Matching, plan.Replayed, len(before), len(copies))
		}
		ends := map[int]int64{}
		for i := range before {
			ends[before[i].Partition] = before[i].Offset + 1
		}
		req.Select = selection.Selection{Topics: []string{topic}}
		for _, p := range sorted(ends) {
			req.Select.Offsets = append(req.Select.Offsets, selection.Span{Partition: p, From: ends[p]})
		}
		if plan := r.plan(req); plan.Matching != 0 {
			r.Errorf("a plan of the copies has %d records, want none", plan.Matching)
		}
	})
}
