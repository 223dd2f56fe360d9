package ingest

import (
	"context"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// kind is what an entry of a batch is.
type kind int

const (
	kindRaw        kind = iota // the request as received
	kindEvent                  // a typed event
	kindCopy                   // its copy in the topic of all events
	kindDeadLetter             // an item that is no event
)

// entry is one record to publish, and what it stands for should the broker
// refuse it.
type entry struct {
	record broker.Record
	kind   kind
	item   int                  // kindEvent: place in batch.events
	dead   normalize.DeadLetter // kindDeadLetter
}

// batch is everything one request publishes.
type batch struct {
	id         string
	src        *Source
	verified   webhook.Verified
	events     []normalize.Item
	refused    []bool // events that became dead letters at the broker; nil while there are none
	dead       []normalize.DeadLetter
	entries    []entry
	rawOmitted bool

	letters *normalize.Encoder // of dead; nil while there was none
}

// newBatch normalizes the request and makes its records: the raw request, each
// event, each dead letter. A raw copy over its topic's limit is left out, and the
// events then name none. The error is that of ctx.
func (p *Pipeline) newBatch(ctx context.Context, src *Source, v webhook.Verified, id string) (*batch, error) {
	out, err := normalize.Normalize(ctx, &src.Normalize, v, id)
	if err != nil {
		return nil, err
	}
	if out.DuplicateNames > 0 {
		src.Metrics.DuplicateNames(out.DuplicateNames)
	}
	b := &batch{id: id, src: src, verified: v, events: out.Events, dead: out.DeadLetters}
	if len(out.Events)+len(out.DeadLetters) == 0 {
		return b, nil
	}
	b.entries = make([]entry, 0, 1+len(out.Events)+len(out.DeadLetters))
	p.addRaw(b)
	for i := range b.events {
		p.addEvent(b, i)
	}
	for _, d := range out.DeadLetters {
		b.entries = append(b.entries, p.deadLetter(b, d))
	}
	return b, nil
}

// addRaw adds the request itself.
func (p *Pipeline) addRaw(b *batch) {
	raw := normalize.RawRecord(&b.src.Normalize, b.verified, b.id)
	e := p.entry(kindRaw, p.opt.Topics.Raw, raw, b)
	if limit := p.opt.Publisher.MaxRecordBytes(e.record.Topic); limit > 0 && broker.RecordBytes(&e.record) > limit {
		b.rawOmitted = true
		for i := range b.events {
			b.events[i].Event.RawID = ""
		}
		return
	}
	b.entries = append(b.entries, e)
}

// entry makes the entry of a record that is no event.
func (p *Pipeline) entry(k kind, topic string, r normalize.Record, b *batch) entry {
	return entry{kind: k, record: broker.Record{
		Topic: topic, Key: []byte(r.Key), Value: r.Value, Headers: r.Headers,
		Time: b.verified.Request().ReceivedAt,
	}}
}

// addEvent adds an event to its topic, and to the topic of all events if there
// is one. The record's time is when we received it: one that happened long ago
// would else expire at once.
func (p *Pipeline) addEvent(b *batch, i int) {
	e := &b.events[i].Event
	r := broker.Record{
		Topic:   p.opt.Topics.Typed[e.Route()],
		Key:     []byte(RecordKey(p.opt.Key, e)),
		Value:   e.AppendJSON(make([]byte, 0, 1024)),
		Headers: e.AppendHeaders(make([]broker.Header, 0, 13), event.Stamp{Mapper: b.src.Normalize.Mapper}),
		Time:    b.verified.Request().ReceivedAt,
	}
	b.entries = append(b.entries, entry{kind: kindEvent, item: i, record: r})
	if p.opt.Topics.All != "" {
		r.Topic = p.opt.Topics.All
		b.entries = append(b.entries, entry{kind: kindCopy, record: r})
	}
}

// RecordKey is the key of an event's record for each value of kafka.topics.key:
// message, recipient or event.
func RecordKey(kind string, e *event.Event) string {
	switch kind {
	case "recipient":
		return e.RecipientKey()
	case "event":
		return e.EventKey()
	}
	return e.Key()
}

// deadLetter makes a dead letter's entry.
func (p *Pipeline) deadLetter(b *batch, d normalize.DeadLetter) entry {
	if b.letters == nil {
		b.letters = normalize.NewEncoder(&b.src.Normalize, b.verified, b.id)
		if b.rawOmitted {
			b.letters.WithoutRaw()
		}
	}
	e := p.entry(kindDeadLetter, p.opt.Topics.Deadletter, b.letters.Record(&d), b)
	e.dead = d
	return e
}

// records are the entries' records.
func records(entries []entry) []broker.Record {
	out := make([]broker.Record, len(entries))
	for i := range entries {
		out[i] = entries[i].record
	}
	return out
}
