package consumertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// Options says where a Broker keeps its records; zero values take the defaults.
type Options struct {
	// Dir is the folder of the records; it is created, and stays. "": a temporary one,
	// which Close removes.
	Dir string
	// Listen is host:port to listen on; default a free port of 127.0.0.1.
	Listen string
	// Partitions is how many partitions new topics have; default 3.
	Partitions int
	// Log gets the broker's warnings; default none.
	Log *zap.Logger
}

// defaultPartitions of a new topic.
const defaultPartitions = 3

// patience is how long a call may take whose context has no end: the broker is in the
// same process.
const patience = 30 * time.Second

// Broker is a running broker. Safe for concurrent use.
type Broker struct {
	o         Options
	temporary string // folder to remove; "" for none
	embedded  *embedded.Broker
	client    *broker.Client
	publisher *broker.GroupCommitter
	topics    sync.Map // that are known to be there

	once sync.Once
	err  error // of Close
}

// New starts a Broker for a test, which ends it.
func New(t testing.TB) *Broker {
	t.Helper()
	b, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Start starts a Broker; Close it. It takes some milliseconds. Records are written to
// files that nothing syncs: they survive the end of the process, not that of the machine.
func Start(o Options) (*Broker, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Partitions <= 0 {
		o.Partitions = defaultPartitions
	}
	b := &Broker{o: o}
	if err := b.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("consumertest: starting a broker: %w", err), b.Close())
	}
	return b, nil
}

// open starts what belongs to a Broker.
func (b *Broker) open() (err error) {
	dir := b.o.Dir
	if dir == "" {
		if b.temporary, err = os.MkdirTemp("", "postrider-test-"); err != nil {
			return err //nolint:wrapcheck // Start says what it was for
		}
		dir = b.temporary
	}
	if b.embedded, err = embedded.Start(embedded.Options{Listen: b.o.Listen, Dir: dir, Log: b.o.Log}); err != nil {
		return err //nolint:wrapcheck // as above
	}
	if b.client, err = broker.Dial(broker.Options{Brokers: []string{b.embedded.Addr()}, ClientID: "consumertest"}); err != nil {
		return err //nolint:wrapcheck // as above
	}
	b.publisher = broker.NewPublisher(b.client, broker.PublisherOptions{Now: time.Now, Budget: patience, Log: b.o.Log}) //nolint:forbidigo // the broker is of a test, and of now
	return nil
}

// Close ends the Broker. Consumers that still run wait for it to come back: end them
// first. Closing again does nothing.
func (b *Broker) Close() error {
	b.once.Do(func() {
		var failed []error
		if b.publisher != nil {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			failed = append(failed, b.publisher.Close(ctx))
		}
		if b.client != nil {
			b.client.Close()
		}
		if b.embedded != nil {
			failed = append(failed, b.embedded.Close())
		}
		if b.temporary != "" {
			failed = append(failed, os.RemoveAll(b.temporary))
		}
		if err := errors.Join(failed...); err != nil {
			b.err = fmt.Errorf("consumertest: closing the broker: %w", err)
		}
	})
	return b.err
}

// Kafka is what a consumer.Config needs to reach the Broker.
func (b *Broker) Kafka() consumer.Kafka {
	return consumer.Kafka{Brokers: []string{b.embedded.Addr()}}
}

// CreateTopics makes topics; those that are there stay as they are. Without names it
// makes all topics of events. Publish and Send make what they need; a consumer wants
// its topics to be there. Nothing is ever deleted from them for its age.
func (b *Broker) CreateTopics(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		for _, r := range event.Routes() {
			names = append(names, Topic(r))
		}
	}
	specs := make([]broker.TopicSpec, len(names))
	for i, name := range names {
		specs[i] = broker.TopicSpec{Name: name, Partitions: b.o.Partitions, Embedded: true, Configs: map[string]string{"retention.ms": "-1"}}
	}
	if _, err := b.client.EnsureTopics(ctx, specs, true); err != nil {
		return fmt.Errorf("consumertest: making topics: %w", err)
	}
	for _, name := range names {
		b.topics.Store(name, true)
	}
	return nil
}

// Publish publishes events as the receiver does: each to email.<type>, or
// email.inbound.<type>, with the key and headers that it has there, in order. What an
// event has to have and does not say is filled in, see Complete; it was received now.
func (b *Broker) Publish(ctx context.Context, events ...event.Event) error {
	now := event.NewTime(time.Now(), 3) //nolint:forbidigo // as above
	messages := make([]*consumer.Message, len(events))
	for i := range events {
		e := events[i]
		if e.ID = Complete(e).ID; e.ReceivedAt.IsZero() {
			e.ReceivedAt = now
		}
		messages[i] = Message(e)
	}
	return b.Send(ctx, messages...)
}

// Send publishes records as they are, in order, to the partitions that their keys
// belong to: those of Message with marks, say, or such as hold no event. Their
// partitions, offsets and attempts are not looked at. It returns when all are safe.
func (b *Broker) Send(ctx context.Context, messages ...*consumer.Message) error {
	missing := map[string]bool{}
	records := make([]broker.Record, len(messages))
	for i, m := range messages {
		if _, known := b.topics.Load(m.Topic); !known {
			missing[m.Topic] = true
		}
		records[i] = broker.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}
	}
	if len(missing) > 0 {
		if err := b.CreateTopics(ctx, slices.Sorted(maps.Keys(missing))...); err != nil {
			return err
		}
	}
	if err := b.publisher.Publish(ctx, records); err != nil {
		return fmt.Errorf("consumertest: publishing: %w", err)
	}
	return nil
}

// Records returns what a topic holds now, by partition and offset: <group>.dead, for
// instance. A topic that is not there holds nothing.
func (b *Broker) Records(ctx context.Context, topic string) ([]*consumer.Message, error) {
	ranges, err := b.client.Offsets(ctx, topic)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		return nil, nil
	}
	var found []*consumer.Message
	for _, partition := range slices.Sorted(maps.Keys(ranges)) {
		if r := ranges[partition]; err == nil && r.First < r.Next {
			err = b.client.Read(ctx, topic, partition, r.First, r.Next, func(m broker.Message) error {
				found = append(found, &consumer.Message{
					Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
					Key: m.Key, Value: m.Value, Headers: m.Headers, Attempt: 1,
				})
				return nil
			})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("consumertest: reading %s: %w", topic, err)
	}
	return found, nil
}
