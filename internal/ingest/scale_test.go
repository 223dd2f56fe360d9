package ingest_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// TestSourcesCostNothing: a request through routing, proof and metrics allocates as much
// with two hundred sources as with one.
func TestSourcesCostNothing(t *testing.T) {
	one, many := allocationsWith(t, 1), allocationsWith(t, 200)
	t.Logf("allocations of a request, its client's included: %.1f with one source, %.1f with 200", one, many)
	// The race detector lets pools drop what they hold now and then: one or two are noise.
	// Anything that is done for each source would be 199.
	if diff := many - one; diff > 2 || diff < -2 {
		t.Errorf("a request allocates %.2f times with one source and %.2f times with 200", one, many)
	}
}

// allocationsWith measures the requests to a server with so many sources, which take
// turns, over one connection and without a client that allocates.
func allocationsWith(t *testing.T, sources int) float64 {
	t.Helper()
	addr := serveSources(t, sources)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	requests := make([][]byte, sources)
	for i := range requests {
		requests[i] = postTo(t, sourceNumber(i), sourceSecret(i))
	}
	answer := make([]byte, len("HTTP/1.1 200 OK\r\n"))
	rest, next := make([]byte, 4096), 0
	send := func() {
		if _, err := conn.Write(requests[next%sources]); err != nil {
			t.Fatal(err)
		}
		next++
		if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Contains(answer, []byte(" 200 ")) {
			t.Fatalf("%s: %v", answer, err)
		}
		for end := false; !end; { // the headers; there is no body
			n, err := conn.Read(rest)
			if err != nil {
				t.Fatal(err)
			}
			end = bytes.HasSuffix(rest[:n], []byte("\r\n\r\n"))
		}
	}
	for range 2 * sources { // what is made at a source's first request
		send()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools

	const each = 400 // AllocsPerRun tells whole numbers
	return testing.AllocsPerRun(2, func() {
		for range each {
			send()
		}
	}) / each
}

// serveSources runs a server until the test ends and returns its address.
func serveSources(t *testing.T, n int) string {
	t.Helper()
	m := metrics.New("test")
	o := ingest.Options{
		Limits: testLimits(), PublicURL: "http://hooks.example", Metrics: m, Log: zap.NewNop(), Now: time.Now,
		NewID: func(string) string { return "01890a5d-ac96-774b-bcce-b302099a8057" },
	}
	for i := range n {
		src := newSource(t, m, "jet", "jetemail")
		v, err := webhook.New(webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{sourceSecret(i)}})
		if err != nil {
			t.Fatal(err)
		}
		src.Name, src.Verifier, src.Metrics = sourceNumber(i), v, m.Source(sourceNumber(i), "jetemail")
		src.Normalize.Name, src.Normalize.ID = src.Name, src.Name
		o.Sources = append(o.Sources, src)
	}
	o.Pipeline = ingest.NewPipeline(ingest.PipelineOptions{
		Topics:    ingest.Topics{Typed: map[event.Route]string{{Direction: event.Outbound, Type: event.Delivered}: "delivered"}, Raw: "raw", Deadletter: "dead"},
		Publisher: discard{}, Key: "message", Outcomes: &outcomes{}, Log: zap.NewNop(), Now: time.Now,
	})
	_, address, _ := serve(t, o)
	return address
}

func sourceNumber(i int) string { return fmt.Sprintf("source-%03d", i) }

func sourceSecret(i int) webhook.Secret {
	return webhook.Secret{ID: "a", Value: fmt.Appendf(nil, "%s%03d", jetSecret, i)}
}

// postTo is a signed request as it goes over the wire.
func postTo(t *testing.T, source string, secret webhook.Secret) []byte {
	t.Helper()
	req := webhook.Request{Header: http.Header{}, Body: []byte(jetEvent("evt_1"))}
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, secret, &req, time.Now()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/webhooks/%s HTTP/1.1\r\nHost: hooks.example\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", source, len(req.Body))
	if err := req.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\r\n")
	b.Write(req.Body)
	return b.Bytes()
}
