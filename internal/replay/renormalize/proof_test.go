package renormalize_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/renormalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// gatherer publishes the records of many requests together.
type gatherer struct {
	r    *rig
	recs []broker.Record
}

func (g *gatherer) Deliver(_ context.Context, recs []broker.Record, _ broker.Durability) ([]bool, error) {
	if g.recs = append(g.recs, recs...); len(g.recs) < 6000 {
		return nil, nil
	}
	return nil, g.flush()
}

func (g *gatherer) flush() error {
	defer func() { g.recs = g.recs[:0] }()
	return g.r.pub.Publish(g.r.ctx, g.recs)
}

func (g *gatherer) MaxRecordBytes(string) int { return 0 }

// flood takes n requests with one bounce each through a receiver's pipeline, a
// millisecond apart.
func (r *rig) flood(src *ingest.Source, n int) {
	r.Helper()
	g := &gatherer{r: r}
	p := ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: g, Topics: r.topics, Key: "message", Outcomes: unwatched{}, Log: zap.NewNop(), Now: time.Now,
	})
	for i := range n {
		v := webhook.AssumeProvenForReplayAndTests(r.request(nil, bounced("b"+strconv.Itoa(i))))
		if _, err := p.Accept(r.ctx, src, v, uuid.NewString()); err != nil {
			r.Fatal(err)
		}
	}
	if err := g.flush(); err != nil {
		r.Fatal(err)
	}
}

// A changed mapping renormalizes a window of 100,000 raw requests with equal ids:
// the report says beforehand what changes, the run does it, and the report of a
// second run finds nothing.
//
// It is so many on a real Kafka, and fewer elsewhere.
func TestRenormalizeAHundredThousandRequests(t *testing.T) {
	n := 20_000
	switch {
	case testing.Short() || raceDetector:
		n = 4000
	case os.Getenv(brokersVar) != "":
		n = 100_000
	}
	r := newRig(t, 6)
	r.topics.All = ""
	src := newSource(dedupe.Off)
	r.flood(src, n)
	o := r.options(mappedBy(src, hardened))

	began := time.Now()
	if got := r.diff(o, true); !got.Exact || got.Changed != int64(n) || got.Equal+got.New+got.Gone+got.NotCompared != 0 {
		t.Errorf("before the run: %+v", got)
	}
	t.Logf("%d requests compared in %s", n, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	run, failed := r.renormalize(o)
	took := time.Since(began)
	t.Logf("%d requests renormalized in %s", n, took.Round(time.Millisecond))
	if len(failed) != 0 || took > 50*time.Second {
		t.Errorf("%d failures in %s", len(failed), took)
	}
	r.wantRenormalized(n, strconv.Itoa(src.Normalize.Mapper+1))
	o.Runs = func(context.Context) ([]replay.Run, error) { return []replay.Run{run}, nil }
	if got := r.diff(o, true); got.Equal != int64(n) || got.Changed+got.New+got.Gone+got.NotCompared != 0 {
		t.Errorf("after the run: %+v", got)
	}
}

// wantRenormalized checks that every bounce is there as one original and one copy
// under the id that it has to have.
func (r *rig) wantRenormalized(n int, mapper string) {
	r.Helper()
	want := make(map[string]int, n) // 1: the original is missing, 2: the copy is
	for i := range n {
		want[idOf("b"+strconv.Itoa(i), "outbound.bounced")] = 3
	}
	for _, m := range r.read(r.topics.Typed[event.Route{Direction: event.Outbound, Type: event.Bounced}]) {
		is, class, version := 1, "soft", ""
		if replay.Marked(m.Headers) {
			is, class, version = 2, "hard", mapper
		}
		if want[header(&m, "ce_id")]&is == 0 || header(&m, "bounce-class") != class || version != "" && header(&m, "mapper-version") != version {
			r.Fatalf("an event too many, or a wrong one: %s", textOf(&m))
		}
		want[header(&m, "ce_id")] &^= is
	}
	for id, missing := range want {
		if missing != 0 {
			r.Fatalf("%s: missing %d", id, missing)
		}
	}
}

// nowhere is a publisher that acknowledges everything.
type nowhere struct{ records int }

func (p *nowhere) Publish(_ context.Context, recs []broker.Record) error {
	p.records += len(recs)
	return nil
}

// Memory does not grow with the window.
func TestMemoryIsFlat(t *testing.T) {
	if raceDetector {
		t.Skip("what the race detector holds is not the sink's")
	}
	src := newSource(dedupe.Drop)
	r := &rig{T: t, now: time.Now(), topics: ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Bounced}: "b"}, Raw: "raw", Deadletter: "dead"}}
	p := &nowhere{}
	o := r.options(src)
	o.Publisher = p
	sink, err := renormalize.NewSink(o)
	if err != nil {
		t.Fatal(err)
	}
	raw := r.rawRecords(src, 2000)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var first uint64
	for round := range 20 {
		if failed, err := sink.Deliver(t.Context(), raw); err != nil || len(failed) != 0 {
			t.Fatal(failed, err)
		}
		if round == 0 {
			first = heap()
		}
	}
	if last := heap(); last > first+4<<20 || p.records != 20*2000 {
		t.Errorf("%d records; the heap grew from %d to %d bytes", p.records, first, last)
	}
}

// rawRecords are raw records of requests with one bounce each, as they are read.
func (r *rig) rawRecords(src *ingest.Source, n int) []broker.Message {
	list := make([]broker.Message, n)
	for i := range list {
		v := webhook.AssumeProvenForReplayAndTests(r.request(nil, bounced(fmt.Sprintf("b%d", i))))
		list[i] = rawMessage(src, v, int64(i))
	}
	return list
}

// BenchmarkDeliver measures one raw request from its record to the marked records of
// its events, without Kafka.
func BenchmarkDeliver(b *testing.B) {
	src := newSource(dedupe.Drop)
	r := &rig{T: &testing.T{}, now: time.Now(), topics: ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Bounced}: "b"}, Raw: "raw", Deadletter: "dead"}}
	o := r.options(src)
	o.Publisher = &nowhere{}
	sink, err := renormalize.NewSink(o)
	if err != nil {
		b.Fatal(err)
	}
	raw := r.rawRecords(src, 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(raw) != 0 {
			continue // a group at a time
		}
		if _, err := sink.Deliver(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
