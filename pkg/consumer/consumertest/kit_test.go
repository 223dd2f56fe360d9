package consumertest_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever little is said of an event, its record is one that the receiver could have
// written.
func TestMessagesHoldValidEvents(t *testing.T) {
	for _, r := range event.Routes() {
		m := consumertest.Message(event.Event{Type: r.Type, Direction: r.Direction})
		e, err := m.Event()
		if err == nil {
			err = e.Validate()
		}
		if err != nil || m.Topic != consumertest.Topic(r) || m.Type() != r.Type || m.Direction() != r.Direction || string(m.Key) != e.Key() || m.ID() != e.ID {
			t.Errorf("%v: %v, %+v", r, err, m)
		}
	}
	if e := consumertest.Complete(event.Event{Type: event.Received}); e.Direction != event.Inbound {
		t.Errorf("received mail is %s", e.Direction)
	}
}

func TestEqualEventsHaveEqualIDs(t *testing.T) {
	a := consumertest.Message(event.Event{Type: event.Opened, MessageID: "a"})
	if again := consumertest.Message(event.Event{Type: event.Opened, MessageID: "a"}); again.ID() != a.ID() {
		t.Errorf("%s and %s", a.ID(), again.ID())
	}
	if b := consumertest.Message(event.Event{Type: event.Opened, MessageID: "b"}); b.ID() == a.ID() {
		t.Error("other events have the same id")
	}
	if own := consumertest.Message(event.Event{ID: "own"}); own.ID() != "own" {
		t.Errorf("got %s", own.ID())
	}
}

func TestFeedReturnsEachError(t *testing.T) {
	no := errors.New("no")
	var order []string
	h := func(_ context.Context, m *consumer.Message) error {
		order = append(order, m.ID())
		if m.ID() == "b" {
			return no
		}
		return nil
	}
	errs := consumertest.Feed(t.Context(), h, consumertest.Message(event.Event{ID: "a"}), consumertest.Message(event.Event{ID: "b"}), consumertest.Message(event.Event{ID: "c"}))
	if len(errs) != 3 || errs[0] != nil || !errors.Is(errs[1], no) || errs[2] != nil || !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("got %v in %v", errs, order)
	}
}

// ctxOf bounds a test.
func ctxOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// What is published is what Message makes, where the receiver puts it, in order.
func TestPublish(t *testing.T) {
	ctx, b := ctxOf(t), consumertest.New(t)
	events := []event.Event{
		{Type: event.Bounced, MessageID: "1"},
		{Type: event.Bounced, MessageID: "2"},
		{Type: event.Received, MessageID: "3"},
		{Type: event.Bounced, MessageID: "1", Reason: "later"},
	}
	if err := b.Publish(ctx, events...); err != nil {
		t.Fatal(err)
	}
	for topic, n := range map[string]int{"email.bounced": 3, "email.inbound.received": 1, "email.nowhere": 0} {
		got, err := b.Records(ctx, topic)
		if err != nil || len(got) != n {
			t.Fatalf("%s: %d records, %v; want %d", topic, len(got), err, n)
		}
	}
	bounced, err := b.Records(ctx, "email.bounced")
	if err != nil {
		t.Fatal(err)
	}
	var of1 []string
	for _, m := range bounced {
		e, err := m.Event()
		if err != nil {
			t.Fatal(err)
		}
		if e.MessageID == "1" {
			of1 = append(of1, e.Reason)
		}
		want := consumertest.Message(*e)
		if diff := cmp.Diff(want.Headers, m.Headers); diff != "" || string(m.Key) != string(want.Key) || e.ID != consumertest.Complete(event.Event{Type: e.Type, MessageID: e.MessageID, Reason: e.Reason}).ID {
			t.Errorf("%v: headers %s", m.Place(), diff)
		}
		if time.Since(m.Time) > time.Hour {
			t.Errorf("received at %v", m.Time)
		}
	}
	if !slices.Equal(of1, []string{"", "later"}) {
		t.Errorf("one key's records are %q", of1)
	}
}

func TestSendPublishesAsItIs(t *testing.T) {
	ctx, b := ctxOf(t), consumertest.New(t)
	raw := &consumer.Message{Topic: "email.raw", Key: []byte("k"), Value: []byte("<xml>"), Headers: []event.Header{{Key: "id", Value: []byte("r")}}, Time: time.Unix(1, 0).UTC()}
	if err := b.Send(ctx, raw, consumertest.Message(event.Event{Type: event.Opened}, consumertest.Conflict())); err != nil {
		t.Fatal(err)
	}
	got, err := b.Records(ctx, "email.raw")
	if err != nil || len(got) != 1 || string(got[0].Value) != "<xml>" || !got[0].Time.Equal(raw.Time) || len(got[0].Headers) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = b.Records(ctx, "email.opened"); err != nil || len(got) != 1 || !got[0].Conflict() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCreateTopics(t *testing.T) {
	ctx, b := ctxOf(t), consumertest.New(t)
	for range 2 {
		if err := b.CreateTopics(ctx, "a", "b"); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.CreateTopics(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := kafka.DialContext(ctx, "tcp", b.Kafka().Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	partitions, err := conn.ReadPartitions()
	if want := 3 * (2 + len(event.Routes())); err != nil || len(partitions) != want {
		t.Errorf("%d partitions, %v, want %d", len(partitions), err, want)
	}
}

// A temporary folder goes with the broker; one of the caller's stays, and what is in it.
func TestFolders(t *testing.T) {
	ctx, temporary := ctxOf(t), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	b, err := consumertest.Start(consumertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if left(t, temporary) == 0 {
		t.Error("there is no temporary folder")
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(t, temporary); n > 0 {
		t.Errorf("%d folders are left", n)
	}
	dir := t.TempDir()
	for want := 1; want < 3; want++ {
		if b, err = consumertest.Start(consumertest.Options{Dir: dir, Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(ctx, event.Event{Type: event.Opened}); err != nil {
			t.Fatal(err)
		}
		got, err := b.Records(ctx, "email.opened")
		if err != nil || len(got) != want {
			t.Errorf("%d records, %v, want %d", len(got), err, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func left(t *testing.T, dir string) int {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	b := consumertest.New(t)
	_, err := consumertest.Start(consumertest.Options{Listen: b.Kafka().Brokers[0]})
	if err == nil || !strings.Contains(err.Error(), b.Kafka().Brokers[0]) {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		broker, err := consumertest.Start(consumertest.Options{})
		if err == nil {
			err = broker.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
