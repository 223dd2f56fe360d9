package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/pkg/consumer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bound ends a test that hangs; every wait is on a condition.
const bound = time.Minute

// rig is a broker, the embedded one or that of POSTRIDER_TEST_BROKERS, and topics of
// this test alone.
type rig struct {
	t         *testing.T
	brokers   []string
	name      string
	client    *broker.Client
	publisher *broker.GroupCommitter
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if at := os.Getenv("POSTRIDER_TEST_BROKERS"); at != "" {
		return newRigAt(t, strings.Split(at, ",")...)
	}
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return newRigAt(t, b.Addr())
}

// newRigAt is a rig at these brokers.
func newRigAt(t *testing.T, brokers ...string) *rig {
	t.Helper()
	name := strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	r := &rig{t: t, brokers: brokers, name: fmt.Sprintf("%s-%d", name, time.Now().UnixNano())}
	client, err := broker.Dial(broker.Options{Brokers: r.brokers})
	if err != nil {
		t.Fatal(err)
	}
	r.client = client
	r.publisher = broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound})
	t.Cleanup(func() {
		_ = r.publisher.Close(context.Background())
		client.Close()
	})
	return r
}

// topic makes a topic.
func (r *rig) topic(word string, partitions int) string {
	r.t.Helper()
	name := r.name + "." + word
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if _, err := r.client.EnsureTopics(ctx, []broker.TopicSpec{{Name: name, Partitions: partitions}}, true); err != nil {
		r.t.Fatal(err)
	}
	return name
}

// publish publishes records whose keys and values are given as "key=value".
func (r *rig) publish(topic string, pairs ...string) {
	r.t.Helper()
	recs := make([]broker.Record, len(pairs))
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		recs[i] = broker.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Time: time.Now()}
	}
	r.send(recs...)
}

// send publishes records as they are.
func (r *rig) send(recs ...broker.Record) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := r.publisher.Publish(ctx, recs); err != nil {
		r.t.Fatal(err)
	}
}

// records reads all that a topic holds.
func (r *rig) records(topic string) []broker.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	client, err := broker.Dial(broker.Options{Brokers: r.brokers}) // which knows no topics yet
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.Close()
	logs, err := client.Offsets(ctx, topic)
	if err != nil {
		r.t.Fatal(err)
	}
	var list []broker.Message
	for p, log := range logs {
		err := client.Read(ctx, topic, p, log.First, log.Next, func(m broker.Message) error {
			list = append(list, m)
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return list
}

// config is one that makes tests short.
func (r *rig) config(topics ...string) consumer.Config {
	return consumer.Config{
		Kafka: consumer.Kafka{Brokers: r.brokers}, Group: r.name, Topics: topics,
		Retry:       consumer.Retry{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, Delays: []time.Duration{time.Second}, Partitions: 1},
		CommitEvery: 20 * time.Millisecond, Log: zaptest.NewLogger(r.t, zaptest.Level(zap.WarnLevel)),
	}
}

// running is a Consumer at work.
type running struct {
	*consumer.Consumer
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// run starts a Consumer; it is stopped with the test.
func (r *rig) run(cfg consumer.Config, h consumer.Handler) *running {
	r.t.Helper()
	return r.runLooking(cfg, h, time.Minute)
}

// runLooking starts one that looks so often for the topics that patterns mean.
func (r *rig) runLooking(cfg consumer.Config, h consumer.Handler, every time.Duration) *running {
	r.t.Helper()
	c, err := consumer.New(cfg, h)
	if err != nil {
		r.t.Fatal(err)
	}
	c.LookEvery(every)
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Consumer: c, t: r.t, stop: cancel, done: make(chan error, 1)}
	go func() { run.done <- c.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		_ = run.wait() // tests that want to know call it themselves
	})
	return run
}

// wait returns what Run returned.
func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(bound):
		r.t.Fatal("Run does not return")
		return nil
	}
}

// halt stops it, and wants that to be clean.
func (r *running) halt() {
	r.t.Helper()
	r.stop()
	if err := r.wait(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// until waits for a state.
func (r *running) until(what string, ok func(consumer.State) bool) {
	r.t.Helper()
	eventually(r.t, what, func() bool { return ok(r.State()) })
}

// drained reports whether everything is finished and committed.
func drained(s consumer.State) bool {
	return s.Assigned && !slices.ContainsFunc(s.Partitions, func(p consumer.PartitionState) bool {
		return p.HighWater < 0 || p.Position < p.HighWater || p.Committed < p.Position
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(bound)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("does not come to pass: %s", what)
		}
	}
}

// book is a handler that remembers what it was given, as "value" or "value!" where it
// was told to fail.
type book struct {
	mu    sync.Mutex
	lines []string
	fail  func(m *consumer.Message) error
}

func (b *book) handle(_ context.Context, m *consumer.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, string(m.Value))
	if b.fail != nil {
		return b.fail(m)
	}
	return nil
}

func (b *book) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

func (b *book) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lines)
}

// numbered returns n pairs over so many keys.
func numbered(n, keys int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("k%d=%d", i%keys, i)
	}
	return list
}

var errDown = errors.New("down")
