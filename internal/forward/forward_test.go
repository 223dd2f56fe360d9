package forward_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// rawRecord is a request as the receiver keeps it.
func rawRecord() broker.Record {
	header := func(key, value string) event.Header { return event.Header{Key: key, Value: []byte(value)} }
	return broker.Record{Topic: "email.raw", Key: []byte("velma/019a1b2c"), Value: []byte("a=1&b=\x80 "), Time: time.Now(), Headers: []event.Header{
		header("provider", "vfs"), header("source", "velma"), header("id", "019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b"), header("method", "POST"),
		header("content-type", "application/x-www-form-urlencoded"), header("remote-address", "192.0.2.1"), header("query", "email=ann%40example.com"),
		header("key-id", "a"), header("http-x-signature", "sha256=0123"), header("http-svix-signature", "v1,abc"), header("http-cookie", "c=d"),
	}}
}

// The formats, to the byte. What differs from run to run is left out.
func TestFormats(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	r.events(7)
	r.publish(rawRecord())
	var subs []forward.Subscription
	for _, f := range forward.Formats() {
		s := sub(string(f), g)
		s.Format, s.URL = f, g.URL+"/"
		if f == forward.Raw {
			s.Topics = []string{"email.raw"}
		}
		subs = append(subs, s)
	}
	r.run(subs...)
	until(t, "a delivery of each format", func() bool { return len(g.requests()) == len(subs) })
	const (
		value = `{"schema":"email-event/1","id":"00000000000000000000000000000007","type":"bounced","family":"delivery","direction":"outbound",` +
			`"provider":"jetemail","source":"jet","provider_type":"outbound.bounced","occurred_at":"2026-11-22T12:00:00.250Z",` +
			`"received_at":"2026-11-22T12:00:00.250Z","message_id":"m 0 \"ü%\"","recipient":"ann@example.com","bounce":{"class":"hard"}}`
		own = "Postrider-Attempt: 1\nPostrider-Event-Type: email.bounced.v1\nPostrider-Provider: jetemail\nPostrider-Source: jet\n"
		id  = "Webhook-Id: 00000000000000000000000000000007\n"
	)
	want := []string{
		"Content-Type: application/json\n" + own + id + "\n" + value,
		"Content-Type: application/cloudevents+json; charset=utf-8\n" + own + id + "\n" +
			`{"specversion":"1.0","id":"00000000000000000000000000000007","source":"/jetemail/jet","type":"email.bounced.v1",` +
			`"time":"2026-11-22T12:00:00.250Z","subject":"m 0 \"ü%\"","datacontenttype":"application/json","data":` + value + "}",
		"Ce-Id: 00000000000000000000000000000007\nCe-Source: /jetemail/jet\nCe-Specversion: 1.0\nCe-Subject: m%200%20%22%C3%BC%25%22\n" +
			"Ce-Time: 2026-11-22T12:00:00.250Z\nCe-Type: email.bounced.v1\nContent-Type: application/json\n" + own + id + "\n" + value,
		"Content-Type: application/x-www-form-urlencoded\nPostrider-Attempt: 1\nPostrider-Provider: vfs\n" +
			"Postrider-Query: email=ann%40example.com\nPostrider-Source: velma\nWebhook-Id: 019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b\n\na=1&b=\x80 ",
	}
	var got []string
	for _, q := range g.requests() {
		got = append(got, dump(q))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// dump is a request without what HTTP and the signature add.
func dump(q request) string {
	var lines []string
	for name, values := range q.header {
		if !slices.Contains([]string{"Accept-Encoding", "Content-Length", "User-Agent", "Webhook-Timestamp", "Webhook-Signature"}, name) {
			lines = append(lines, name+": "+strings.Join(values, ", ")+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "") + "\n" + q.body
}

// A library that is not ours verifies each delivery, with either secret while one is
// replaced, and with none that has ended.
func TestSignatures(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	r.events(1)
	other := "whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMhIQ=="
	ended := "whsec_ZW5kZWQgc2VjcmV0IG9mIG1vcmUgdGhhbiAyNA=="
	s := sub("a", g)
	s.Secrets = []delivery.Secret{
		{ID: "new", Key: secret},
		{ID: "old", Key: other, NotAfter: time.Now().Add(time.Hour)},
		{ID: "older", Key: ended, NotAfter: time.Now().Add(-time.Hour)},
	}
	r.run(s)
	until(t, "a delivery", func() bool { return len(g.requests()) == 1 })
	q := g.requests()[0]
	for key, want := range map[string]bool{secret: true, other: true, ended: false} {
		wh, err := oracle.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify([]byte(q.body), q.header); (err == nil) != want {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A target that wants no more disables its subscription, and no other.
func TestGoneDisables(t *testing.T) {
	r := newRig(t)
	gone, fine := serve(t, status(http.StatusGone)), serve(t, nil)
	a, b := sub("gone", gone), sub("fine", fine)
	a.Concurrency = 1
	r.events(1, 2, 3)
	run := r.run(a, b)
	until(t, "the end of one and the work of the other", func() bool {
		over := run.state("gone").State == forward.Disabled || len(gone.requests()) > 1
		return over && len(fine.requests()) == 3
	})
	if got := run.metric("disabled", "gone") + run.metric("failed_total", "gone", "gone"); got != 2 {
		t.Errorf("disabled and failed make %v, want 2", got)
	}
	r.events(4)
	until(t, "more work of the other", func() bool { return len(fine.requests()) == 4 })
	if got := len(gone.requests()); got != 1 {
		t.Errorf("a target that answered 410 got %d requests", got)
	}
	if logged := run.logs.FilterField(reason("forward_disabled")).All(); len(logged) != 1 || strings.Contains(fmt.Sprint(logged), "geheim") {
		t.Errorf("logged: %v", logged)
	}
	run.stop()
	gone.mu.Lock()
	gone.list = nil
	gone.mu.Unlock()
	again := r.run(a)
	until(t, "another try after a restart", func() bool { return again.state("gone").State == forward.Disabled })
	if got := gone.ids(); !slices.Equal(got, []int{1}) {
		t.Errorf("a restart asked with %v, want the record that was refused", got)
	}
}

// What each answer means for the schedule: a dead letter after so many requests.
func TestAnswersAndTheSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, requests int
		reason         string
	}{
		{http.StatusFound, 2, "redirect"}, // one in place, one after the delay
		{http.StatusTemporaryRedirect, 2, "redirect"},
		{http.StatusBadRequest, 2, "rejected"},
		{http.StatusUnauthorized, 2, "unauthorized"},
		{http.StatusNotFound, 2, "rejected"},
		{http.StatusTooManyRequests, 4, "rate_limited"}, // two in place, two after the delay
		{http.StatusRequestTimeout, 4, "server_error"},
		{http.StatusServiceUnavailable, 4, "server_error"},
	} {
		t.Run(strconv.Itoa(c.code), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var elsewhere *target
			if c.code < 400 {
				elsewhere = serve(t, nil)
			}
			g := serve(t, func(w http.ResponseWriter, _ request, _ int) {
				if elsewhere != nil {
					w.Header().Set("Location", elsewhere.URL)
				}
				w.WriteHeader(c.code)
			})
			r.events(1)
			run := r.run(sub("a", g))
			until(t, "a dead letter", func() bool { return run.dead("a") == 1 })
			if got := len(g.requests()); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
			if elsewhere != nil && len(elsewhere.requests()) > 0 {
				t.Error("a redirect was followed")
			}
			if got := run.metric("failed_total", c.reason, "a"); got != float64(c.requests) {
				t.Errorf("%v attempts failed as %s, want %d", got, c.reason, c.requests)
			}
			dead := r.read("email.forward.a.dead")[0]
			told, _ := event.HeaderValue(dead.Headers, consumer.HeaderError)
			if !strings.Contains(told, strconv.Itoa(c.code)) || strings.Contains(told, "geheim") {
				t.Errorf("the dead letter says %q", told)
			}
		})
	}
}

// Attempts of one record are told apart, and share their id; an event that came at last
// came once.
func TestRetriesKeepTheID(t *testing.T) {
	r := newRig(t)
	g := serve(t, func(w http.ResponseWriter, _ request, nth int) {
		if nth < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.events(9)
	run := r.run(sub("a", g))
	until(t, "the delivery", func() bool { return run.metric("delivered_total", "a")+run.metric("dead_total", "a") == 1 })
	var attempts []string
	for _, q := range g.requests() {
		attempts = append(attempts, q.id()+" "+q.header.Get("Postrider-Attempt"))
	}
	id := fmt.Sprintf("%032x ", 9)
	if diff := cmp.Diff([]string{id + "1", id + "2", id + "3", id + "4"}, attempts); diff != "" {
		t.Error(diff)
	}
	if got := [...]float64{run.metric("retried_total", "a"), run.metric("delayed_total", "a"), run.metric("attempt_seconds", "a"), run.metric("age_seconds", "a")}; got != [...]float64{2, 1, 4, 1} {
		t.Errorf("retried, delayed, attempts and deliveries are %v", got)
	}
}

// Retry-After is kept, and bounded.
func TestRetryAfter(t *testing.T) {
	r := newRig(t)
	polite := serve(t, func(w http.ResponseWriter, _ request, nth int) {
		if nth == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	hostile := serve(t, func(w http.ResponseWriter, _ request, _ int) {
		w.Header().Set("Retry-After", "99999999999999999999")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r.events(1)
	run := r.run(sub("polite", polite), sub("hostile", hostile))
	until(t, "the delivery", func() bool { return run.metric("delivered_total", "polite") == 1 })
	q := polite.requests()
	if waited := q[1].at.Sub(q[0].at); waited < time.Second {
		t.Errorf("asked again after %v, want a second at least", waited)
	}
	until(t, "the record's delay", func() bool {
		return run.metric("delayed_total", "hostile") == 1 && len(r.read("email.forward.hostile.retry.1s")) == 1
	})
	late := r.read("email.forward.hostile.retry.1s")[0]
	text, _ := event.HeaderValue(late.Headers, consumer.HeaderNotBefore)
	due, err := time.Parse(time.RFC3339, text)
	if wait := time.Until(due); err != nil || wait < 58*time.Minute || wait > time.Hour {
		t.Errorf("due in %v (%v), want an hour", wait, err)
	}
}

// A target that never answers delays nobody else, and its place is given up in time.
func TestSlowTargetDelaysNoOther(t *testing.T) {
	r := newRig(t)
	hang := make(chan struct{})
	defer close(hang)
	slow := serve(t, func(http.ResponseWriter, request, int) { <-hang })
	fine := serve(t, nil)
	s := sub("slow", slow)
	s.Timeout = time.Second
	numbers := make([]int, 40)
	for i := range numbers {
		numbers[i] = i * 100
	}
	run := r.run(s, sub("fine", fine))
	begun := time.Now()
	r.events(numbers...)
	until(t, "the other's deliveries", func() bool { return len(fine.requests()) == len(numbers) })
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	until(t, "a time-out", func() bool { return run.metric("failed_total", "timeout", "slow") > 0 })
	if got := run.metric("delivered_total", "slow"); got != 0 {
		t.Errorf("%v delivered to a target that never answered", got)
	}
}

// With ordered, nothing of a message overtakes what waits for its retry; without, the
// rest goes on meanwhile.
func TestOrdered(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{true, false} {
		t.Run(strconv.FormatBool(ordered), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := serve(t, func(w http.ResponseWriter, q request, nth int) {
				if q.id() == fmt.Sprintf("%032x", 1) && nth < 3 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
			s := sub("a", g)
			s.Ordered = ordered
			r.events(1, 2, 3, 100)
			run := r.run(s)
			until(t, "all deliveries", func() bool { return run.metric("delivered_total", "a") == 4 })
			var got []int
			for _, n := range g.ids() {
				if n < 100 {
					got = append(got, n)
				}
			}
			want := []int{1, 1, 2, 3, 1, 1}
			if ordered {
				want = []int{1, 1, 1, 1, 2, 3}
			}
			if !slices.Equal(got, want) {
				t.Errorf("came as %v, want %v", got, want)
			}
		})
	}
}

// What a stop leaves, the next start delivers, under the same ids; nothing is lost.
func TestRestart(t *testing.T) {
	r := newRig(t)
	var numbers []int
	for i := range 60 {
		numbers = append(numbers, i+1)
	}
	got := map[int]int{}
	for round := 0; len(got) < len(numbers) && round < 20; round++ {
		g := serve(t, nil)
		run := r.run(sub("a", g))
		if round < 3 {
			r.events(numbers[20*round : 20*round+20]...)
		}
		some := min(5, len(numbers)-len(got))
		until(t, "some deliveries", func() bool { return len(g.requests()) >= some })
		run.stop()
		if left := run.logs.FilterField(reason("forward_left")).All(); len(left) != 1 {
			t.Errorf("a stop says %v", left)
		}
		for _, n := range g.ids() {
			got[n]++
		}
	}
	for _, n := range numbers {
		if got[n] == 0 {
			t.Errorf("event %d never came", n)
		}
	}
	if len(got) != len(numbers) {
		t.Errorf("%d ids came, want %d", len(got), len(numbers))
	}
}

// A stop waits for deliveries in progress, but not for ever, and names what is left.
func TestStopHasADeadline(t *testing.T) {
	r := newRig(t)
	hang := make(chan struct{})
	defer close(hang)
	g := serve(t, func(http.ResponseWriter, request, int) { <-hang })
	s := sub("a", g)
	s.Timeout = bound
	r.events(1, 2, 3)
	run := r.runWith(forward.Options{StopTimeout: 200 * time.Millisecond}, s)
	until(t, "a delivery", func() bool { return run.state("a").InFlight > 0 && run.state("a").Lag == 3 })
	begun := time.Now()
	run.stop()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the stop took %v", took)
	}
	left := run.logs.FilterField(reason("forward_left")).FilterField(zap.Int64("records", 3)).All()
	if len(left) != 1 || run.state("a").State != forward.Stopped {
		t.Errorf("left: %v, state %+v", run.logs.FilterField(reason("forward_left")).All(), run.state("a"))
	}
}
