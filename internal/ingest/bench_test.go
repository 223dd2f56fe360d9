package ingest_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// discard is a publisher that acknowledges at once.
type discard struct{}

func (discard) Deliver(context.Context, []broker.Record, broker.Durability) ([]bool, error) {
	return nil, nil
}
func (discard) MaxRecordBytes(string) int { return 0 }

// Allocations of Accept and of the proof before it, as recorded: more are a mistake.
const (
	singleAllocs = 5    // a request with one event
	batchAllocs  = 1010 // a request with 1,000 events
)

// benchLine is a pipeline to a publisher that acknowledges at once, with a source that
// takes the nth of a number of proven requests, over and over, each as something new.
type benchLine struct {
	p    *ingest.Pipeline
	src  []*ingest.Source
	reqs []webhook.Request
	n    int
}

// accept proves the next request and takes it through the pipeline.
func (l *benchLine) accept(t testing.TB) {
	t.Helper()
	i, src := l.n%len(l.reqs), l.src[l.n%len(l.src)]
	if i == 0 { // the ids are new again: other sources
		for j := range l.src {
			l.src[j].Normalize.ID = strconv.Itoa(l.n) + "." + strconv.Itoa(j)
		}
	}
	l.n++
	v, err := webhook.Verify(src.Verifier, l.reqs[i])
	if err != nil {
		t.Fatal(err)
	}
	if r, err := l.p.Accept(t.Context(), src, v, "01890a5d-ac96-774b-bcce-b302099a8057"); err != nil || r != ingest.ResultPublished {
		t.Fatal(r, err)
	}
}

// newBenchLine signs bodies for sources of a provider.
func newBenchLine(t testing.TB, provider string, mode dedupe.Mode, sources int, bodies ...[]byte) *benchLine {
	t.Helper()
	m, l := metrics.New("bench"), &benchLine{}
	topics := ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Delivered}: "d"}, Raw: "raw", Deadletter: "dead"}
	l.p = ingest.NewPipeline(ingest.PipelineOptions{
		Publisher: discard{}, Recycle: true, Topics: topics, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
		Window: dedupe.New(dedupe.Options{Window: 72 * time.Hour, MaxIDs: 2_000_000, Now: time.Now}),
	})
	for i := range sources {
		src := newSource(&testing.T{}, m, "jet", provider)
		src.Metrics = m.Source("jet"+strconv.Itoa(i), provider)
		src.Dedupe = mode
		l.src = append(l.src, src)
	}
	cfg := configs()["jet"]
	for _, body := range bodies {
		req := webhook.Request{
			Method: http.MethodPost, Body: body, ReceivedAt: time.Now(),
			Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"JetEmail"}, "Content-Length": {"250"}},
		}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &req, time.Now()); err != nil {
			t.Fatal(err)
		}
		l.reqs = append(l.reqs, req)
	}
	return l
}

// singleLine takes JetEmail requests of one event.
func singleLine(t testing.TB, mode dedupe.Mode, sources int) *benchLine {
	t.Helper()
	bodies := make([][]byte, 1<<12)
	for i := range bodies {
		bodies[i] = []byte(jetEvent("evt_" + strconv.Itoa(1e6+i)))
	}
	return newBenchLine(t, "jetemail", mode, sources, bodies...)
}

// batchEvents is how many events a request of batchLine has.
const batchEvents = 1000

// batchLine takes SendGrid requests of batchEvents events.
func batchLine(t testing.TB) *benchLine {
	t.Helper()
	body := []byte("[")
	for i := range batchEvents {
		body = fmt.Appendf(body, `{"email":"customer.%08x@mail.example","event":"delivered","ip":"192.0.2.17","response":"250 2.0.0 OK 1767323045 queued",`+
			`"sg_event_id":"ZGVsaXZlcmVkLTAt%016x","sg_message_id":"4nG7kWbQTtmB%012x.recvd-5f6c9d-bzq8k-1-67A0.0",`+
			`"smtp-id":"<%012x@shop.example>","category":["orders","shipped"],"tls":1,"timestamp":1767323045},`, i, i, i, i)
	}
	body[len(body)-1] = ']'
	return newBenchLine(t, "sendgrid", dedupe.Drop, 1, body)
}

// BenchmarkAccept measures a signed JetEmail event from the complete body to its
// records, without HTTP and Kafka: verify, parse, normalize, validate, look for
// repeats, encode, count. Each event is new.
func BenchmarkAccept(b *testing.B) {
	for _, mode := range []dedupe.Mode{dedupe.Drop, dedupe.Off} {
		b.Run(fmt.Sprintf("dedupe=%v", mode), func(b *testing.B) {
			l := singleLine(b, mode, 1)
			b.ReportAllocs()
			b.SetBytes(int64(len(l.reqs[0].Body)))
			for b.Loop() {
				l.accept(b)
			}
		})
	}
}

// BenchmarkAcceptBatch measures what BenchmarkAccept does for requests of 1,000
// SendGrid events.
func BenchmarkAcceptBatch(b *testing.B) {
	l := batchLine(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(l.reqs[0].Body)))
	for b.Loop() {
		l.accept(b)
	}
	b.ReportMetric(float64(l.n*batchEvents)/b.Elapsed().Seconds(), "events/s")
}

// The way from a body to its records allocates no more than is recorded, however many
// sources there are.
func TestAllocationsOnTheWayToRecords(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector on, pools drop at random what they hold")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	// A pool has a store for every processor: what the first requests of 200 sources
	// leave there is found only by requests that run where they ran.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, c := range []struct {
		name string
		line *benchLine
		runs int
		most float64
	}{
		{"one event", singleLine(t, dedupe.Drop, 1), 200, singleAllocs},
		{"one event, 200 sources", singleLine(t, dedupe.Drop, 200), 400, singleAllocs},
		{"1,000 events", batchLine(t), 5, batchAllocs},
	} {
		for range 3 * len(c.line.src) { // what a source's first requests make
			c.line.accept(t)
		}
		got := testing.AllocsPerRun(c.runs, func() { c.line.accept(t) })
		if t.Logf("%s: %.0f allocations", c.name, got); got > c.most {
			t.Errorf("%s: %.0f allocations, recorded are %.0f: find out what allocates now, with go test -bench Accept -memprofile", c.name, got, c.most)
		}
	}
}
