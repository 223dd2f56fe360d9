package consumer_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// TestStopAndPauseCountForRecordsThatWereTaken: a worker that is alone takes many
// records at once; it goes on with none of them after a Stop, and with one at a time
// in a pause.
func TestStopAndPauseCountForRecordsThatWereTaken(t *testing.T) {
	for name, fails := range map[string]error{"stop": consumer.Stop(errDown), "pause": consumer.Unavailable(errDown)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			topic := r.topic("events", 1)
			r.publish(topic, numbered(50, 50)...)
			cfg := r.config(topic)
			cfg.Breaker.MinWait = time.Hour
			cfg.Breaker.MaxWait = time.Hour
			b := book{fail: func(*consumer.Message) error { return fails }}
			run := r.run(cfg, b.handle)
			eventually(t, "it fails", func() bool { return b.count() > 0 })
			if name == "stop" {
				_ = run.wait()
			} else {
				run.until("it pauses", func(s consumer.State) bool { return s.Breaker == consumer.BreakerOpen && s.Running == 0 })
				run.halt()
			}
			if n := b.count(); n != 1 {
				t.Errorf("%d records were handled, want the one that failed", n)
			}
		})
	}
}

func TestAHandlerThatEndsItsGoroutineEndsRun(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "b=2")
	run := r.run(r.config(topic), func(context.Context, *consumer.Message) error {
		runtime.Goexit()
		return nil
	})
	if err := run.wait(); err == nil {
		t.Error("Run: no error")
	}
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestAnErrorThatIsANilPointerIsAnError(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1", "b=2")
	cfg := r.config(topic)
	cfg.Retry.Delays = []time.Duration{}
	run := r.run(cfg, func(context.Context, *consumer.Message) error {
		var e *nilError
		return e
	})
	run.until("both are dead", drained)
	run.halt()
}

// TestObserveHasTheMessageToItself: another worker may get the record as soon as it is
// to be tried again.
func TestObserveHasTheMessageToItself(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, numbered(200, 200)...)
	cfg := r.config(topic)
	cfg.Concurrency = 16
	cfg.Retry.MinBackoff, cfg.Retry.MaxBackoff = 1, 1
	cfg.Breaker.MinWait, cfg.Breaker.MaxWait = 1, 1
	var zero atomic.Int64
	cfg.Observe = func(res consumer.Result) {
		runtime.Gosched()
		if res.Message.Attempt < 1 || len(res.Message.Value) == 0 {
			zero.Add(1)
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	run := r.run(cfg, func(_ context.Context, m *consumer.Message) error {
		mu.Lock()
		defer mu.Unlock()
		seen[string(m.Value)]++
		switch seen[string(m.Value)] {
		case 1:
			return consumer.Unavailable(errDown)
		case 2, 3:
			return errDown
		}
		return nil
	})
	run.until("all is handled", drained)
	run.halt()
	if n := zero.Load(); n > 0 {
		t.Errorf("%d results tell of a message that somebody else has by then", n)
	}
}

// TestRecordsReadBeforeAGapAreFinished: they are in memory, the gap does not name them,
// and so they are neither dropped nor passed over.
func TestRecordsReadBeforeAGapAreFinished(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	r := newRigAt(t, cluster.ListenAddrs()...)
	large := strings.Repeat("x", 8<<10)
	for i := range 10 { // more than there is room for
		r.publish("events", fmt.Sprintf("k%d=%d %s", i, i, large))
	}
	cfg := r.config("events")
	cfg.MaxBytes, cfg.Timeout = 1, 3*time.Second
	told, full := make(chan consumer.GapError, 10), make(chan struct{})
	cfg.OnGap = func(g *consumer.GapError) error {
		told <- *g
		return nil
	}
	var b book
	run := r.run(cfg, func(ctx context.Context, m *consumer.Message) error {
		number, _, _ := strings.Cut(string(m.Value), " ")
		switch number {
		case "0":
			<-full
		case "8": // when half of the room is free, more is asked for
			select {
			case g := <-told:
				told <- g
			case <-ctx.Done(): // it was one of those that waited for room
			}
		}
		return b.handle(ctx, &consumer.Message{Value: []byte(number)})
	})
	run.until("all is read", func(s consumer.State) bool { return s.Running > 0 && s.Partitions[0].HighWater == 10 })
	for i := range 10 {
		r.publish("events", fmt.Sprintf("k=%d %s", 10+i, large))
	}
	if err := cluster.DeleteRecords("events", 0, 15); err != nil {
		t.Fatal(err)
	}
	close(full)
	run.until("all is handled", func(s consumer.State) bool { return slices.Contains(b.list(), "19") && drained(s) })
	run.halt()
	gap := <-told
	var want []string // how many were read before is the broker's choice
	for i := range int64(20) {
		if i < gap.From || i >= gap.To {
			want = append(want, strconv.FormatInt(i, 10))
		}
	}
	if got := b.list(); !slices.Equal(got, want) || gap.From >= 15 || gap.To != 15 || len(told) > 0 {
		t.Errorf("handled %v, told of a gap from %d to %d, and of %d more", got, gap.From, gap.To, len(told))
	}
}

// TestRetryTopicsBeginAtTheirFirstRecord, whatever FromEnd says.
func TestRetryTopicsBeginAtTheirFirstRecord(t *testing.T) {
	r := newRig(t)
	topic, later := r.topic("events", 1), r.topic("retry.1s", 1)
	r.publish(topic, "a=old")
	r.publish(later, "a=waits")
	cfg := r.config(topic)
	cfg.FromEnd = true
	var b book
	run := r.run(cfg, b.handle)
	run.until("it reads", drained)
	run.halt()
	if got := b.list(); !slices.Equal(got, []string{"waits"}) {
		t.Errorf("handled %v, want what waits in the retry topic", got)
	}
}

// TestRetryTopicsOfDelaysThatAreNoMore are read on.
func TestRetryTopicsOfDelaysThatAreNoMore(t *testing.T) {
	r := newRig(t)
	topic, later := r.topic("events", 1), r.topic("retry.2s", 1)
	r.publish(later, "a=waits")
	var b book
	run := r.run(r.config(topic), b.handle)
	run.until("it reads", drained)
	run.halt()
	if got := b.list(); !slices.Equal(got, []string{"waits"}) {
		t.Errorf("handled %v, want what waits in the retry topic", got)
	}
}

// TestRetryTopicsOfTwoGroups that were given one prefix: each handles its own failures.
func TestRetryTopicsOfTwoGroups(t *testing.T) {
	r := newRig(t)
	topic, later := r.topic("events", 1), r.topic("retry.1s", 1)
	ctx := context.Background()
	err := r.publisher.Publish(ctx, []broker.Record{
		{Topic: later, Key: []byte("a"), Value: []byte("theirs"), Time: time.Now(), Headers: []event.Header{{Key: consumer.HeaderGroup, Value: []byte("other")}}},
		{Topic: later, Key: []byte("a"), Value: []byte("ours"), Time: time.Now(), Headers: []event.Header{{Key: consumer.HeaderGroup, Value: []byte(r.name)}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b book
	run := r.run(r.config(topic), b.handle)
	run.until("it reads", drained)
	run.halt()
	if got := b.list(); !slices.Equal(got, []string{"ours"}) {
		t.Errorf("handled %v, want what this group failed with", got)
	}
}

// TestPatternsThatMeanNothingYet, and then one topic, and then more than there were
// topics of all kinds.
func TestPatternsThatMeanNothingYet(t *testing.T) {
	r := newRig(t)
	cfg := r.config(r.name + ".*")
	cfg.Retry.Delays = []time.Duration{}
	var b book
	run := r.runLooking(cfg, b.handle, 20*time.Millisecond)
	r.publish(r.topic("one", 1), "a=1")
	run.until("one topic is read", func(s consumer.State) bool { return b.count() == 1 && drained(s) })
	for i := range 6 {
		r.publish(r.topic(fmt.Sprintf("more%d", i), 1), "a=more")
	}
	run.until("all are read", func(s consumer.State) bool { return b.count() == 7 && drained(s) })
	run.halt()
}

// TestARetryAfterBehindTheLastDelayIsWaitedFor, since no retry topic is left.
func TestARetryAfterBehindTheLastDelayIsWaitedFor(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1")
	cfg := r.config(topic)
	var attempts atomic.Int64
	run := r.run(cfg, func(context.Context, *consumer.Message) error {
		if attempts.Add(1) == 4 {
			return nil
		}
		return consumer.RetryAfter(errDown, 20*time.Millisecond) // longer than MaxBackoff
	})
	run.until("it is finished", func(s consumer.State) bool { return attempts.Load() >= 2 && drained(s) })
	run.halt()
	if n := len(r.records(r.name + ".dead")); n != 0 || attempts.Load() != 4 {
		t.Errorf("%d attempts, %d dead letters; want it handled by its third attempt behind the delay", attempts.Load(), n)
	}
}

// TestADeadLetterTellsWhenItFailedFirst, also where the delays are waited in place.
func TestADeadLetterTellsWhenItFailedFirst(t *testing.T) {
	r := newRig(t)
	topic := r.topic("events", 1)
	r.publish(topic, "a=1")
	cfg := r.config(topic)
	cfg.Retry.Ordered = true
	run := r.run(cfg, func(context.Context, *consumer.Message) error { return errDown })
	run.until("it is dead", drained)
	run.halt()
	list := r.records(r.name + ".dead")
	m := consumer.Message{Headers: list[0].Headers}
	text, _ := m.Header(consumer.HeaderFirst)
	if first, err := time.Parse(time.RFC3339, text); err != nil || list[0].Time.Sub(first) < time.Second {
		t.Errorf("failed first at %s, dead at %s; want a second between them", text, list[0].Time)
	}
}

// TestARecordThatIsTooLargeToBePutAsideWaitsAlone, until its topic takes it.
func TestARecordThatIsTooLargeToBePutAsideWaitsAlone(t *testing.T) {
	r := newRig(t)
	topic, dead := r.topic("events", 1), r.topic("dead", 1)
	limit := func(bytes string) {
		transport := &kafka.Transport{}
		defer transport.CloseIdleConnections()
		client := &kafka.Client{Addr: kafka.TCP(r.brokers...), Transport: transport}
		_, err := client.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: dead,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: bytes, ConfigOperation: kafka.ConfigOperationSet}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1000")
	r.publish(topic, "a=large "+strings.Repeat("x", 2000), "b=1", "c=2")
	cfg := r.config(topic)
	cfg.Breaker = consumer.Breaker{MinWait: 50 * time.Millisecond, MaxWait: 50 * time.Millisecond}
	cfg.Log = nil
	b := book{fail: func(m *consumer.Message) error {
		if len(m.Value) > 1000 {
			return consumer.Permanent(errDown)
		}
		return nil
	}}
	run := r.run(cfg, b.handle)
	run.until("the others are handled", func(s consumer.State) bool {
		if s.Breaker != consumer.BreakerClosed {
			t.Fatalf("the consumer pauses: %s", s.Reason)
		}
		return b.count() == 3 && s.Waiting == 1
	})
	for _, p := range run.State().Partitions {
		if p.Topic == topic && p.Position != 0 {
			t.Errorf("position %d is beyond the record", p.Position)
		}
	}
	limit("10000")
	run.until("it is put aside", drained)
	run.halt()
	if n := len(r.records(dead)); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func TestTopicsThatCannotBeMeant(t *testing.T) {
	for want, change := range map[string]func(*consumer.Config){
		"would go round": func(c *consumer.Config) { c.Topics = append(c.Topics, "g.dead") },
		"is no name":     func(c *consumer.Config) { c.Group = strings.Repeat("g", 243) },
	} {
		cfg := consumer.Config{Group: "g", Topics: []string{"t"}, Kafka: consumer.Kafka{Brokers: []string{"b:1"}}}
		change(&cfg)
		if _, err := consumer.New(cfg, new(book).handle); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
	}
}
