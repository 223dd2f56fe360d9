package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/delivery"
)

// loopback allows what tests listen on.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// serve starts a target.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// waits are the waits that a client would have made.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) note(d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	return 0
}

// dial makes a client of a target that does not wait between attempts.
func dial(t *testing.T, o delivery.Options) (*delivery.Client, *waits) {
	t.Helper()
	if o.Allow == nil {
		o.Allow = loopback()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c, err := delivery.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := &waits{}
	c.OnWait(w.note)
	return c, w
}

func message() delivery.Message {
	return delivery.Message{ID: "0123456789abcdef0123456789abcdef", Body: []byte(`{"type":"bounced"}`)}
}

// TestStatusesDecide: each status is a delivery, a refusal or a trouble that is
// tried again, and nothing else.
func TestStatusesDecide(t *testing.T) {
	var status, requests atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(int(status.Load()))
	})
	c, _ := dial(t, delivery.Options{URL: s.URL, MaxAttempts: 3})
	kinds := map[string][]int{
		"delivered":   {200, 201, 202, 204, 206, 226, 299},
		"refused":     {300, 301, 302, 303, 304, 305, 307, 308, 399, 400, 401, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 451, 499},
		"unavailable": {408, 425, 429, 500, 501, 502, 503, 504, 505, 511, 599, 600, 999},
	}
	for kind, statuses := range kinds {
		for _, code := range statuses {
			status.Store(int64(code))
			requests.Store(0)
			o, err := c.Deliver(t.Context(), message())
			got, want := told(o, err), told(delivery.Outcome{Status: code, Attempts: 1}, nil)
			attempts := int64(1)
			switch kind {
			case "refused":
				want = fmt.Sprintf("refused %d gone=%t", code, code == 410)
			case "unavailable":
				want, attempts = fmt.Sprintf("unavailable %d after 3", code), 3
			}
			if got != want || requests.Load() != attempts {
				t.Errorf("%d: got %q by %d requests, want %q by %d", code, got, requests.Load(), want, attempts)
			}
		}
	}
}

// told is an outcome in short.
func told(o delivery.Outcome, err error) string {
	refused, isRefused := errors.AsType[*delivery.RefusedError](err)
	unavailable, isUnavailable := errors.AsType[*delivery.UnavailableError](err)
	switch {
	case isRefused:
		return fmt.Sprintf("refused %d gone=%t", refused.Status, refused.Gone)
	case isUnavailable:
		return fmt.Sprintf("unavailable %d after %d", unavailable.Status, unavailable.Attempts)
	case err != nil:
		return "error " + err.Error()
	}
	return fmt.Sprintf("delivered %d after %d", o.Status, o.Attempts)
}

// TestRedirectsAreNotFollowed: the library would follow with a GET, and take its
// 200 for a delivery; some targets lead to where nobody should go.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, location := range []string{"/elsewhere", "http://127.0.0.1:1/canary", "//canary/", "http://[canary", "/%zzcanary", "", "gopher://canary"} {
		for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
			var seen []string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.Method+" "+r.URL.Path)
				if r.URL.Path == "/elsewhere" {
					return // 200
				}
				if location != "" {
					w.Header()["Location"] = []string{location}
				}
				w.WriteHeader(status)
			})
			c, _ := dial(t, delivery.Options{URL: s.URL + "/hook"})
			o, err := c.Deliver(t.Context(), message())
			if got, want := told(o, err), fmt.Sprintf("refused %d gone=false", status); got != want {
				t.Errorf("%d to %q: got %q, want %q", status, location, got, want)
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "elsewhere")) {
				t.Errorf("%d to %q: the error tells where to: %v", status, location, err)
			}
			if want := []string{"POST /hook"}; !cmp.Equal(seen, want) {
				t.Errorf("%d to %q: requests were %v, want %v", status, location, seen, want)
			}
		}
	}
}

// TestEveryAttemptHasATimeOut, wherever the target stops.
func TestEveryAttemptHasATimeOut(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request, before func()) {
		before()
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "unavailable 0 after 2"},
		"headers of 503, and no end": {func(w http.ResponseWriter, r *http.Request) {
			hang(w, r, func() { w.WriteHeader(http.StatusServiceUnavailable) })
		}, "unavailable 503 after 2"},
		"headers of 200, and no end": {func(w http.ResponseWriter, r *http.Request) {
			hang(w, r, func() { _, _ = io.WriteString(w, "o") })
		}, "delivered 200 after 1"},
		"headers of 422, and no end": {func(w http.ResponseWriter, r *http.Request) {
			hang(w, r, func() { w.WriteHeader(http.StatusUnprocessableEntity) })
		}, "refused 422 gone=false"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.handler)
			client, _ := dial(t, delivery.Options{URL: s.URL, AttemptTimeout: 150 * time.Millisecond, MaxAttempts: 2})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if got := told(client.Deliver(ctx, message())); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestSlowHeadersAreGivenUp: a byte now and then is no answer.
func TestSlowHeadersAreGivenUp(t *testing.T) {
	ended := make(chan struct{}, 2)
	addr := listen(t, func(conn net.Conn) {
		defer func() { ended <- struct{}{} }()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(conn, "X-Slow: 1\r\n"); err != nil {
				return
			}
		}
	})
	c, _ := dial(t, delivery.Options{URL: "http://" + addr, AttemptTimeout: 150 * time.Millisecond, MaxAttempts: 2})
	_, err := c.Deliver(t.Context(), message())
	if got, want := told(delivery.Outcome{}, err), "unavailable 0 after 2"; got != want || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q (%v), want %q for its time-out", got, err, want)
	}
	<-ended // the connections were closed
	<-ended
}

// listen serves connections by hand.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	return l.Addr().String()
}

// TestBrokenAnswersAreTriedAgain: a connection that breaks at any place, and what
// is no HTTP; the error has our words alone.
func TestBrokenAnswersAreTriedAgain(t *testing.T) {
	for name, answer := range map[string]string{
		"closed at once": "", "half a status": "HTTP/1.1 20", "half the headers": "HTTP/1.1 200 OK\r\nContent-Le",
		"no HTTP": "SSH-2.0-canary\r\n", "a bad status": "HTTP/1.1 canary OK\r\n\r\n", "a bad header": "HTTP/1.1 200 OK\r\ncanary\r\n\r\n",
		"bad framing":        "HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
		"headers of a flood": "HTTP/1.1 200 OK\r\nX-Flood: " + strings.Repeat("canary", 10_000) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
			})
			c, _ := dial(t, delivery.Options{URL: "http://" + addr, MaxAttempts: 3})
			_, err := c.Deliver(t.Context(), message())
			if got, want := told(delivery.Outcome{}, err), "unavailable 0 after 3"; got != want {
				t.Errorf("got %q (%v), want %q", got, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes the answer: %v", err)
			}
		})
	}
}

// TestAnswersOnceBegunAreDecided: the status counts, whatever becomes of the rest.
func TestAnswersOnceBegunAreDecided(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf":                                "delivered 200 after 1",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense":                      "delivered 200 after 1",
		"HTTP/1.1 410 Gone\r\nContent-Length: 1000\r\n\r\nhalf":                              "refused 410 gone=true",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: canary\r\n\r\n": "refused 101 gone=false",
	} {
		addr := listen(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
			if strings.Contains(answer, " 101 ") {
				_, _ = conn.Read(make([]byte, 1)) // until we are left
			}
		})
		c, _ := dial(t, delivery.Options{URL: "http://" + addr, MaxAttempts: 3})
		if got := told(c.Deliver(t.Context(), message())); got != want {
			t.Errorf("%q: got %q, want %q", answer, got, want)
		}
	}
}

// TestAnswersAreBounded: an answer without end is a delivery all the same, and
// soon; nothing asks for compressed answers, so that none can grow.
func TestAnswersAreBounded(t *testing.T) {
	encodings := make(chan []string, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		encodings <- r.Header.Values("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		for chunk := make([]byte, 32<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c, _ := dial(t, delivery.Options{URL: s.URL, AttemptTimeout: 10 * time.Minute, MaxAttempts: 1})
	if got, want := told(c.Deliver(t.Context(), message())), "delivered 200 after 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := <-encodings; len(got) != 0 {
		t.Errorf("asks for %v", got)
	}
}

// TestConnectionsAreKept, for the next delivery and for other deliveries while one
// fails: the library closes all of them whenever it gives up.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = w.Write(make([]byte, 8<<10))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c, _ := dial(t, delivery.Options{URL: s.URL, MaxAttempts: 1})
	for i := range 20 {
		m := message()
		if i%2 == 1 {
			m.Header = http.Header{"X-Fail": {"1"}}
		}
		_, err := c.Deliver(t.Context(), m)
		if failed := err != nil; failed != (i%2 == 1) {
			t.Fatal(i, err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// TestConcurrencyIsBounded: no more deliveries than said are in progress.
func TestConcurrencyIsBounded(t *testing.T) {
	const bound = 3
	var now, most atomic.Int64
	full := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		most.Store(max(most.Load(), n))
		if n == bound {
			close(full)
		}
		<-full
	})
	c, _ := dial(t, delivery.Options{URL: s.URL, MaxConcurrent: bound})
	var all sync.WaitGroup
	for range bound {
		all.Go(func() {
			if _, err := c.Deliver(t.Context(), message()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != bound {
		t.Errorf("%d at once, want %d", most.Load(), bound)
	}
}

// TestWaitingForAPlaceEndsWithTheCaller.
func TestWaitingForAPlaceEndsWithTheCaller(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { close(busy); <-release })
	c, _ := dial(t, delivery.Options{URL: s.URL, MaxConcurrent: 1})
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := c.Deliver(t.Context(), message()); err != nil {
			t.Error(err)
		}
	})
	<-busy
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Deliver(ctx, message()); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	close(release)
	first.Wait()
}

// TestTheCallerCanGiveUp, while an answer is awaited and between attempts.
func TestTheCallerCanGiveUp(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(cause)
		<-r.Context().Done()
	})
	c, w := dial(t, delivery.Options{URL: s.URL})
	if _, err := c.Deliver(ctx, message()); !errors.Is(err, cause) || len(w.list) > 0 {
		t.Errorf("while it is awaited: got %v after the waits %v, want %v", err, w.list, cause)
	}

	ctx, cancel = context.WithCancelCause(t.Context())
	failing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c, _ = dial(t, delivery.Options{URL: failing.URL})
	c.OnWait(func(time.Duration) time.Duration { cancel(cause); return time.Hour })
	if _, err := c.Deliver(ctx, message()); !errors.Is(err, cause) {
		t.Errorf("between attempts: got %v, want %v", err, cause)
	}
}
