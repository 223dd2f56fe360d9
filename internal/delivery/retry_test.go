package delivery_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/delivery"
)

// TestHostileRetryAfter: the library would sleep for a day, for decades, or not at
// all.
func TestHostileRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const (
		least = 10 * time.Millisecond // a tenth of MinBackoff
		most  = 100*time.Millisecond + 5*time.Second
	)
	for _, c := range []struct {
		value    string
		from, to time.Duration
	}{
		{"3", 3 * time.Second, 3100 * time.Millisecond},
		{" 3 ", 3 * time.Second, 3100 * time.Millisecond},
		{now.Add(3 * time.Second).Format(http.TimeFormat), 3 * time.Second, 3100 * time.Millisecond},
		{"86400", 5 * time.Second, most},
		{"9223372036", 5 * time.Second, most},
		{"9223372037", 5 * time.Second, most},
		{"9223372036854775807", 5 * time.Second, most},
		{"9223372036854775808", 5 * time.Second, most},
		{"99999999999999999999999999", 5 * time.Second, most},
		{"Fri, 01 Jan 2100 00:00:00 GMT", 5 * time.Second, most},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 5 * time.Second, most},
		{"0", least, 400 * time.Millisecond},
		{"-1", least, 400 * time.Millisecond},
		{"-9223372036854775808", least, 400 * time.Millisecond},
		{"Mon, 01 Jan 0001 00:00:00 GMT", least, 400 * time.Millisecond},
		{"Thu, 01 Jan 1970 00:00:00 GMT", least, 400 * time.Millisecond},
		{"1e9", least, 400 * time.Millisecond},
		{"soon", least, 400 * time.Millisecond},
		{"3, 4", least, 400 * time.Millisecond},
		{"٣", least, 400 * time.Millisecond},
		{"", least, 400 * time.Millisecond},
	} {
		for _, status := range []int{429, 503, 500} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Retry-After"] = []string{c.value}
				w.WriteHeader(status)
			})
			client, w := dial(t, delivery.Options{
				URL: s.URL, MaxAttempts: 4, MinBackoff: 100 * time.Millisecond, MaxBackoff: 400 * time.Millisecond, MaxRetryAfter: 5 * time.Second,
				Now: func() time.Time { return now },
			})
			if got, want := told(client.Deliver(t.Context(), message())), "unavailable"; got[:len(want)] != want {
				t.Fatalf("%q: got %q", c.value, got)
			}
			honoured := c.from >= 3*time.Second
			if got := asked(t, client); honoured && (got < c.from || got > c.to) || !honoured && got != 0 {
				t.Errorf("%d, Retry-After %q: the error says %v, want %v to %v, or 0 below 3s", status, c.value, got, c.from, c.to)
			}
			if len(w.list) != 6 {
				t.Fatalf("%q: %d waits, want 6", c.value, len(w.list))
			}
			for _, d := range w.list {
				if d < c.from || d > c.to {
					t.Errorf("%d, Retry-After %q: waits %v, want %v to %v", status, c.value, d, c.from, c.to)
				}
			}
		}
	}
}

// asked is how long the target asks to stay away, by the error of a delivery.
func asked(t *testing.T, c *delivery.Client) time.Duration {
	t.Helper()
	_, err := c.Deliver(t.Context(), message())
	away, ok := errors.AsType[*delivery.UnavailableError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	return away.RetryAfter
}

// TestWaitsAreSpread: from nearly nothing to a bound that doubles up to another.
func TestWaitsAreSpread(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for random, want := range map[float64][]int64{ // milliseconds
		0:   {100, 100, 100, 100, 100, 100},
		0.5: {500, 1000, 2000, 4000, 5000, 5000},
		1:   {1000, 2000, 4000, 8000, 10000, 10000},
	} {
		c, w := dial(t, delivery.Options{
			URL: s.URL, MaxAttempts: 7, MinBackoff: time.Second, MaxBackoff: 10 * time.Second, Random: func() float64 { return random },
		})
		if _, err := c.Deliver(t.Context(), message()); err == nil {
			t.Fatal("delivered")
		}
		for i := range want {
			if got := w.list[i].Milliseconds(); got != want[i] {
				t.Errorf("random %v, wait %d: got %d ms, want %d", random, i+1, got, want[i])
			}
		}
	}
}

// TestManyAttemptsDoNotOverflow: the bound doubles only up to its own.
func TestManyAttemptsDoNotOverflow(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c, w := dial(t, delivery.Options{URL: s.URL, MaxAttempts: 200, MinBackoff: time.Hour, MaxBackoff: 1 << 62, Random: func() float64 { return 0.9 }})
	if _, err := c.Deliver(t.Context(), message()); err == nil {
		t.Fatal("delivered")
	}
	for i, d := range w.list {
		if d <= 0 {
			t.Fatalf("wait %d is %v", i+1, d)
		}
	}
}
