package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// target is a receiver that answers as a test says and keeps what it was sent.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	bodies map[string]int
}

// newTarget answers the n-th request for a body, from 1, with status(n).
func newTarget(t *testing.T, status func(n int) int) *target {
	t.Helper()
	y := &target{bodies: make(map[string]int)}
	y.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		y.mu.Lock()
		y.bodies[string(body)]++
		n := y.bodies[string(body)]
		y.mu.Unlock()
		w.WriteHeader(status(n))
	}))
	t.Cleanup(y.Close)
	return y
}

// testRun is a run without a cluster.
func testRun(t *testing.T) *run {
	t.Helper()
	j, err := openJournal(filepath.Join(t.TempDir(), "journal.log"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.file.Close() })
	r := &run{gen: testGenerator(), journal: j}
	r.keys.seed = "test"
	j.phase(0, "phase", true)
	return r
}

// book reads a run's journal into a ledger.
func (r *run) book(t *testing.T) *ledger {
	t.Helper()
	b, err := os.ReadFile(r.journal.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	l := newLedger(r.gen)
	if err := readJournal(bytes.NewReader(b), l); err != nil {
		t.Fatal(err)
	}
	return l
}

// sendOnce sends one request to a target and returns what its journal says.
func sendOnce(t *testing.T, y *target, change func(*request)) (*request, *ledger) {
	t.Helper()
	r := testRun(t)
	l := &load{
		opt: loadOptions{targets: []string{y.URL}}, gen: r.gen, count: &r.count, keys: &r.keys, journal: r.journal, client: newClient(1),
	}
	random := rand.New(rand.NewPCG(1, 1))
	req := newAuthor(r.gen, &r.count, 0, mix{}, random).next()
	if change != nil {
		change(req)
	}
	l.deliver(t.Context(), req, random)
	l.client.CloseIdleConnections()
	return req, r.book(t)
}

func TestARequestIsSentUntilItIsAccepted(t *testing.T) {
	y := newTarget(t, func(n int) int { return []int{503, 429, 200}[min(n-1, 2)] })
	req, l := sendOnce(t, y, nil)
	if got := y.bodies[req.body]; got != 3 {
		t.Errorf("sent %d times, want 3", got)
	}
	v := l.verdictOf(0, 0)
	if v.Accepted != req.count || v.Retried != 2 || v.Statuses[503] != 1 || v.Statuses[429] != 1 {
		t.Errorf("%+v", v)
	}
}

func TestSomeProvidersNeverTryAgain(t *testing.T) {
	y := newTarget(t, func(int) int { return 503 })
	req, l := sendOnce(t, y, func(r *request) { r.once = true })
	if v := l.verdictOf(0, 0); y.bodies[req.body] != 1 || v.GivenUp != req.count || v.Stuck != 0 {
		t.Errorf("sent %d times; %+v", y.bodies[req.body], v)
	}
}

func TestAnAnswerThatStopsTheProvider(t *testing.T) {
	y := newTarget(t, func(int) int { return 401 })
	req, l := sendOnce(t, y, nil)
	if v := l.verdictOf(0, 0); y.bodies[req.body] != 1 || v.Stuck != req.count {
		t.Errorf("sent %d times; %+v", y.bodies[req.body], v)
	}
}

func TestCopiesAreSentToo(t *testing.T) {
	y := newTarget(t, func(int) int { return 200 })
	req, _ := sendOnce(t, y, func(r *request) { r.copies = 3 })
	if got := y.bodies[req.body]; got != 3 {
		t.Errorf("sent %d times, want 3", got)
	}
}

func TestARefusedConnectionIsNoAcceptance(t *testing.T) {
	y := newTarget(t, func(int) int { return 200 })
	y.Close()
	_, l := sendOnce(t, y, func(r *request) { r.once = true })
	if v := l.verdictOf(0, 0); v.Accepted != 0 || v.Statuses[nobodyThere] != 1 || l.requests[0].unanswered {
		t.Errorf("%+v", v)
	}
}

// TestLoadIsWholeInTheJournal: what a target accepted is what the journal says.
func TestLoadIsWholeInTheJournal(t *testing.T) {
	y := newTarget(t, func(n int) int { return []int{503, 200}[min(n-1, 1)] })
	r := testRun(t)
	l := r.startLoad(t.Context(), loadOptions{senders: 4, rate: 500, mix: mix{batches: 0.5, batchSize: 5}, targets: []string{y.URL}})
	for l.accepted.Load() < 50 {
		if !pause(t.Context(), time.Millisecond) {
			t.Fatal("the test's time is over")
		}
	}
	l.finish(time.Minute)
	v := r.book(t).verdictOf(0, 0)
	if int64(v.Requests) != l.accepted.Load() || int64(v.Accepted) != l.events.Load() || v.Stuck != 0 || len(y.bodies) != v.Requests {
		t.Errorf("accepted %d requests, %d events; journal %+v", l.accepted.Load(), l.events.Load(), v)
	}
}

// TestRequestsProveThemselves: the signature is one that the receiver takes.
func TestRequestsProveThemselves(t *testing.T) {
	r := testRun(t)
	author := newAuthor(r.gen, &r.count, 0, mix{}, rand.New(rand.NewPCG(1, 2)))
	for range 20 {
		req := author.next()
		got, err := r.keys.sign(req, "http://127.0.0.1:1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if req.source.provider != "jetemail" {
			if !strings.HasSuffix(got.URL.Path, "/"+r.keys.secret(req.source.name, 0)) {
				t.Errorf("%s has no token", got.URL.Path)
			}
			continue
		}
		verifier, err := webhook.New(webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{{ID: "a", Value: []byte(r.keys.secret("jetemail", 0))}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := webhook.Verify(verifier, webhook.Request{Method: http.MethodPost, Header: got.Header, Body: []byte(req.body)}); err != nil {
			t.Error(err)
		}
	}
}

// TestStreamsGoForward: within a stream serials grow, whatever the mix; and no
// serial is given twice.
func TestStreamsGoForward(t *testing.T) {
	r := testRun(t)
	a := newAuthor(r.gen, &r.count, 0, mix{batches: 0.5, batchSize: 9, conflicts: 1}, rand.New(rand.NewPCG(3, 4)))
	b := newAuthor(r.gen, &r.count, 0, mix{}, rand.New(rand.NewPCG(5, 6)))
	last, seen := map[uint32]marker{}, map[uint32]bool{}
	check := func(req *request) {
		if req.sum != sha256.Sum256([]byte(req.body)) || len(req.marks) != req.count {
			t.Fatalf("%+v", req)
		}
		for i, m := range req.marks {
			before, known := last[m.stream]
			if seen[m.serial] || m.serial != req.first+uint32(i) || known && (m.serial <= before.serial || m.seq != before.seq+1) {
				t.Fatalf("%v after %v", m, before)
			}
			last[m.stream], seen[m.serial] = m, true
		}
	}
	for range 500 {
		req := a.next()
		check(req)
		check(b.next())
		if other := a.conflicting(req); other != nil {
			if other.marks[0].native != req.marks[0].native || other.marks[0].stream != req.marks[0].stream {
				t.Fatalf("%v conflicts with %v", other.marks[0], req.marks[0])
			}
			check(other)
		}
	}
}

func TestPaceKeepsItsRate(t *testing.T) {
	p := pace{rate: 200}
	begun := time.Now()
	for range 21 {
		p.wait(t.Context())
	}
	if took := time.Since(begun); took < 95*time.Millisecond {
		t.Errorf("21 turns at 200/s in %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.wait(ctx) {
		t.Error("a turn after the end")
	}
}

func TestTimeline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "j")
	text := "P 0 x ordered\nF 1 a 0 \nQ 7 0 0 1 00 retry\nA 7 10000000 10000100 503\nF 10000200 b 0 \nA 17 1 2 200\nA 7 10000300 10000400 200\nF 99000000 c 0 \n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(timeline(file, 7), "|")
	if want := "Q 7 0 0 1 00 retry|A 7 10000000 10000100 503|F 10000200 b 0 |A 7 10000300 10000400 200"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSamples(t *testing.T) {
	page, err := readSamples(strings.NewReader("# HELP a b\na{x=\"1\"} 2\na{x=\"2\"} 3\nb 4e3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if page.sum("a", "") != 5 || page.sum("a", `x="2"`) != 3 || page.sum("b", "") != 4000 || page.has("c") || !page.has("b") {
		t.Errorf("%+v", page)
	}
	for _, text := range []string{"", "a b\n"} {
		if _, err := readSamples(strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
