package ingest_test

import (
	"bytes"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// BenchmarkServe measures a signed JetEmail event from the wire to its answer,
// with a publisher that acknowledges at once: HTTP, limits, metrics and all of
// BenchmarkAccept. The client allocates nothing, so that the figures are the
// server's.
func BenchmarkServe(b *testing.B) {
	exchange := exchangeForBenchmark(b)
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}

// A request allocates no more than is recorded from the wire to its answer. More than
// 20 of these are net/http's own.
func TestAllocationsFromTheWireToTheAnswer(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector on, pools drop at random what they hold")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))  // each processor has pools of its own
	exchange := exchangeForBenchmark(t)
	for range 10 {
		exchange()
	}
	const recorded = 30
	got := testing.AllocsPerRun(300, exchange)
	for range 2 { // timers and what other tests left only add to it
		got = min(got, testing.AllocsPerRun(300, exchange))
	}
	if got > recorded {
		t.Errorf("%.0f allocations, recorded are %d: find out what allocates now, with go test -bench Serve -memprofile", got, recorded)
	}
}

// exchangeForBenchmark runs a server and returns what sends it a request and reads the
// answer.
func exchangeForBenchmark(b testing.TB) func() {
	b.Helper()
	address := serveForBenchmark(b)
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	requests, answer, sent := wireRequests(b, address, 1<<12), make([]byte, 4<<10), 0
	return func() {
		if _, err := conn.Write(requests[sent%len(requests)]); err != nil {
			b.Fatal(err)
		}
		sent++
		n, err := conn.Read(answer)
		if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200 ")) {
			b.Fatalf("%v %q", err, answer[:n])
		}
	}
}

// serveForBenchmark runs a server with one source and returns its address.
func serveForBenchmark(b testing.TB) string {
	b.Helper()
	m := metrics.New("bench")
	src := newSource(&testing.T{}, m, "jet", "jetemail")
	src.Dedupe = dedupe.Drop
	topics := ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Delivered}: "d"}, Raw: "raw", Deadletter: "dead"}
	_, address, _ := serve(b, ingest.Options{
		Limits: testLimits(), PublicURL: "http://hooks.example", Metrics: m, Log: zap.NewNop(), Now: time.Now,
		NewID:   func(string) string { return "01890a5d-ac96-774b-bcce-b302099a8057" },
		Sources: []*ingest.Source{src},
		Pipeline: ingest.NewPipeline(ingest.PipelineOptions{
			Publisher: discard{}, Topics: topics, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now, Recycle: true,
			Window: dedupe.New(dedupe.Options{Window: 72 * time.Hour, MaxIDs: 2_000_000, Now: time.Now}),
		}),
	})
	return address
}

// wireRequests are signed requests as bytes. They come again under other ids only
// after n of them: repeats cost no more than others.
func wireRequests(b testing.TB, host string, n int) [][]byte {
	b.Helper()
	cfg := configs()["jet"]
	out := make([][]byte, n)
	for i := range out {
		r := webhook.Request{Method: http.MethodPost, Body: []byte(jetEvent("evt_" + strconv.Itoa(1e6+i))), Header: http.Header{}}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &r, time.Now()); err != nil {
			b.Fatal(err)
		}
		var w bytes.Buffer
		w.WriteString("POST /v1/webhooks/jet HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: JetEmail\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(r.Body)) + "\r\n")
		for name, values := range r.Header {
			w.WriteString(name + ": " + values[0] + "\r\n")
		}
		w.WriteString("\r\n")
		w.Write(r.Body)
		out[i] = w.Bytes()
	}
	return out
}
