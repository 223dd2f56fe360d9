package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serveTest answers as handle says and returns the address.
func serveTest(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// testLoad ends when the pool does.
func testLoad(address string) load {
	return load{address: address, conns: 3, duration: time.Minute}
}

func noUsage() usage { return usage{} }

// TestLoadCountsAnswers: every tenth request is refused, and the server hangs up
// after it; the load goes on and both sides' counts agree.
func TestLoadCountsAnswers(t *testing.T) {
	var seen, connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if seen.Add(1)%10 == 0 {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		connections.Add(1)
		return ctx
	}
	s.Start()
	defer s.Close()
	o, err := testLoad(s.Listener.Addr().String()).run(t.Context(), newTestPool(t, 200), noUsage)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	if o.ok != 180 || o.latency.total != 180 || o.errors["status 503"] != 20 || len(o.errors) != 1 {
		t.Errorf("%d answered, %d measured, errors %v; want 180, 180, 20 of status 503", o.ok, o.latency.total, o.errors)
	}
	if got := connections.Load(); got < 3 || got > 23 {
		t.Errorf("%d connections, want 3 and at most one more for each of the 20 that were closed", got)
	}
	if o.seconds <= 0 || o.seconds > 60 {
		t.Errorf("measured for %v s", o.seconds)
	}
}

func TestLoadLeavesWarmupOut(t *testing.T) {
	address := serveTest(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	p := newTestPool(t, 10)
	if err := p.refresh(true); err != nil {
		t.Fatalf("refresh: %v", err)
	}
	o, err := load{address: address, conns: 2, warmup: time.Second, duration: time.Second}.run(t.Context(), p, noUsage)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	if measured := int(o.latency.total); measured == 0 || measured >= o.ok {
		t.Errorf("%d measured of %d answered; the warm-up must not be measured", measured, o.ok)
	}
	if o.seconds != 1 {
		t.Errorf("measured for %v s, want 1", o.seconds)
	}
}

func TestLoadEndsWhenTheTargetIsGone(t *testing.T) {
	address := serveTest(t, func(http.ResponseWriter, *http.Request) {})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, err := testLoad(gone.Listener.Addr().String()).run(t.Context(), newTestPool(t, 1000), noUsage)
	if err == nil || !strings.Contains(err.Error(), "connection refused:60") {
		t.Errorf("got %v, want an error that counts 3 × %d refused connections", err, maxFailuresInARow)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testLoad(address).run(ctx, newTestPool(t, 10), noUsage); err == nil {
		t.Error("a load that was stopped must say so")
	}
}

func TestCounters(t *testing.T) {
	text := `# HELP postrider_events_total Events acknowledged by Kafka, by canonical type.
# TYPE postrider_events_total counter
postrider_events_total{direction="outbound",provider="jetemail",result="published",source="jetemail",type="delivered"} 41
postrider_events_total{direction="outbound",provider="jetemail",result="unpublished",source="jetemail",type="delivered"} 7
postrider_events_total{direction="outbound",provider="jetemail",result="published",source="jetemail",type="bounced"} 1
postrider_requests_total{code="200",provider="jetemail",result="published",source="jetemail"} 1.5e+02
postrider_requests_total{code="401",provider="jetemail",result="refused",source="jetemail"} 7
postrider_request_body_bytes_bucket{source="jetemail",le="256"} 200
postrider_events_total{direction="outbound",provider="jetemail",result="spooled",source="jetemail",type="delivered"} 5
postrider_spool_records 3
postrider_dedupe_ids 1.2e+06
`
	got, err := parseCounters(strings.NewReader(text))
	if want := (counters{published: 42, answered: 150, spooled: 5, waiting: 3, known: 1_200_000}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// TestMeasureFindsLostEvents: a receiver that answers 200 and publishes all but
// one of the events is found out.
func TestMeasureFindsLostEvents(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost int64
		want string
	}{
		{"all published", 0, ""},
		{"one lost", 1, "50 requests answered 200 here, 50 by the receiver's count, 49 events published"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var answered atomic.Int64
			process := &child{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
			process.ready.Listen = serveTest(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				answered.Add(1)
			})
			process.ready.Admin = serveTest(t, func(w http.ResponseWriter, _ *http.Request) {
				n := answered.Load()
				fmt.Fprintf(w, "postrider_events_total{result=\"published\",type=\"delivered\"} %d\npostrider_requests_total{code=\"200\"} %d\n", max(0, n-tt.lost), n)
			})
			c := campaign{options: options{duration: time.Minute}, pool: newTestPool(t, 50), progress: io.Discard}
			m, err := c.measure(t.Context(), &target{name: "fake", process: process, counted: true, events: 1}, 2)
			if err != nil {
				t.Fatalf("measure: %v", err)
			}
			if m.Fault != tt.want {
				t.Errorf("fault %q, want %q", m.Fault, tt.want)
			}
			if sound(rows([]measurement{m})) != (tt.want == "") {
				t.Error("a fault makes the whole run unsound, and nothing else does")
			}
		})
	}
}

// TestChildThatFails: the end of what a child said is in the error.
func TestChildThatFails(t *testing.T) {
	dir := t.TempDir()
	_, err := startChild(t.Context(), command{
		path: os.Args[0], args: []string{"-role=" + echoRole, "-ready=" + filepath.Join(dir, "missing", "ready.json")},
		readyFile: filepath.Join(dir, "ready.json"), logFile: filepath.Join(dir, "log"),
	})
	if err == nil || !strings.Contains(err.Error(), "ended before it listened") || !strings.Contains(err.Error(), "bench: ready file") {
		t.Errorf("got %v, want an error with the child's own words", err)
	}
}

// TestYardstickEndsWithItsParent: when the pipe from the process that started it
// closes, the yardstick ends by itself.
func TestYardstickEndsWithItsParent(t *testing.T) {
	ended := make(chan error, 1)
	go func() {
		ended <- serveEcho(t.Context(), filepath.Join(t.TempDir(), "ready.json"), strings.NewReader(""))
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("got %v, want an orderly end", err)
		}
	case <-t.Context().Done():
		t.Error("it goes on without its parent")
	}
}

func TestCleanEnvironment(t *testing.T) {
	got := cleanEnvironment([]string{"PATH=/bin", "POSTRIDER_KAFKA_BROKERS=a"}, "POSTRIDER_TEST_READY_FILE=f")
	if want := "PATH=/bin POSTRIDER_TEST_READY_FILE=f"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMeasureWaitsForWhatIsAnsweredEarly: the records of a target that answers before Kafka
// has them arrive later; those that never do are found out.
func TestMeasureWaitsForWhatIsAnsweredEarly(t *testing.T) {
	for name, want := range map[string]string{"all arrive": "", "one is lost": "10 requests answered 200, 9 records in its topic"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, most := 0, 10
				if want != "" {
					most = 9
				}
				held := func(context.Context) (int, error) { asked++; return min(asked, most), nil }
				late := &target{late: true, held: held}
				got, err := late.settled(t.Context(), counters{}, 10)
				if err != nil {
					t.Fatal(err)
				}
				if fault := late.fault(counters{}, got, 10); fault != want {
					t.Errorf("fault %q, want %q", fault, want)
				}
			})
		})
	}
}

// TestPoolRenewsWhatAnyoneUsed: a target that counts never gets a request that it had
// before, though one that does not count used fewer in between.
func TestPoolRenewsWhatAnyoneUsed(t *testing.T) {
	p, seen := newTestPool(t, 10), map[string]bool{}
	use := func(n int, repeat bool) {
		if err := p.refresh(repeat); err != nil {
			t.Fatal(err)
		}
		for range n {
			raw := string(p.take())
			if !repeat && seen[raw] {
				t.Error("a request came twice")
			}
			seen[raw] = true
		}
	}
	use(8, false)
	use(3, true)
	use(8, false)
}
