package forward_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/forward"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// bound ends a test that hangs; every wait is on a condition.
const bound = time.Minute

// secret is a signing secret of Standard Webhooks.
const secret = "whsec_c2lnbmluZyBzZWNyZXQgb2YgMzIgYnl0ZXMhIQ=="

// rig is a broker with the topics of the tests.
type rig struct {
	t         *testing.T
	broker    string
	client    *broker.Client
	publisher *broker.GroupCommitter
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	client, err := broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, broker: b.Addr(), client: client, publisher: broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound})}
	t.Cleanup(func() {
		_ = r.publisher.Close(context.Background())
		client.Close()
	})
	r.topics("email.bounced", "email.complained", "email.raw")
	return r
}

func (r *rig) topics(names ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var specs []broker.TopicSpec
	for _, name := range names {
		specs = append(specs, broker.TopicSpec{Name: name, Partitions: 2})
	}
	if _, err := r.client.EnsureTopics(ctx, specs, true); err != nil {
		r.t.Fatal(err)
	}
}

// bounced is an event; those with different numbers have different ids, and those whose
// numbers are equal after a division by 100 have one message.
func bounced(n int) event.Event {
	received, _ := event.ParseTime("2026-11-22T12:00:00.250Z")
	return event.Event{
		Schema: event.Schema,
		ID:     fmt.Sprintf("%032x", n), Type: event.Bounced, Family: event.FamilyDelivery, Direction: event.Outbound, Provider: "jetemail", Source: "jet",
		ProviderType: "outbound.bounced", ReceivedAt: received, OccurredAt: received, MessageID: fmt.Sprintf(`m %d "ü%%"`, n/100),
		Recipient: "ann@example.com", Bounce: &event.Bounce{Class: event.Hard},
	}
}

// record is the event's, as the receiver publishes it, with more headers.
func record(e event.Event, more ...event.Header) broker.Record {
	return broker.Record{
		Topic: "email." + string(e.Type), Key: []byte(e.Key()), Value: e.AppendJSON(nil),
		Headers: append(e.AppendHeaders(nil, event.Stamp{Mapper: 1}), more...), Time: time.Now(),
	}
}

func (r *rig) publish(recs ...broker.Record) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := r.publisher.Publish(ctx, recs); err != nil {
		r.t.Fatal(err)
	}
}

// events publishes events of these numbers.
func (r *rig) events(numbers ...int) {
	r.t.Helper()
	for _, n := range numbers {
		r.publish(record(bounced(n)))
	}
}

// read reads all that a topic holds.
func (r *rig) read(topic string) (list []broker.Message) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	client, err := broker.Dial(broker.Options{Brokers: []string{r.broker}}) // which knows no topics yet
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	logs, err := client.Offsets(ctx, topic)
	if err != nil {
		r.t.Fatal(err)
	}
	for p, log := range logs {
		if err := client.Read(ctx, topic, p, log.First, log.Next, func(m broker.Message) error { list = append(list, m); return nil }); err != nil {
			r.t.Fatal(err)
		}
	}
	return list
}

// request is one that a target got.
type request struct {
	header http.Header
	body   string
	at     time.Time
}

func (q *request) id() string { return q.header.Get("Webhook-Id") }

// target is an HTTP server that does as it is told and remembers all requests.
type target struct {
	*httptest.Server

	mu   sync.Mutex
	list []request
}

// serve starts a target. answer says what to do with the nth request (from 0) of an id,
// nil: 204.
func serve(t *testing.T, answer func(w http.ResponseWriter, q request, nth int)) *target {
	t.Helper()
	g := &target{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := request{r.Header.Clone(), string(body), time.Now()}
		g.mu.Lock()
		nth := 0
		for i := range g.list {
			if g.list[i].id() == q.id() {
				nth++
			}
		}
		g.list = append(g.list, q)
		g.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, q, nth)
	}))
	t.Cleanup(g.Close)
	return g
}

// requests are those that came so far.
func (g *target) requests() []request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list)
}

// ids are the numbers of the events that came so far, in order.
func (g *target) ids() (list []int) {
	for _, q := range g.requests() {
		var n int
		_, _ = fmt.Sscanf(q.id(), "%x", &n)
		list = append(list, n)
	}
	return list
}

// status answers with one status.
func status(code int) func(http.ResponseWriter, request, int) {
	return func(w http.ResponseWriter, _ request, _ int) { w.WriteHeader(code) }
}

// sub is a subscription to a target from the first record on, whose retries are short.
func sub(name string, g *target) forward.Subscription {
	return forward.Subscription{
		Name: name, Group: "email.forward." + name, Topics: []string{"email.bounced"}, URL: g.URL + "/hook?token=geheim",
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Secrets: []delivery.Secret{{ID: "a", Key: secret}},
		Format: forward.JSON, Timeout: 5 * time.Second, Concurrency: 8, Attempts: 2, Delays: []time.Duration{time.Second},
	}
}

// running is a Forwarder at work.
type running struct {
	*forward.Forwarder

	t    *testing.T
	rig  *rig
	logs *observer.ObservedLogs
	stop func()
}

// run starts a Forwarder; it is stopped with the test.
func (r *rig) run(subs ...forward.Subscription) *running {
	r.t.Helper()
	return r.runWith(forward.Options{}, subs...)
}

func (r *rig) runWith(o forward.Options, subs ...forward.Subscription) *running {
	r.t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	o.Subscriptions, o.Kafka, o.KeyKind, o.Now, o.Log = subs, consumer.Kafka{Brokers: []string{r.broker}}, "message", time.Now, zap.New(core)
	o.MinBackoff, o.MaxBackoff = 5*time.Millisecond, 2*time.Second
	f, err := forward.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	run := &running{Forwarder: f, t: r.t, rig: r, logs: logs, stop: sync.OnceFunc(func() { cancel(); <-done })}
	r.t.Cleanup(run.stop)
	return run
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// state is what a subscription is doing.
func (r *running) state(name string) forward.Status {
	for _, s := range r.Status() {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no subscription %s", name)
	return forward.Status{}
}

// dead is how many dead letters a subscription has that are durable.
func (r *running) dead(name string) int {
	if r.metric("dead_total", name) == 0 {
		return 0 // there may be no topic yet
	}
	return len(r.rig.read("email.forward." + name + ".dead"))
}

// metric is the value of a metric, its labels in the order of their names.
func (r *running) metric(name string, labels ...string) float64 {
	r.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Forwarder)
	families, err := registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == "postrider_forward_"+name && strings.Join(values, ",") == strings.Join(labels, ",") {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	r.t.Fatalf("there is no metric %s{%s}", name, strings.Join(labels, ","))
	return 0
}

// tlsServer has a certificate that nobody vouches for.
func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
