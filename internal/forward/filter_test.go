package forward_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

func reason(code string) zap.Field { return zap.String("reason_code", code) }

// Only what is meant is sent; what cannot be told is a dead letter, and no stop.
func TestFilter(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	s := sub("a", g)
	s.Topics, s.Where = []string{"email.bounced", "email.complained"}, `bounce.class == "soft" or (tags[3] == "x")`
	soft, tagged := bounced(2), bounced(3)
	soft.Bounce = &event.Bounce{Class: event.Soft}
	tagged.Tags = []string{"a", "b", "c", "x"}
	other := tagged
	other.ID, other.Tags = fmt.Sprintf("%032x", 4), []string{"a", "b", "c", "y"}
	r.events(1) // has no tags[3]
	r.publish(record(soft), record(tagged), record(other))
	run := r.run(s)
	until(t, "all records", func() bool {
		return run.metric("delivered_total", "a")+run.metric("skipped_total", "filter", "a")+float64(run.dead("a")) == 4
	})
	got := g.ids()
	if slices.Sort(got); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("%v came, want 2 and 3", got)
	}
	if run.metric("failed_total", "filter", "a") != 1 {
		t.Error("what cannot be told is not counted")
	}
	dead := r.read("email.forward.a.dead")[0]
	if why, _ := event.HeaderValue(dead.Headers, consumer.HeaderError); !strings.Contains(why, "index out of range") {
		t.Errorf("the dead letter says %q", why)
	}
}

// Copies of a replay are delivered under their old id, or left out.
func TestReplayed(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	skips := sub("skips", g)
	skips.SkipReplayed, skips.URL = true, g.URL+"/skips"
	copied := event.Header{Key: "replay-id", Value: []byte("019a-run")}
	r.publish(record(bounced(1), copied, event.Header{Key: "replay-of", Value: []byte("email.bounced/0/0")}), record(bounced(2)))
	run := r.run(sub("takes", g), skips)
	until(t, "all records", func() bool {
		return run.metric("delivered_total", "takes") == 2 && run.metric("delivered_total", "skips")+run.metric("skipped_total", "replayed", "skips") == 2
	})
	var got []string
	for _, q := range g.requests() {
		got = append(got, strings.TrimLeft(q.id(), "0")+q.header.Get("Postrider-Replay"))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"1019a-run", "2", "2"}) {
		t.Errorf("came %v", got)
	}
}

// A dead letter that a replay puts into the group's first topic of retries is delivered,
// whatever is to become of other copies, also if it fails once more.
func TestDeadLettersComeBack(t *testing.T) {
	r := newRig(t)
	g := serve(t, func(w http.ResponseWriter, _ request, nth int) {
		if nth < 4 { // three rounds, and the first of those after it came back
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	s := sub("a", g)
	s.SkipReplayed, s.Delays = true, []time.Duration{time.Second, 2 * time.Second}
	r.events(1)
	run := r.run(s)
	until(t, "the dead letter", func() bool { return run.dead("a") == 1 })
	dead := r.read("email.forward.a.dead")[0]
	headers := append(dead.Headers, event.Header{Key: "replay-id", Value: []byte("019a")}, event.Header{Key: "replay-of", Value: []byte("email.forward.a.dead/0/0")})
	r.publish(broker.Record{Topic: "email.forward.a.retry.1s", Key: dead.Key, Value: dead.Value, Headers: headers, Time: time.Now()})
	until(t, "the delivery", func() bool { return run.metric("delivered_total", "a") == 1 })
	if q := g.requests(); q[len(q)-1].id() != fmt.Sprintf("%032x", 1) {
		t.Errorf("it came as %s", q[len(q)-1].id())
	}
}

// A bound on deliveries a second is kept.
func TestRate(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	s := sub("a", g)
	s.Rate = 20
	var numbers []int
	for i := range 30 {
		numbers = append(numbers, 100*i)
	}
	r.events(numbers...)
	run := r.run(s)
	until(t, "all deliveries", func() bool { return run.metric("delivered_total", "a") == 30 })
	q := g.requests()
	if took := q[29].at.Sub(q[0].at); took < 29*time.Second/20-100*time.Millisecond {
		t.Errorf("30 deliveries at 20/s took %v", took)
	}
}

// A stop is no attempt: what waits for its turn is left to the next start.
func TestStopSparesWhatWaitsForItsTurn(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	r.events(100, 200, 300, 400) // of different keys
	s := sub("a", g)
	s.Rate, s.Attempts, s.Delays = 1, 1, nil
	run := r.run(s)
	until(t, "one delivery, and others in line", func() bool { return len(g.requests()) == 1 && run.state("a").InFlight > 1 })
	run.stop()
	if got := run.metric("dead_total", "a"); got != 0 {
		t.Errorf("a stop made %v dead letters", got)
	}
	left := run.logs.FilterField(reason("forward_left")).FilterLevelExact(zap.InfoLevel).All()
	if len(left) != 1 || len(left[0].Context) == 0 || left[0].ContextMap()["records"] == int64(0) {
		t.Errorf("left: %v", left)
	}
	s.Rate = 0
	r.run(s)
	until(t, "the others", func() bool { return len(unique(g.ids())) == 4 })
}

// unique are the different numbers.
func unique(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

// While everything fails nothing is burnt, and it goes on by itself.
func TestBreaker(t *testing.T) {
	r := newRig(t)
	var fine atomic.Bool
	g := serve(t, func(w http.ResponseWriter, _ request, _ int) {
		if !fine.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := sub("a", g)
	s.Attempts, s.Concurrency = 5, 1
	var numbers []int
	for i := range 30 {
		numbers = append(numbers, 100*i)
	}
	r.events(numbers...)
	o := forward.Options{Breaker: consumer.Breaker{Failures: 3, MinWait: 50 * time.Millisecond, MaxWait: 100 * time.Millisecond}}
	run := r.runWith(o, s)
	until(t, "the pause", func() bool {
		return run.metric("breaker_state", "open", "a") == 1 && run.state("a").State == forward.Paused
	})
	if told := run.state("a").Reason; !strings.Contains(told, "503") || strings.Contains(told, "geheim") {
		t.Errorf("paused because %q", told)
	}
	fine.Store(true)
	until(t, "all deliveries", func() bool { return run.metric("delivered_total", "a") == 30 })
	if run.metric("breaker_state", "closed", "a") != 1 || run.state("a").State != forward.Running || run.metric("dead_total", "a") != 0 {
		t.Errorf("afterwards: %+v", run.state("a"))
	}
}

// Records that are not meant say nothing of the target: they end no pause, and are done
// with in one.
func TestFilteredRecordsEndNoPause(t *testing.T) {
	r := newRig(t)
	g := serve(t, status(http.StatusServiceUnavailable))
	s := sub("a", g)
	s.Where, s.Attempts, s.Concurrency = `not (message_id startsWith "m 1 ")`, 50, 1
	r.events(1000, 2000, 3000, 4000)
	run := r.runWith(forward.Options{Breaker: consumer.Breaker{Failures: 3, MinWait: 10 * time.Millisecond, MaxWait: 20 * time.Millisecond}}, s)
	until(t, "the pause", func() bool { return run.state("a").State == forward.Paused })
	for i := range 20 {
		r.events(100 + i)
	}
	until(t, "all that is left out", func() bool { return run.metric("skipped_total", "filter", "a") == 20 })
	if said := run.logs.FilterField(reason("consumer_resumed")).All(); len(said) > 0 {
		t.Errorf("it went on although the target was down: %v", said)
	}
}

// Nothing is called that is not public, unless it is allowed; and nothing is burnt
// meanwhile.
func TestAddressesAreRefused(t *testing.T) {
	r := newRig(t)
	g := serve(t, nil)
	s := sub("a", g)
	s.Allow = nil
	s.URL = "https://localhost:1/"
	r.events(1)
	run := r.run(s)
	until(t, "the pause", func() bool { return run.state("a").State == forward.Paused || run.metric("delayed_total", "a") > 0 })
	if told := run.state("a").Reason; !strings.Contains(told, "loopback") {
		t.Errorf("paused because %q", told)
	}
	if run.metric("failed_total", "address", "a") == 0 || run.metric("dead_total", "a")+run.metric("delayed_total", "a") != 0 {
		t.Error("not counted, or burnt")
	}
}

// A certificate that nobody vouches for, and secrets that have ended, pause too.
func TestWhatIsOursToPutRightPauses(t *testing.T) {
	r := newRig(t)
	plain, secure := serve(t, nil), serve(t, nil)
	secure.Close()
	secure.Server = tlsServer(t)
	ended := sub("ended", plain)
	ended.Secrets = []delivery.Secret{{ID: "a", Key: secret, NotAfter: time.Now().Add(-time.Hour)}}
	r.events(1)
	run := r.run(ended, sub("untrusted", secure))
	for name, why := range map[string]string{"ended": "secrets", "untrusted": "certificate"} {
		until(t, name+" pauses", func() bool {
			return run.state(name).State == forward.Paused && run.metric("failed_total", why, name) > 0
		})
	}
	if len(plain.requests()) != 0 {
		t.Error("an unsigned request was sent")
	}
}

// All that is wrong is said before anything runs.
func TestNewRefuses(t *testing.T) {
	g := serve(t, nil)
	bad := sub("a", g)
	bad.Where, bad.URL = "bounce.clss == 1", "ftp://x"
	_, err := forward.New(forward.Options{Subscriptions: []forward.Subscription{bad}, Kafka: consumer.Kafka{Brokers: []string{"127.0.0.1:1"}}, Now: time.Now, Log: zap.NewNop()})
	for _, want := range []string{"subscription a", "clss", "neither https nor http"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := forward.New(forward.Options{Now: time.Now, Log: zap.NewNop()}); err == nil {
		t.Error("no subscription is no error")
	}
}
