package ingest

import (
	"context"
	"encoding/hex"
	"slices"

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

// entry is what a record to publish stands for, should the broker refuse it.
type entry struct {
	kind kind
	item int                   // whose record it is: an event's place, or len(events) and a dead letter's; noItem for none
	dead *normalize.DeadLetter // kindDeadLetter
}

// batch is one request, on its way from its items to its records. Its memory is
// that of an earlier request, and serves a later one: nothing may outlive the
// request that points to text or headers.
type batch struct {
	id         string
	src        *Source
	verified   webhook.Verified
	events     []normalize.Item
	dead       []normalize.DeadLetter // in the end also those that stand for events
	fates      []metrics.Fate         // one an item: the events, then the dead letters of the payload
	rawOmitted bool
	unread     bool // nobody reads the records any more

	letters *normalize.Encoder // of dead; nil while there was none
	trace   []broker.Header    // that each record gets; most requests have none

	load
	route   event.Route      // of the latest event that became a record; most of a request's have the same
	topic   string           // of route
	made    normalize.Memory // of events
	text    slab[byte]       // keys, values and headers' values
	headers slab[broker.Header]

	claims
}

// normalize takes the request to its items. The error is that of ctx.
func (b *batch) normalize(ctx context.Context, src *Source, v webhook.Verified, id string) error {
	out, err := b.made.Normalize(ctx, &src.Normalize, v, id)
	if err != nil {
		return err
	}
	if out.DuplicateNames > 0 {
		src.Metrics.DuplicateNames(out.DuplicateNames)
	}
	b.id, b.src, b.verified, b.trace = id, src, v, traceContext(v)
	b.events, b.dead = out.Events, out.DeadLetters
	n := len(out.Events) + len(out.DeadLetters)
	b.fates = slices.Grow(b.fates, n)[:n] // emptied when they were given back
	return nil
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
	b.reserve(n.Events, p.opt.Topics.All != "")
	p.addRaw(b, &n)
	for i := range b.events {
		if !b.left(i) {
			p.addEvent(b, i)
		}
	}
	for i := range b.dead {
		if item := len(b.events) + i; !b.left(item) {
			p.addDeadLetter(b, &b.load, item, &b.dead[i])
		}
	}
	return true
}

// reserve takes memory for the raw record and those of n events at once, which are
// two each with a copy.
func (b *batch) reserve(n int, copied bool) {
	records := 1 + n + len(b.dead)
	if copied {
		records += n
	}
	b.entries, b.records = slices.Grow(b.entries, records), slices.Grow(b.records, records)
	if n > 1 {
		b.text.room(n * usualValue)
		b.headers.room(n * usualHeaders)
	}
}

// addRaw adds the request itself.
func (p *Pipeline) addRaw(b *batch, n *normalize.Counts) {
	src := &b.src.Normalize
	headers, text := normalize.AppendRaw(b.headers.room(leastHeaders), b.text.room(usualRaw), src, &b.verified, b.id, n)
	b.text.take(text)
	r := broker.Record{
		Topic: p.opt.Topics.Raw, Value: b.verified.Request().Body, Time: b.verified.Request().ReceivedAt,
		Key:     b.text.take(normalize.AppendRawKey(b.text.room(usualKey), src, b.id)),
		Headers: b.headers.take(append(headers, b.trace...)),
	}
	if limit := p.opt.Publisher.MaxRecordBytes(r.Topic); limit > 0 && broker.RecordBytes(&r) > limit {
		b.rawOmitted = true
		for i := range b.events {
			b.events[i].Event.RawID = ""
		}
		return
	}
	b.add(entry{kind: kindRaw, item: noItem}, r)
}

// addEvent adds an event to its topic, and to the topic of all events if there
// is one; the two share their bytes. The record's time is when we received it: one
// that happened long ago would else expire at once.
func (p *Pipeline) addEvent(b *batch, i int) {
	e := &b.events[i].Event
	stamp := event.Stamp{Mapper: b.src.Normalize.Mapper, Conflict: b.known, Duplicate: b.repeated(i)}
	if id, changed := b.changedID(i); changed {
		e.ID, stamp.Conflict = hex.EncodeToString(id[:]), true
	}
	b.count(stamp)
	r := broker.Record{
		Topic:   p.topic(b, e.Route()),
		Key:     b.text.take(appendRecordKey(b.text.room(usualKey), p.opt.Key, e)),
		Value:   b.text.take(e.AppendJSON(b.text.room(usualValue))),
		Headers: b.stamped(e, stamp),
		Time:    b.verified.Request().ReceivedAt,
	}
	b.add(entry{kind: kindEvent, item: i}, r)
	if p.opt.Topics.All != "" {
		r.Topic = p.opt.Topics.All
		b.add(entry{kind: kindCopy, item: i}, r)
	}
}

// topic is that of a route. It is looked up where it is another than that of the
// event before.
func (p *Pipeline) topic(b *batch, r event.Route) string {
	if b.topic == "" || b.route != r {
		b.route, b.topic = r, p.opt.Topics.Typed[r]
	}
	return b.topic
}

// stamped makes the headers of an event's record.
func (b *batch) stamped(e *event.Event, stamp event.Stamp) []broker.Header {
	headers, text := e.AppendHeadersTo(b.headers.room(usualHeaders+len(b.trace)), b.text.room(usualStamp), stamp)
	b.text.take(text)
	return b.headers.take(append(headers, b.trace...))
}

// RecordKey is the key of an event's record for each value of kafka.topics.key:
// message, recipient or event.
func RecordKey(kind string, e *event.Event) string {
	return string(appendRecordKey(nil, kind, e))
}

// appendRecordKey appends the key of RecordKey.
func appendRecordKey(dst []byte, kind string, e *event.Event) []byte {
	switch kind {
	case "recipient":
		return append(dst, e.RecipientKey()...)
	case "event":
		return append(dst, e.EventKey()...)
	}
	return e.AppendKey(dst)
}

// addDeadLetter adds the dead letter of an item.
func (p *Pipeline) addDeadLetter(b *batch, to *load, item int, d *normalize.DeadLetter) {
	if b.letters == nil {
		b.letters = normalize.NewEncoder(&b.src.Normalize, b.verified, b.id)
		if b.rawOmitted {
			b.letters.WithoutRaw()
		}
	}
	made := b.letters.Record(d)
	r := broker.Record{
		Topic: p.opt.Topics.Deadletter, Key: []byte(made.Key), Value: made.Value, Headers: append(made.Headers, b.trace...),
		Time: b.verified.Request().ReceivedAt,
	}
	if b.src.Dedupe == dedupe.Mark && b.repeated(item) {
		r.Headers = append(r.Headers, broker.Header{Key: "duplicate", Value: []byte("true")})
	}
	to.add(entry{kind: kindDeadLetter, item: item, dead: d}, r)
}
