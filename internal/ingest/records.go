package ingest

import (
	"context"
	"encoding/hex"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
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

// noItem is the item of an entry that stands for the whole request.
const noItem = -1

// entry is one record to publish, and what it stands for should the broker
// refuse it.
type entry struct {
	record broker.Record
	kind   kind
	item   int                  // whose record it is: an event's place, or len(events) and a dead letter's; noItem for none
	dead   normalize.DeadLetter // kindDeadLetter
}

// batch is one request, on its way from its items to its records.
type batch struct {
	id         string
	src        *Source
	verified   webhook.Verified
	events     []normalize.Item
	dead       []normalize.DeadLetter // in the end also those that stand for events
	fates      []metrics.Fate         // one an item: the events, then the dead letters of the payload
	entries    []entry
	rawOmitted bool

	letters *normalize.Encoder // of dead; nil while there was none
	trace   []broker.Header    // that each record gets; most requests have none

	claims
	usual [2]metrics.Fate // most requests have one item
}

// newBatch normalizes the request. The error is that of ctx.
func newBatch(ctx context.Context, src *Source, v webhook.Verified, id string) (*batch, error) {
	out, err := normalize.Normalize(ctx, &src.Normalize, v, id)
	if err != nil {
		return nil, err
	}
	if out.DuplicateNames > 0 {
		src.Metrics.DuplicateNames(out.DuplicateNames)
	}
	b := &batch{id: id, src: src, verified: v, events: out.Events, dead: out.DeadLetters, trace: traceContext(v)}
	n := len(out.Events) + len(out.DeadLetters)
	if b.fates = b.usual[:min(n, len(b.usual))]; n > len(b.usual) {
		b.fates = make([]metrics.Fate, n)
	}
	return b, nil
}

// items is how many items the payload has.
func (b *batch) items() int { return len(b.fates) }

// left reports whether an item is left out, as a repeat.
func (b *batch) left(item int) bool { return item < len(b.fates) && b.fates[item] == metrics.Duplicate }

// makeRecords makes the batch's records: the raw request, each event, each dead
// letter, without what is left out. It reports whether there are any. A raw copy
// over its topic's limit is left out, and the events then name none.
func (p *Pipeline) makeRecords(b *batch) bool {
	n := b.leaveOut()
	if n.Events+n.DeadLetters == 0 {
		return false
	}
	b.entries = make([]entry, 0, 1+n.Events+n.DeadLetters)
	p.addRaw(b, n)
	for i := range b.events {
		if !b.left(i) {
			p.addEvent(b, i)
		}
	}
	for i, d := range b.dead {
		if item := len(b.events) + i; !b.left(item) {
			b.entries = append(b.entries, p.deadLetter(b, item, d))
		}
	}
	return true
}

// addRaw adds the request itself.
func (p *Pipeline) addRaw(b *batch, n normalize.Counts) {
	raw := normalize.RawRecord(&b.src.Normalize, b.verified, b.id, n)
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
	return entry{kind: k, item: noItem, record: broker.Record{
		Topic: topic, Key: []byte(r.Key), Value: r.Value, Headers: append(r.Headers, b.trace...),
		Time: b.verified.Request().ReceivedAt,
	}}
}

// addEvent adds an event to its topic, and to the topic of all events if there
// is one. The record's time is when we received it: one that happened long ago
// would else expire at once.
func (p *Pipeline) addEvent(b *batch, i int) {
	e := &b.events[i].Event
	stamp := event.Stamp{Mapper: b.src.Normalize.Mapper, Conflict: b.known, Duplicate: b.repeated(i)}
	if id, changed := b.changedID(i); changed {
		e.ID, stamp.Conflict = hex.EncodeToString(id[:]), true
	}
	b.count(stamp)
	r := broker.Record{
		Topic:   p.opt.Topics.Typed[e.Route()],
		Key:     []byte(RecordKey(p.opt.Key, e)),
		Value:   e.AppendJSON(make([]byte, 0, 1024)),
		Headers: append(e.AppendHeaders(make([]broker.Header, 0, 13+len(b.trace)), stamp), b.trace...),
		Time:    b.verified.Request().ReceivedAt,
	}
	b.entries = append(b.entries, entry{kind: kindEvent, item: i, record: r})
	if p.opt.Topics.All != "" {
		r.Topic = p.opt.Topics.All
		b.entries = append(b.entries, entry{kind: kindCopy, item: i, record: r})
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

// deadLetter makes the dead letter's entry of an item.
func (p *Pipeline) deadLetter(b *batch, item int, d normalize.DeadLetter) entry {
	if b.letters == nil {
		b.letters = normalize.NewEncoder(&b.src.Normalize, b.verified, b.id)
		if b.rawOmitted {
			b.letters.WithoutRaw()
		}
	}
	e := p.entry(kindDeadLetter, p.opt.Topics.Deadletter, b.letters.Record(&d), b)
	if b.src.Dedupe == dedupe.Mark && b.repeated(item) {
		e.record.Headers = append(e.record.Headers, broker.Header{Key: "duplicate", Value: []byte("true")})
	}
	e.item, e.dead = item, d
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
