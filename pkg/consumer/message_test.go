package consumer_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// told is what a Message says of its event.
type told struct {
	ID, Type, Direction, Provider, Source, MessageID string
	Test, Conflict, Duplicate                        bool
}

func tell(m *consumer.Message) told {
	return told{
		ID: m.ID(), Type: string(m.Type()), Direction: string(m.Direction()), Provider: m.Provider(), Source: m.Source(),
		MessageID: m.MessageID(), Test: m.Test(), Conflict: m.Conflict(), Duplicate: m.Duplicate(),
	}
}

// sample is an event with all that headers tell.
func sample() event.Event {
	return event.Event{
		ID: "c677cee09e04e08cc97c635766b11fb0", Type: event.Bounced, Direction: event.Inbound, Provider: "vfs", Source: "eu",
		MessageID: "m-1", Test: true,
	}
}

func TestHeadersTellWithoutTheValue(t *testing.T) {
	m := consumertest.Message(sample(), consumertest.Conflict(), consumertest.Duplicate())
	m.Value = []byte("no JSON")
	want := told{
		ID: "c677cee09e04e08cc97c635766b11fb0", Type: "bounced", Direction: "inbound", Provider: "vfs", Source: "eu",
		MessageID: "m-1", Test: true, Conflict: true, Duplicate: true,
	}
	if diff := cmp.Diff(want, tell(m)); diff != "" {
		t.Error(diff)
	}
}

// What an event does not have is not looked for in its value.
func TestMissingHeadersTell(t *testing.T) {
	e := sample()
	e.MessageID, e.Test = "", false
	m := consumertest.Message(e)
	m.Value = []byte(`{"message_id":"other","test":true}`)
	if got := tell(m); got.MessageID != "" || got.Test || got.Conflict || got.Duplicate {
		t.Errorf("got %+v", got)
	}
}

func TestTheEventTellsWhereHeadersDoNot(t *testing.T) {
	m := consumertest.Message(sample())
	m.Headers = nil
	want := told{
		ID: "c677cee09e04e08cc97c635766b11fb0", Type: "bounced", Direction: "inbound", Provider: "vfs", Source: "eu",
		MessageID: "m-1", Test: true,
	}
	if diff := cmp.Diff(want, tell(m)); diff != "" {
		t.Error(diff)
	}
	m.Headers = []event.Header{{Key: "ce_type", Value: []byte("com.example.other")}}
	if diff := cmp.Diff(want, tell(m)); diff != "" {
		t.Errorf("with somebody else's ce_type: %s", diff)
	}
}

func TestNoEventTellsNothing(t *testing.T) {
	m := &consumer.Message{Topic: "email.raw", Value: []byte("<xml>"), Headers: []event.Header{
		{Key: "provider", Value: []byte("vfs")}, {Key: "source", Value: []byte("eu")}, {Key: "id", Value: []byte("019a")},
	}}
	if diff := cmp.Diff(told{Provider: "vfs", Source: "eu"}, tell(m)); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Event(); err == nil || !strings.Contains(err.Error(), "email.raw[0]@0") {
		t.Errorf("got %v, want an error that names the record", err)
	}
}

func TestOrigin(t *testing.T) {
	own := consumer.Place{Topic: "g.retry.1m", Partition: 2, Offset: 7}
	tests := map[string]consumer.Place{
		"":                                      own,
		"email.bounced/3/42":                    {Topic: "email.bounced", Partition: 3, Offset: 42},
		"a/b/3/42":                              {Topic: "a/b", Partition: 3, Offset: 42},
		"email.bounced/0/9223372036854775807":   {Topic: "email.bounced", Offset: math.MaxInt64},
		"email.bounced/0/9223372036854775808":   own,
		"email.bounced/2147483648/1":            own,
		"email.bounced/-1/1":                    own,
		"email.bounced/1/-1":                    own,
		"email.bounced/1":                       own,
		"/1/1":                                  own,
		"email.bounced":                         own,
		"email.bounced/x/1":                     own,
		"email.bounced/1/":                      own,
		strings.Repeat("/", 100):                own,
		"email.bounced/00000000001/00000000002": {Topic: "email.bounced", Partition: 1, Offset: 2},
	}
	for header, want := range tests {
		m := consumertest.Message(sample(), consumertest.At(own), consumertest.Header(consumer.HeaderOf, header))
		if got := m.Origin(); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
	if got := consumertest.Message(sample(), consumertest.At(own)).Origin(); got != own {
		t.Errorf("without the header: got %v", got)
	}
}

func TestPlaceIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := consumer.Place{
			Topic:     rapid.StringMatching(`[a-zA-Z0-9._-]{1,249}`).Draw(t, "topic"),
			Partition: int(rapid.Int32Min(0).Draw(t, "partition")), Offset: rapid.Int64Min(0).Draw(t, "offset"),
		}
		m := consumer.Message{Headers: []event.Header{{Key: consumer.HeaderOf, Value: []byte(p.String())}}}
		if got := m.Origin(); got != p {
			t.Fatalf("got %v, want %v", got, p)
		}
	})
}

// The marks that a replay writes are those that a Message reads.
func TestReplayReadsWhatReplaysWrite(t *testing.T) {
	first := consumertest.Message(sample(), consumertest.At(consumer.Place{Topic: "email.inbound.bounced", Partition: 1, Offset: 12}))
	if r, copied := first.Replay(); copied {
		t.Errorf("an original: got %+v", r)
	}
	started := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	marker := replay.NewMarker("run-1", "somebody", "a lost hour", started, func() time.Time { return started.Add(time.Hour) })
	once := copyOf(marker, first, "again", 3)
	want := consumer.Replay{
		ID: "run-1", Of: consumer.Place{Topic: "email.inbound.bounced", Partition: 1, Offset: 12},
		At: started, By: "somebody", Reason: "a lost hour", Time: first.Time, Hops: 1,
	}
	if got, copied := once.Replay(); !copied || got != want {
		t.Errorf("got %+v, %v, want %+v", got, copied, want)
	}
	want.Of, want.Hops = consumer.Place{Topic: "again", Offset: 3}, 2
	if got, copied := copyOf(marker, once, "again", 9).Replay(); !copied || got != want {
		t.Errorf("a copy of a copy: got %+v, %v, want %+v", got, copied, want)
	}
}

// copyOf is the copy that a replay makes of a record.
func copyOf(marker *replay.Marker, m *consumer.Message, topic string, offset int64) *consumer.Message {
	c := marker.Copy(&broker.Message{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers,
	}, topic)
	return &consumer.Message{Topic: topic, Offset: offset, Time: c.Time, Key: c.Key, Value: c.Value, Headers: c.Headers, Attempt: 1}
}

// So are those that the test kit writes.
func TestReplayReadsWhatTheKitWrites(t *testing.T) {
	want := consumer.Replay{ID: "r", Of: consumer.Place{Topic: "t", Partition: 1, Offset: 2}, At: time.Unix(1, 0).UTC(), Time: time.Unix(2, 0).UTC(), By: "me", Hops: 4}
	if got, copied := consumertest.Message(sample(), consumertest.Replayed(want)).Replay(); !copied || got != want {
		t.Errorf("got %+v, %v", got, copied)
	}
}

func TestMalformedMarksAreNothing(t *testing.T) {
	m := consumer.Message{Headers: []event.Header{
		{Key: "replay-id", Value: []byte("r")},
		{Key: "replay-of", Value: []byte("x")},
		{Key: "replay-at", Value: []byte("yesterday")},
		{Key: "replay-hops", Value: []byte("-3")},
	}}
	if got, copied := m.Replay(); !copied || got != (consumer.Replay{ID: "r", Hops: 1}) {
		t.Errorf("got %+v, %v", got, copied)
	}
}
