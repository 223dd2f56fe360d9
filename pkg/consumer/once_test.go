package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// transaction is the key of what a ledger's Begin puts into the context.
type transaction struct{}

// ledger is a Store that notes how it is called.
type ledger struct {
	handled  map[string]bool
	calls    []string
	beginErr error
	endErr   error
	endCtx   context.Context
}

func (l *ledger) Begin(ctx context.Context, id string) (context.Context, bool, error) {
	l.calls = append(l.calls, "begin "+id)
	return context.WithValue(ctx, transaction{}, id), l.handled[id], l.beginErr
}

func (l *ledger) End(ctx context.Context, id string, err error) error {
	l.calls = append(l.calls, fmt.Sprintf("end %s: %v", id, err))
	l.endCtx = ctx
	if l.endErr == nil && err == nil {
		if l.handled == nil {
			l.handled = map[string]bool{}
		}
		l.handled[id] = true
	}
	return l.endErr
}

// ids are those that were handled, in order.
func (l *ledger) ids() []string { return slices.Sorted(maps.Keys(l.handled)) }

// opened is the record of an event of a given id.
func opened(id string, options ...consumertest.Option) *consumer.Message {
	return consumertest.Message(event.Event{ID: id, Type: event.Opened}, options...)
}

// counting is a Handler that counts its calls.
func counting(n *int) consumer.Handler {
	return func(context.Context, *consumer.Message) error {
		*n++
		return nil
	}
}

func TestOnceHandlesAnEventOnce(t *testing.T) {
	var calls int
	var skipped []string
	l := &ledger{}
	h := consumer.Once(l, consumer.Skipped(func(m *consumer.Message) { skipped = append(skipped, m.ID()) }))(counting(&calls))
	errs := consumertest.Feed(t.Context(), h, opened("a"), opened("b"), opened("a"), opened("a", consumertest.Duplicate()))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if calls != 2 || !slices.Equal(skipped, []string{"a", "a"}) {
		t.Errorf("%d calls, %v skipped", calls, skipped)
	}
	want := []string{"begin a", "end a: <nil>", "begin b", "end b: <nil>", "begin a", "begin a"}
	if diff := cmp.Diff(want, l.calls); diff != "" {
		t.Error(diff)
	}
}

func TestOnceHandsTheTransactionOn(t *testing.T) {
	l := &ledger{}
	h := consumer.Once(l)(func(ctx context.Context, _ *consumer.Message) error {
		if ctx.Value(transaction{}) != "a" {
			t.Error("the handler has no transaction")
		}
		return nil
	})
	if err := h(t.Context(), opened("a")); err != nil {
		t.Fatal(err)
	}
	if l.endCtx.Value(transaction{}) != "a" {
		t.Error("End has no transaction")
	}
}

func TestOnceForgetsWhatFailed(t *testing.T) {
	l, calls := &ledger{}, 0
	no := errors.New("no")
	h := consumer.Once(l)(func(context.Context, *consumer.Message) error {
		if calls++; calls == 1 {
			return consumer.Permanent(no)
		}
		return nil
	})
	errs := consumertest.Feed(t.Context(), h, opened("a"), opened("a"))
	if !errors.Is(errs[0], no) || !consumer.IsPermanent(errs[0]) || errs[1] != nil || calls != 2 {
		t.Errorf("got %v, %d calls", errs, calls)
	}
	if want := []string{"begin a", "end a: no", "begin a", "end a: <nil>"}; !slices.Equal(l.calls, want) {
		t.Errorf("got %v", l.calls)
	}
}

func TestOnceForgetsWhatPanicked(t *testing.T) {
	l := &ledger{}
	h := consumer.Once(l)(func(context.Context, *consumer.Message) error { panic("oh") })
	func() {
		defer func() {
			if p := recover(); p != "oh" {
				t.Errorf("the panic went on as %v", p)
			}
		}()
		_ = h(t.Context(), opened("a"))
	}()
	if want := []string{"begin a", "end a: consumer: the handler panicked"}; !slices.Equal(l.calls, want) {
		t.Errorf("got %v", l.calls)
	}
}

func TestOnceReturnsTheStoresErrors(t *testing.T) {
	down, calls := errors.New("down"), 0
	h := consumer.Once(&ledger{beginErr: down})(counting(&calls))
	if err := h(t.Context(), opened("a")); !errors.Is(err, down) || calls != 0 {
		t.Errorf("Begin: got %v, %d calls", err, calls)
	}
	l := &ledger{endErr: down}
	h = consumer.Once(l)(counting(&calls))
	if err := h(t.Context(), opened("a")); !errors.Is(err, down) || calls != 1 || len(l.ids()) != 0 {
		t.Errorf("End: got %v, %d calls", err, calls)
	}
	no := errors.New("no")
	h = consumer.Once(l)(func(context.Context, *consumer.Message) error { return consumer.Permanent(no) })
	if err := h(t.Context(), opened("a")); !errors.Is(err, down) || !errors.Is(err, no) || !consumer.IsPermanent(err) {
		t.Errorf("both: got %v", err)
	}
}

// What is done is remembered although the handler's time is over, within bounds.
func TestOnceRemembersWhenTheTimeIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := &ledger{}
	h := consumer.Once(l)(func(context.Context, *consumer.Message) error {
		cancel()
		return nil
	})
	if err := h(ctx, opened("a")); err != nil {
		t.Fatal(err)
	}
	if _, bounded := l.endCtx.Deadline(); !bounded {
		t.Error("End has no bound")
	}
	if !slices.Equal(l.ids(), []string{"a"}) {
		t.Errorf("remembered: %v", l.ids())
	}
}

// endless is a Store whose End looks at its context.
type endless struct{ ledger }

func (e *endless) End(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("end: %w", ctx.Err())
	}
	return e.ledger.End(ctx, id, err)
}

func TestEndIsCalledWithALivingContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := consumer.Once(&endless{})(func(context.Context, *consumer.Message) error {
		cancel()
		return nil
	})
	if err := h(ctx, opened("a")); err != nil {
		t.Error(err)
	}
}

// identities feeds records, and returns what each was known by; "-" for those left out
// without being asked about.
func identities(t *testing.T, messages []*consumer.Message, options ...consumer.OnceOption) []string {
	t.Helper()
	var ids []string
	for _, m := range messages {
		l := &ledger{}
		if err := consumer.Once(l, options...)(counting(new(int)))(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strings.Join(append(l.ids(), "-")[:1], ""))
	}
	return ids
}

func TestOnceKnowsRecordsByWhatTheyAre(t *testing.T) {
	first := consumer.Place{Topic: "email.opened", Partition: 1, Offset: 5}
	retried := consumertest.At(consumer.Place{Topic: "g.retry.1m", Partition: 2, Offset: 9})
	copied := consumertest.Replayed(consumer.Replay{ID: "run", Of: first, At: time.Unix(1, 0), Hops: 1})
	raw := &consumer.Message{Topic: "email.raw", Offset: 3, Value: []byte("x")}
	got := identities(t, []*consumer.Message{
		opened("a", consumertest.At(first)),
		opened("a", consumertest.At(first), consumertest.Conflict()),
		opened("a", retried, consumertest.Retried(first, 3), consumertest.Conflict()),
		opened("a", copied, consumertest.Conflict()),
		opened("a", retried, copied, consumertest.Retried(consumer.Place{Topic: "again"}, 3), consumertest.Conflict()),
		opened("a", copied),
		raw,
	})
	want := []string{"a", "a@email.opened/1/5", "a@email.opened/1/5", "a@email.opened/1/5", "a@email.opened/1/5", "a", "@email.raw/0/3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReplayPolicies(t *testing.T) {
	copied := func(run string) consumertest.Option { return consumertest.Replayed(consumer.Replay{ID: run}) }
	feed := []*consumer.Message{
		opened("a"), opened("a", copied("1")), opened("a", copied("1")), opened("a", copied("2")), opened("b", copied("2")), opened("b"),
	}
	for policy, want := range map[consumer.ReplayPolicy]int{consumer.ReplayOnce: 2, consumer.ReplayAgain: 5, consumer.ReplaySkip: 2} {
		calls, skipped := 0, 0
		h := consumer.Once(&ledger{}, consumer.Replays(policy), consumer.Skipped(func(*consumer.Message) { skipped++ }))(counting(&calls))
		if err := errors.Join(consumertest.Feed(t.Context(), h, feed...)...); err != nil {
			t.Fatal(err)
		}
		if calls != want || skipped != len(feed)-want {
			t.Errorf("policy %d: %d calls, %d skipped, want %d", policy, calls, skipped, want)
		}
	}
	// Skip leaves copies out and originals in, whatever came first.
	if got := identities(t, feed[4:], consumer.Replays(consumer.ReplaySkip)); !slices.Equal(got, []string{"-", "b"}) {
		t.Errorf("skip: %v", got)
	}
	if got := identities(t, feed[1:2], consumer.Replays(consumer.ReplayAgain)); !slices.Equal(got, []string{"1/a"}) {
		t.Errorf("again: %v", got)
	}
}

// TestRepeatsEndNoPause: that a repeat was left out says nothing about what the Handler
// depends on; and without a Store, ids are in memory.
func TestRepeatsEndNoPause(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	send := func(key string, e event.Event) {
		m := consumertest.Message(e)
		r.send(broker.Record{Topic: topic, Key: []byte(key), Value: m.Value, Headers: m.Headers, Time: time.Now()})
	}
	send("a", event.Event{ID: "first", Type: event.Opened})
	var down atomic.Bool
	var calls atomic.Int64
	cfg := r.config(topic)
	cfg.Breaker.MinWait = 10 * time.Millisecond
	run := r.run(cfg, consumer.Chain(func(context.Context, *consumer.Message) error {
		calls.Add(1)
		if down.Load() {
			return consumer.Unavailable(errDown)
		}
		return nil
	}, consumer.Once(nil)))
	run.until("the first is handled", drained)
	down.Store(true)
	send("b", event.Event{ID: "second", Type: event.Opened})
	run.until("it pauses", func(s consumer.State) bool { return s.Breaker != consumer.BreakerClosed })
	send("c", event.Event{ID: "first", Type: event.Opened})
	run.until("the repeat is read", func(s consumer.State) bool { return s.Partitions[0].HighWater == 3 })
	before := calls.Load()
	eventually(t, "it goes on asking", func() bool { return calls.Load() > before+3 })
	if s := run.State(); s.Breaker == consumer.BreakerClosed {
		t.Error("a repeat ended the pause")
	}
	down.Store(false)
	run.until("all is handled", func(s consumer.State) bool { return s.Breaker == consumer.BreakerClosed && drained(s) })
}
