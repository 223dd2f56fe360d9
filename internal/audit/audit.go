// Package audit checks from the topics alone that what was accepted is whole. It
// is fed with the records of the raw, typed and dead-letter topics, in any order,
// and says which requests lack a record, which records lack their request, and
// which events are there twice.
//
// It is pure: who feeds it reads the topics and fixes where they end.
//
// What it rests on: all records of a request carry its raw id and the time at
// which it was received. The raw record says how many events and dead letters
// became of the request.
//
// Memory is linear in what is fed: about 120 bytes a request and 50 an event or
// dead letter, whatever their size.
package audit

import (
	"fmt"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Kind is the kind of topic that a record is from.
type Kind uint8

// The kinds of topics.
const (
	Raw        Kind = iota // requests as received
	Typed                  // events
	DeadLetter             // items that could not become an event
)

// InSpool is the offset of a record that is not in its topic yet.
const InSpool = -1

// Record is one record of a topic, or one that a spool holds for it. It is not
// kept.
type Record struct {
	Kind      Kind
	Topic     string
	Partition int
	Offset    int64 // InSpool: in a spool
	Headers   []event.Header
	Value     []byte
}

// place is where a record is, as people and the program's other commands write it.
func (r *Record) place() string {
	if r.Offset == InSpool {
		return r.Topic + " (in the spool)"
	}
	return fmt.Sprintf("%s[%d]@%d", r.Topic, r.Partition, r.Offset)
}

// Options bounds an audit.
type Options struct {
	// From and To are the window: requests received in [From, To) are judged.
	// Later ones may be fed: they can explain a request, as its provider's retry.
	From, To time.Time
	// Settled is the time up to which requests must have ended when the topics'
	// ends were fixed. What is lacking of later ones is in progress, not missing.
	Settled time.Time
	// Repeating names the sources that publish repeats, marked or not. A request of
	// theirs may hold the same event several times, each of which counts. In
	// requests of other sources a second copy stands for no other event: it was
	// published again after a crash.
	Repeating map[string]bool
	// MaxFindings bounds how many findings of a kind are kept; all are counted.
	// Default 1,000.
	MaxFindings int
}

// defaultMaxFindings is Options.MaxFindings where none is given.
const defaultMaxFindings = 1000

// Audit gathers records. It is not safe for concurrent use.
type Audit struct {
	opt    Options
	ledger ledger
	// Since when topics hold all records; see Kept.
	rawKept, typedKept time.Time

	sources []Source
	index   map[string]uint32 // of sources
	report  Report
	kept    map[string]int // findings by kind
}

// New begins an audit.
func New(o Options) *Audit {
	if o.MaxFindings == 0 {
		o.MaxFindings = defaultMaxFindings
	}
	return &Audit{
		opt: o, ledger: newLedger(), index: map[string]uint32{}, kept: map[string]int{},
		report: Report{From: o.From, To: o.To, Findings: []Finding{}, Omitted: map[string]int{}},
	}
}

// Kept says since when the raw topic, and every typed and dead-letter topic, holds
// all records. Of an earlier time some may have been deleted by retention: nothing
// can be said about what is not there.
func (a *Audit) Kept(raw, typed time.Time) { a.rawKept, a.typedKept = raw, typed }

// Add takes one record. One that is in a topic and in a spool may be given from
// both, in any order.
func (a *Audit) Add(r *Record) {
	var (
		n   note
		err error
	)
	switch r.Kind {
	case Raw:
		n, err = readRaw(r)
	case Typed:
		n, err = readTyped(r)
	case DeadLetter:
		n, err = readDeadLetter(r)
	}
	switch {
	case err != nil:
		a.unreadable(r, err)
	case n.received.Before(a.opt.From) || n.replayed:
	case r.Kind == Raw:
		a.request(r, &n)
	default:
		a.item(r, &n)
	}
}

// unreadable reports a record that is none of ours.
func (a *Audit) unreadable(r *Record, why error) {
	a.report.Unreadable++
	a.find(Finding{Kind: Unreadable, Source: event.HeaderText(r.Headers, "source"), Place: r.place(), Detail: why.Error()})
}

// request enters a raw record.
func (a *Audit) request(r *Record, n *note) {
	q, spooled := a.ledger.request(n.request, n.received.UnixMilli()), r.Offset == InSpool
	if q.state.has(rawThere) || spooled && q.state.has(rawSpooled) {
		return // published again after a crash
	}
	if !q.state.has(rawSpooled) {
		q.source, q.body, q.expected = a.source(n.source), n.body, n.expected
		if a.inside(q) {
			a.sources[q.source].Requests++
			a.sources[q.source].Repeats += n.repeats
		}
	}
	q.at = a.ledger.spot(r)
	if spooled {
		q.state |= rawSpooled
	} else {
		q.state |= rawThere
	}
}

// item enters an event or a dead letter.
func (a *Audit) item(r *Record, n *note) {
	q, spooled := a.ledger.request(n.request, n.received.UnixMilli()), r.Offset == InSpool
	if q.state == 0 && q.items+q.spooled == 0 {
		q.source, q.at = a.source(n.source), a.ledger.spot(r)
	}
	before := a.ledger.enter(n.item, q, spooled)
	if spooled || !n.received.Before(a.opt.To) {
		return
	}
	row := &a.sources[a.source(n.source)]
	if r.Kind == DeadLetter {
		row.DeadLetters++
		return
	}
	row.Events++
	if n.request == (key{}) {
		row.WithoutRaw++
	}
	if n.conflict {
		row.Conflicts++
	}
	if before != nil && !n.conflict && !n.marked && a.inside(before) {
		row.Duplicates++
		a.duplicate(r, n, before)
	}
}

// duplicate reports an event that is there again and is not marked.
func (a *Audit) duplicate(r *Record, n *note, before *request) {
	f := Finding{Kind: Duplicate, Source: n.source, Place: r.place(), ReceivedAt: n.received}
	switch now := a.ledger.request(n.request, 0); {
	case before.id == key{}:
		f.Detail = fmt.Sprintf("event %s is also there of a request without a raw record", n.item)
	case before == now:
		f.RawID, f.Detail = now.name(), fmt.Sprintf("event %s is there again, of the same request", n.item)
	default:
		f.Detail = fmt.Sprintf("event %s is also there of request %s", n.item, before.name())
		if n.request != (key{}) {
			f.RawID = now.name()
		}
	}
	a.find(f)
}

// inside reports whether a request was received within the window. The nameless
// one, which events without a raw record belong to, always is.
func (a *Audit) inside(q *request) bool {
	return q.id == key{} || q.received >= a.opt.From.UnixMilli() && q.received < a.opt.To.UnixMilli()
}

// source returns the row of a source.
func (a *Audit) source(name string) uint32 {
	i, ok := a.index[name]
	if !ok {
		i = uint32(len(a.sources)) //nolint:gosec // sources are counted in dozens
		a.index[name] = i
		a.sources = append(a.sources, Source{Name: name})
	}
	return i
}
