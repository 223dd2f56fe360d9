package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

func TestEveryRecordIsHandledInTheOrderOfItsKeyAndCommitted(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 3)
	r.publish(topic, numbered(3000, 40)...)
	cfg := r.config(topic)
	cfg.Concurrency = 8
	var b book
	run := r.run(cfg, b.handle)
	run.until("all is handled", func(s consumer.State) bool { return b.count() >= 3000 && drained(s) })
	run.halt()
	last := map[int]int{}
	for _, line := range b.list() {
		n, _ := strconv.Atoi(line)
		if before, ok := last[n%40]; ok && before != n-40 || !ok && n >= 40 {
			t.Fatalf("key %d: %d after %d", n%40, n, before)
		}
		last[n%40] = n
	}
	r.publish(topic, "k1=more")
	var second book
	run = r.run(r.config(topic), second.handle)
	run.until("the rest is handled", func(s consumer.State) bool { return second.count() > 0 && drained(s) })
	run.halt()
	if got := second.list(); !slices.Equal(got, []string{"more"}) {
		t.Errorf("the next process handles %v, want what is new", got)
	}
}

// TestOnlyContiguousRecordsAreCommitted: one handler hangs, others go on; what is
// committed stays before it.
func TestOnlyContiguousRecordsAreCommitted(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, numbered(50, 50)...)
	cfg := r.config(topic)
	cfg.Concurrency, cfg.StopTimeout = 2, time.Millisecond
	var b book
	run := r.run(cfg, func(ctx context.Context, m *consumer.Message) error {
		if string(m.Value) == "7" {
			<-ctx.Done()
			return ctx.Err()
		}
		return b.handle(ctx, m)
	})
	run.until("all others are handled", func(s consumer.State) bool {
		return b.count() == 49 && s.Partitions[0].Committed == 7
	})
	run.halt()
	var second book
	run = r.run(r.config(topic), second.handle)
	run.until("the rest is handled", drained)
	if got := second.list(); len(got) != 43 || got[0] != "7" {
		t.Errorf("the next process begins with %v, %d records; want 7 and those behind it", got[0], len(got))
	}
}

// TestAFailureIsTriedInPlaceThenLaterThenADeadLetter, with its story in its headers.
func TestAFailureIsTriedInPlaceThenLaterThenADeadLetter(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=bad", "b=good", "a=behind")
	var attempts atomic.Int64
	b := book{fail: func(m *consumer.Message) error {
		if string(m.Value) != "bad" {
			return nil
		}
		if want := attempts.Add(1); int64(m.Attempt) != want {
			t.Errorf("attempt %d says it is %d", want, m.Attempt)
		}
		if got := m.Origin(); got != (consumer.Place{Topic: topic}) {
			t.Errorf("origin %v", got)
		}
		return fmt.Errorf("no: %w", errDown)
	}}
	run := r.run(r.config(topic), b.handle)
	dead := r.name + ".dead"
	run.until("it is dead", func(s consumer.State) bool { return attempts.Load() == 6 && drained(s) })
	run.halt()
	got := b.list()
	if behind := slices.Index(got, "behind"); behind != 4 || slices.Index(got, "good") > behind || got[7] != "bad" {
		t.Errorf("handled %s; want three attempts, then what waits behind them, then three more", got)
	}
	if n := len(r.records(r.name + ".retry.1s")); n != 1 {
		t.Errorf("%d records in the retry topic, want 1", n)
	}
	list := r.records(dead)
	if len(list) != 1 || string(list[0].Value) != "bad" || string(list[0].Key) != "a" {
		t.Fatalf("dead letters: %v", list)
	}
	headers := map[string]string{}
	for _, h := range list[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	first, err := time.Parse(time.RFC3339, headers[consumer.HeaderFirst])
	if err != nil || time.Since(first) > bound || list[0].Time.Sub(first) < time.Second {
		t.Errorf("failed first at %q, dead at %s", headers[consumer.HeaderFirst], list[0].Time)
	}
	delete(headers, consumer.HeaderFirst)
	want := fmt.Sprint(map[string]string{
		consumer.HeaderGroup: r.name, consumer.HeaderOf: topic + "/0/0", consumer.HeaderAttempts: "6",
		consumer.HeaderError: "no: down", consumer.HeaderDead: consumer.DeadAttempts,
	})
	if got := fmt.Sprint(headers); got != want {
		t.Errorf("headers\n%s, want\n%s", got, want)
	}
}

func TestPermanentIsADeadLetterAtOnce(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=bad", "a=panic", "a=good")
	b := book{fail: func(m *consumer.Message) error {
		switch string(m.Value) {
		case "bad":
			return consumer.Permanent(errDown)
		case "panic":
			panic("at the disco")
		}
		return nil
	}}
	cfg := r.config(topic)
	cfg.Retry.Delays = []time.Duration{}
	run := r.run(cfg, b.handle)
	run.until("all is handled", func(s consumer.State) bool { return b.count() == 5 && drained(s) })
	run.halt()
	if got := fmt.Sprint(b.list()); got != "[bad"+strings.Repeat(" panic", 3)+" good]" {
		t.Errorf("handled %s", got)
	}
	var reasons []string
	for _, m := range r.records(r.name + ".dead") {
		for _, h := range m.Headers {
			if h.Key == consumer.HeaderDead {
				reasons = append(reasons, string(m.Value)+" "+string(h.Value))
			}
		}
	}
	if got := fmt.Sprint(reasons); got != "[bad permanent panic attempts]" {
		t.Errorf("dead letters %s", got)
	}
}

// TestOrderedWaitsInPlace: the key waits with its record, other keys do not.
func TestOrderedWaitsInPlace(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "a=2", "b=3")
	var fails atomic.Int64
	b := book{fail: func(m *consumer.Message) error {
		if string(m.Value) == "1" && fails.Add(1) <= 4 {
			return errDown
		}
		return nil
	}}
	cfg := r.config(topic)
	cfg.Retry.Ordered = true
	run := r.run(cfg, b.handle)
	run.until("all is handled", func(s consumer.State) bool { return b.count() == 7 && drained(s) })
	run.halt()
	got := b.list()
	if slices.Index(got, "3") > 4 || got[5] != "1" || got[6] != "2" {
		t.Errorf("handled %v; want 3 not to wait, and 2 last", got)
	}
	if topics, err := r.client.Topics(t.Context()); err != nil || slices.ContainsFunc(topics, func(t broker.TopicReport) bool { return strings.Contains(t.Name, r.name+".retry") }) {
		t.Errorf("no retry topic is needed: %v", err)
	}
}

// TestPausesWhileADependencyIsDown: nothing is burnt.
func TestPausesWhileADependencyIsDown(t *testing.T) {
	for name, down := range map[string]error{"said": consumer.Unavailable(errDown), "noticed": errDown} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			topic := r.topic("events", 1)
			r.publish(topic, numbered(100, 100)...)
			var up atomic.Bool
			b := book{fail: func(m *consumer.Message) error {
				if up.Load() {
					return nil
				}
				return down
			}}
			cfg := r.config(topic)
			cfg.Concurrency = 4
			cfg.Retry.Attempts = 20
			cfg.Breaker = consumer.Breaker{Failures: 5, MinWait: 50 * time.Millisecond, MaxWait: 200 * time.Millisecond}
			run := r.run(cfg, b.handle)
			run.until("it pauses", func(s consumer.State) bool { return s.Breaker == consumer.BreakerOpen })
			if got := run.State().Reason; got != "down" {
				t.Errorf("reason %q", got)
			}
			calls := b.count()
			eventually(t, "it tries", func() bool { return b.count() >= calls+4 })
			if n := b.count(); n > 40 {
				t.Errorf("%d calls while all is down", n)
			}
			up.Store(true)
			run.until("all is handled", func(s consumer.State) bool { return s.Breaker == consumer.BreakerClosed && drained(s) })
			run.halt()
			if n := len(r.records(r.name+".retry.1s")) + len(r.records(r.name+".dead")); n != 0 {
				t.Errorf("%d records were put aside", n)
			}
		})
	}
}

// TestAGapIsAnError that names it, or goes on where somebody says so.
func TestAGapIsAnError(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, numbered(10, 1)...)
	if err := r.client.CommitGroup(t.Context(), r.name, map[string]map[int]int64{topic: {0: 40}}); err != nil {
		t.Fatal(err)
	}
	var b book
	err := r.run(r.config(topic), b.handle).wait()
	gap, ok := errors.AsType[*consumer.GapError](err)
	if !ok || gap.Topic != topic || gap.Partition != 0 || gap.From != 40 || gap.To != 0 || !strings.Contains(err.Error(), topic) {
		t.Fatalf("Run: %v", err)
	}
	cfg := r.config(topic)
	var told []consumer.GapError
	cfg.OnGap = func(g *consumer.GapError) error {
		told = append(told, *g)
		return nil
	}
	run := r.run(cfg, b.handle)
	run.until("what is there is handled", func(s consumer.State) bool { return b.count() == 10 && drained(s) })
	run.halt()
	if len(told) != 1 {
		t.Errorf("told %v", told)
	}
}

// TestStopLetsHandlersFinish, for a while.
func TestStopLetsHandlersFinish(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "b=2")
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	cfg := r.config(topic)
	cfg.Concurrency = 2
	run := r.run(cfg, func(context.Context, *consumer.Message) error {
		entered <- struct{}{}
		<-leave
		return nil
	})
	<-entered
	<-entered
	run.stop()
	select {
	case err := <-run.done:
		t.Fatalf("Run returned while handlers run: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	run.halt()
	g, err := r.client.Group(t.Context(), r.name)
	if err != nil || len(g.Members) != 0 || g.Offsets[0].Offset != 2 {
		t.Errorf("group %+v, %v; want both committed, and the member gone", g, err)
	}
}

// TestHandlersThatDoNotHeedAStopAreNamed and their records are not committed.
func TestHandlersThatDoNotHeedAStopAreNamed(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1")
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	cfg := r.config(topic)
	cfg.StopTimeout = 10 * time.Millisecond
	run := r.run(cfg, func(context.Context, *consumer.Message) error {
		entered <- struct{}{}
		<-leave
		return nil
	})
	<-entered
	run.stop()
	if err := run.wait(); err == nil || !strings.Contains(err.Error(), "1 records are still with handlers") {
		t.Errorf("Run: %v", err)
	}
	close(leave)
	var b book
	second := r.run(r.config(topic), b.handle)
	second.until("it is handled again", func(s consumer.State) bool { return b.count() == 1 && drained(s) })
}

func TestAHandlerHasItsTime(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1")
	cfg := r.config(topic)
	cfg.Timeout = 20 * time.Millisecond
	var ended atomic.Int64
	run := r.run(cfg, func(ctx context.Context, m *consumer.Message) error {
		if m.Attempt > 1 {
			return nil
		}
		<-ctx.Done()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			ended.Add(1)
		}
		return ctx.Err()
	})
	run.until("it is handled", drained)
	if ended.Load() != 1 {
		t.Error("the context did not end by its deadline")
	}
}

func TestStopEndsRun(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "a=2", "a=3")
	b := book{fail: func(m *consumer.Message) error {
		if string(m.Value) == "2" {
			return consumer.Stop(errDown)
		}
		return nil
	}}
	if err := r.run(r.config(topic), b.handle).wait(); !errors.Is(err, errDown) {
		t.Errorf("Run: %v", err)
	}
	g, err := r.client.Group(t.Context(), r.name)
	if err != nil || g.Offsets[0].Offset != 1 {
		t.Errorf("group %+v, %v; want the first record committed", g.Offsets, err)
	}
}

func TestPatternsAndTopicsThatAreMissing(t *testing.T) {
	r := newRig(t)
	a, b := r.topic("one", 1), r.topic("two", 1)
	r.publish(a, "a=1")
	r.publish(b, "b=2")
	var bk book
	run := r.run(r.config(r.name+".*"), bk.handle)
	run.until("both are handled", func(s consumer.State) bool { return bk.count() == 2 && drained(s) })
	run.halt()
	err := r.run(r.config(r.name+".missing"), bk.handle).wait()
	if err == nil || !strings.Contains(err.Error(), "there is no topic "+r.name+".missing") {
		t.Errorf("Run: %v", err)
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	_, err := consumer.New(consumer.Config{
		Concurrency: -1, Topics: []string{"[", "ok"},
		Retry: consumer.Retry{Prefix: "what ever", Delays: []time.Duration{time.Millisecond, time.Hour, time.Hour}, MinBackoff: time.Hour, MaxBackoff: time.Minute},
	}, func(context.Context, *consumer.Message) error { return nil })
	for _, want := range []string{"Group is missing", `"["`, "Kafka.Brokers", "Concurrency", "MaxBackoff", "1ms", "1h0m0s twice", "what ever.dead"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not tell of %s", err, want)
		}
	}
	if _, err := consumer.New(consumer.Config{Group: "g", Topics: []string{"t"}, Kafka: consumer.Kafka{Brokers: []string{"b:1"}}}, nil); err == nil {
		t.Error("a Handler is needed")
	}
}

// TestMembersShareTheWork: one comes, one goes, one of them has nothing to do, and
// nothing is left out.
func TestMembersShareTheWork(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 2)
	var all book
	cfg := r.config(topic)
	cfg.Concurrency, cfg.StopTimeout, cfg.SessionTimeout = 4, 100*time.Millisecond, 8*time.Second // and so quick heartbeats
	slow := func(ctx context.Context, m *consumer.Message) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
			return all.handle(ctx, m)
		}
	}
	n := 0
	more := func() {
		list := make([]string, 100)
		for i := range list {
			list[i] = fmt.Sprintf("k%d=%d", i, n)
			n++
		}
		r.publish(topic, list...)
	}
	more()
	first := r.run(cfg, slow)
	first.until("one has all", func(s consumer.State) bool { return len(s.Partitions) == 3 })
	second, third, fourth := r.run(cfg, slow), r.run(cfg, slow), r.run(cfg, slow)
	more()
	eventually(t, "each has its part", func() bool {
		parts := 0
		for _, m := range []*running{first, second, third, fourth} {
			s := m.State()
			if !s.Assigned || len(s.Partitions) > 2 {
				return false
			}
			parts += len(s.Partitions)
		}
		return parts == 3
	})
	more()
	first.halt()
	second.halt()
	more()
	eventually(t, "the others have all", func() bool {
		return drained(third.State()) && drained(fourth.State()) && len(third.State().Partitions)+len(fourth.State().Partitions) == 3
	})
	// A member is drained as of its last fetch; what was published since has yet to come.
	eventually(t, "all records are handled", func() bool {
		seen := map[string]bool{}
		for _, line := range all.list() {
			seen[line] = true
		}
		return len(seen) == n
	})
}

func TestEventTopics(t *testing.T) {
	if got := fmt.Sprint(consumer.EventTopics("email", event.Delivered, event.Opened)); got != "[email.delivered email.opened email.inbound.delivered]" {
		t.Error(got)
	}
	if got := consumer.EventTopics("email"); len(got) != len(event.Routes()) {
		t.Errorf("%d topics", len(got))
	}
}

// TestFewRecordsThatAlwaysFailAreNoReasonToPause: they come back from retry topics, and
// are the same records all the time.
func TestFewRecordsThatAlwaysFailAreNoReasonToPause(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "b=2", "c=3", "d=4")
	b := book{fail: func(*consumer.Message) error { return consumer.Later(errDown) }}
	cfg := r.config(topic)
	cfg.Retry.Delays = []time.Duration{time.Second, 2 * time.Second}
	cfg.Breaker.Failures = 5
	run := r.run(cfg, b.handle)
	run.until("all are dead", func(s consumer.State) bool { return b.count() == 12 && drained(s) })
	if s := run.State(); s.Breaker != consumer.BreakerClosed {
		t.Errorf("the breaker is %s: %s", s.Breaker, s.Reason)
	}
	run.halt()
	if n := len(r.records(r.name + ".dead")); n != 4 {
		t.Errorf("%d dead letters, want 4", n)
	}
}
