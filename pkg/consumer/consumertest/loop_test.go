package consumertest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/consumer/middleware"
	"github.com/postrider/postrider/pkg/event"
)

// notes is what a consumer did, by what each handler says.
type notes struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // told of each line
}

func (n *notes) add(line string) {
	n.mu.Lock()
	n.lines = append(n.lines, line)
	n.mu.Unlock()
	n.more <- struct{}{}
}

// wait waits for so many lines, and returns them sorted.
func (n *notes) wait(ctx context.Context, t *testing.T, count int) []string {
	t.Helper()
	for range count {
		select {
		case <-n.more:
		case <-ctx.Done():
			t.Fatalf("only %v", n.lines)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.lines))
}

// loop is a consumer of all there is, on a broker.
type loop struct {
	notes    notes
	broker   *consumertest.Broker
	registry *prometheus.Registry
	spans    *tracetest.InMemoryExporter
	logs     *observer.ObservedLogs
	consumer *consumer.Consumer
}

// traceparent is that of one of the records.
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// routes hands hard bounces and what else happens to the notes; a panicking and a
// hopeless handler beside.
func (l *loop) routes() (consumer.Handler, error) {
	note := func(what string) consumer.Handler {
		return consumer.Events(func(_ context.Context, e *event.Event) error {
			l.notes.add(what + " " + e.MessageID)
			return nil
		})
	}
	r := consumer.NewRouter()
	err := errors.Join(
		r.On(consumer.Match{Types: []string{"bounced"}, Where: `bounce.class == "hard"`}, note("suppress")),
		r.On(consumer.Match{Types: []string{"complained"}}, func(context.Context, *consumer.Message) error { panic("oh") }),
		r.On(consumer.Match{Types: []string{"dropped"}}, func(context.Context, *consumer.Message) error {
			return consumer.Permanent(errors.New("never heard of it"))
		}),
		r.On(consumer.Match{Types: []string{"delivered"}}, func(ctx context.Context, m *consumer.Message) error {
			l.notes.add("trace " + trace.SpanContextFromContext(ctx).TraceID().String())
			return nil
		}),
	)
	r.Otherwise(note("other"))
	return r.Handle, err
}

// start makes and runs the consumer; ctx ends it.
func (l *loop) start(ctx context.Context, t *testing.T) (ended <-chan error) {
	t.Helper()
	handler, err := l.routes()
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	log := zap.New(core)
	l.logs, l.registry, l.spans = logs, prometheus.NewPedanticRegistry(), tracetest.NewInMemoryExporter()
	measured, err := middleware.Metrics(l.registry)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := middleware.Outcomes(l.registry)
	if err != nil {
		t.Fatal(err)
	}
	handler = consumer.Chain(handler,
		middleware.Tracing(sdktrace.NewTracerProvider(sdktrace.WithSyncer(l.spans))), middleware.Logging(log), measured,
		middleware.Recover(log), consumer.Once(consumer.NewMemory(consumer.MemoryOptions{})))
	l.consumer, err = consumer.New(consumer.Config{
		Kafka: l.broker.Kafka(), Group: "g", Topics: []string{"email.*"}, Concurrency: 4, CommitEvery: 20 * time.Millisecond,
		Retry:   consumer.Retry{Attempts: 2, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Delays: []time.Duration{}},
		Observe: outcomes,
	}, handler)
	if err != nil {
		t.Fatal(err)
	}
	l.registry.MustRegister(middleware.Collect(l.consumer))
	done := make(chan error, 1)
	go func() { done <- l.consumer.Run(ctx) }()
	return done
}

// dead waits for dead letters.
func (l *loop) dead(ctx context.Context, t *testing.T, n int) []*consumer.Message {
	t.Helper()
	for range time.Tick(10 * time.Millisecond) {
		found, err := l.broker.Records(ctx, "g.dead")
		if err != nil {
			t.Fatal(err)
		}
		if len(found) >= n {
			return found
		}
	}
	return nil
}

// Everything at once: routes, once, all middlewares, the real loop.
func TestConsumerOnTheBroker(t *testing.T) {
	ctx := ctxOf(t)
	l := &loop{broker: consumertest.New(t), notes: notes{more: make(chan struct{}, 100)}}
	bounced := event.Event{Type: event.Bounced, MessageID: "1", Bounce: &event.Bounce{Class: event.Hard}}
	if err := l.broker.CreateTopics(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.broker.Publish(ctx, bounced, event.Event{Type: event.Bounced, MessageID: "2"}, bounced, event.Event{Type: event.Received, MessageID: "3"}, event.Event{Type: event.Complained, MessageID: "4"}, event.Event{Type: event.Dropped, MessageID: "5"}); err != nil {
		t.Fatal(err)
	}
	if err := l.broker.Send(ctx,
		consumertest.Message(bounced, consumertest.Replayed(consumer.Replay{ID: "run"})),
		consumertest.Message(bounced, consumertest.Conflict()),
		consumertest.Message(event.Event{Type: event.Delivered, MessageID: "6"}, consumertest.Header("traceparent", traceparent)),
	); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := l.start(running, t)
	want := []string{"other 2", "other 3", "suppress 1", "suppress 1", "trace 4bf92f3577b34da6a3ce929d0e0e4736"}
	if got := l.notes.wait(ctx, t, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	l.checkDead(ctx, t)
	l.settle(ctx, t)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	l.checkTold(t)
}

// checkDead looks at the dead letters: of the panic, and of what is hopeless.
func (l *loop) checkDead(ctx context.Context, t *testing.T) {
	t.Helper()
	got := map[string]string{}
	for _, m := range l.dead(ctx, t, 2) {
		reason, _ := m.Header(consumer.HeaderDead)
		got[m.MessageID()] = reason + " of " + m.Origin().Topic
	}
	if len(got) != 2 || got["4"] != "attempts of email.complained" || got["5"] != "permanent of email.dropped" {
		t.Errorf("dead letters %v", got)
	}
}

// settle waits until nothing is behind.
func (l *loop) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	behind := func(p consumer.PartitionState) bool { return p.HighWater < 0 || p.Lag() > 0 }
	for range time.Tick(10 * time.Millisecond) {
		switch s := l.consumer.State(); {
		case len(s.Partitions) > 0 && !slices.ContainsFunc(s.Partitions, behind):
			return
		case ctx.Err() != nil:
			t.Fatalf("the consumer does not get to the end: %+v", s)
		}
	}
}

// checkTold looks at what figures, spans and log say of nine records and one repeated attempt.
func (l *loop) checkTold(t *testing.T) {
	t.Helper()
	const calls = 10
	if n := len(l.spans.GetSpans()); n != calls {
		t.Errorf("%d spans, want %d", n, calls)
	}
	if n := l.logs.FilterMessage("record handled").Len(); n != 7 {
		t.Errorf("%d records handled by the log", n)
	}
	if n := l.logs.FilterMessage("handler panicked").Len(); n != 2 {
		t.Errorf("%d panics by the log", n)
	}
	want := `
# HELP postrider_consumer_outcomes_total What became of records after a call of the handler, by topic and outcome: handled, retried, delayed, dead, paused or dropped.
# TYPE postrider_consumer_outcomes_total counter
postrider_consumer_outcomes_total{outcome="dead",topic="email.complained"} 1
postrider_consumer_outcomes_total{outcome="dead",topic="email.dropped"} 1
postrider_consumer_outcomes_total{outcome="handled",topic="email.bounced"} 5
postrider_consumer_outcomes_total{outcome="handled",topic="email.delivered"} 1
postrider_consumer_outcomes_total{outcome="handled",topic="email.inbound.received"} 1
postrider_consumer_outcomes_total{outcome="retried",topic="email.complained"} 1
`
	if err := testutil.GatherAndCompare(l.registry, strings.NewReader(want), "postrider_consumer_outcomes_total"); err != nil {
		t.Error(err)
	}
}
