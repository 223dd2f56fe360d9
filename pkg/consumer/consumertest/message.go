package consumertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// mapper is the version of the mapping that made the events, as their records say.
const mapper = 1

// receivedAt is when events were received that do not say.
func receivedAt() time.Time { return time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC) }

// Option changes a Message.
type Option func(*draft)

// draft is a Message on its way.
type draft struct {
	stamp   event.Stamp
	place   consumer.Place
	attempt int
	more    []event.Header
}

// At says where the record lies; default is partition 0, offset 0. Without a topic it is
// that of the event.
func At(p consumer.Place) Option { return func(d *draft) { d.place = p } }

// Attempt says which attempt it is; default 1.
func Attempt(n int) Option { return func(d *draft) { d.attempt = n } }

// Conflict marks the event as one that came under an id that was known with other
// content.
func Conflict() Option { return func(d *draft) { d.stamp.Conflict = true } }

// Duplicate marks the event as published before.
func Duplicate() Option { return func(d *draft) { d.stamp.Duplicate = true } }

// Header adds a record header.
func Header(key, value string) Option {
	return func(d *draft) { d.more = append(d.more, event.Header{Key: key, Value: []byte(value)}) }
}

// timeLayout is the form of times in headers.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// Replayed marks the record as a copy that a replay put there.
func Replayed(r consumer.Replay) Option {
	return func(d *draft) {
		for _, h := range [...]struct{ key, value string }{
			{"replay-id", r.ID},
			{"replay-of", r.Of.String()},
			{"replay-at", timeText(r.At)},
			{"replay-by", r.By},
			{"replay-reason", r.Reason},
			{"replay-timestamp", timeText(r.Time)},
			{"replay-hops", strconv.Itoa(max(r.Hops, 1))},
		} {
			if h.value != "" {
				Header(h.key, h.value)(d)
			}
		}
	}
}

// timeText is a time as headers have it; "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeLayout)
}

// Retried marks the record as a copy in a retry topic of one that lay at p first, and
// was tried so often.
func Retried(p consumer.Place, attempts int) Option {
	return func(d *draft) {
		d.attempt = attempts + 1
		Header(consumer.HeaderOf, p.String())(d)
		Header(consumer.HeaderAttempts, strconv.Itoa(attempts))(d)
	}
}

// Message makes the record of an event: with the key, headers and JSON that the
// receiver gives it. What an event has to have and e does not say is filled in, see
// Complete.
func Message(e event.Event, options ...Option) *consumer.Message {
	e = Complete(e)
	d := draft{attempt: 1, stamp: event.Stamp{Mapper: mapper}}
	for _, option := range options {
		option(&d)
	}
	return &consumer.Message{
		Topic: cmp.Or(d.place.Topic, Topic(e.Route())), Partition: d.place.Partition, Offset: d.place.Offset,
		Time: e.ReceivedAt.Time(), Key: []byte(e.Key()), Value: e.AppendJSON(nil),
		Headers: append(e.AppendHeaders(nil, d.stamp), d.more...), Attempt: d.attempt,
	}
}

// Topic is the topic of a route's events with the default templates: email.bounced, or
// email.inbound.received.
func Topic(r event.Route) string {
	if r.Direction == event.Inbound {
		return "email.inbound." + string(r.Type)
	}
	return "email." + string(r.Type)
}

// Complete fills in what a valid event has to have and e does not say: it is an
// outbound one of type unknown, of provider and source "test", received on the second of
// January 2026. Its id is made of the rest, so that equal events have equal ids, and
// others have others.
func Complete(e event.Event) event.Event {
	e.Schema = event.Schema
	e.Type = cmp.Or(e.Type, event.Unknown)
	e.Family = e.Type.Family()
	if e.Direction == "" {
		e.Direction = event.Outbound
		if !e.Type.Allowed(event.Outbound) {
			e.Direction = event.Inbound
		}
	}
	e.Provider, e.Source = cmp.Or(e.Provider, "test"), cmp.Or(e.Source, "test")
	e.ProviderType = cmp.Or(e.ProviderType, string(e.Type))
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = event.NewTime(receivedAt(), 3)
	}
	if e.Type == event.Bounced && e.Bounce == nil {
		e.Bounce = &event.Bounce{Class: event.UndeterminedClass}
	}
	if e.Type == event.Dropped && e.Drop == nil {
		e.Drop = &event.Drop{Reason: event.DropOther}
	}
	if e.ID == "" {
		sum := sha256.Sum256(e.AppendJSON(nil))
		e.ID = hex.EncodeToString(sum[:16])
	}
	return e
}

// Feed hands messages to a Handler, one after the other as for one key, and returns
// what it said to each. No retry is made, nothing waits, and a panic goes through to
// the test. ctx is handed on as it is.
func Feed(ctx context.Context, h consumer.Handler, messages ...*consumer.Message) []error {
	said := make([]error, len(messages))
	for i, m := range messages {
		said[i] = h(ctx, m)
	}
	return said
}
