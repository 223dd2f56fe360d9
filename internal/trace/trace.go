// Package trace tells the story of one message: what became of it, from the
// records that the topics hold of it.
//
//	trace.go     what is asked, what is answered, the order of the work
//	match.go     which records are meant, without decoding the others
//	span.go      which parts of which partitions are read
//	read.go      reading them, several at once
//	request.go   the requests that events came with, and their dead letters
//	record.go    a record read as an observation
//	story.go     from observations to stories: copies, order, times between
//	state.go     which event decides where a message stands
//	headline.go  a story in one sentence
//
// It reads without a consumer group and changes nothing. What it keeps is what it
// found, up to a bound that is told.
package trace

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Query says whose story is wanted. One of MessageID, Recipient (or Hashes),
// EventID, SMTPMessageID and CustomerRef is given; a MessageID may be narrowed by a
// Recipient.
type Query struct {
	MessageID     string
	EventID       string
	SMTPMessageID string // with or without <>
	CustomerRef   string
	Recipient     string   // an address in any form
	Hashes        []string // of the recipient: event.recipient_hash values

	// Sources are the places a message's key may begin with.
	Sources []Source
	// Narrow lets only records of Sources count where whole topics are read.
	Narrow bool
	// From and To bound the records' timestamps: [From, To). A zero one is no bound;
	// the end is where the partitions end when the trace begins.
	From, To time.Time
	// Scan reads every partition where a key would name one, looks for requests far
	// from their time, and through dead letters for those that name what is wanted.
	Scan bool
}

// Source is a source's provider and name, the head of its messages' keys.
type Source struct{ Provider, Name string }

// Topics are the topics that are read.
type Topics struct {
	Typed           []string
	Raw, Deadletter string
	// Key is what the records of typed topics are keyed by: message, recipient or
	// event.
	Key string
}

// Options are what a Tracer is made of.
type Options struct {
	Store  Store
	Topics Topics
	// Hash makes the recipient_hash of an address; nil without a pepper.
	Hash func(address string) string
	// Plan is told before anything is read what will be: so many records at most;
	// scan says that they are of whole topics. Nil is allowed.
	Plan func(records int64, scan bool)
	// Progress is told how many of the records planned last have been read, now and
	// then, from several goroutines. Nil is allowed.
	Progress func(records int64)
	// Max is how many matching records are kept, the latest; default 10,000.
	Max int
}

// Bounds of the work.
const (
	defaultMax   = 10_000
	parallel     = 8   // partitions read at once
	mostRequests = 200 // whose records are looked for
)

// Tracer traces. One Tracer traces once.
type Tracer struct {
	o     Options
	topic map[string]*layout
	read  reader
}

// New makes a Tracer.
func New(o Options) *Tracer {
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	if o.Plan == nil {
		o.Plan = func(int64, bool) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	return &Tracer{o: o, topic: map[string]*layout{}, read: reader{store: o.Store, progress: o.Progress, most: o.Max}}
}

// Result is what was found, and what was looked at.
type Result struct {
	Stories []Story `json:"stories"`
	// Requests are those that the events came with, by the time they were received.
	Requests []Request `json:"requests,omitempty"`
	// DeadLetters are of the same requests, or name what is wanted.
	DeadLetters []DeadLetter `json:"dead_letters,omitempty"`
	// Unreadable are matching records that hold no event.
	Unreadable []Unreadable `json:"unreadable,omitempty"`
	Searched   Searched     `json:"searched"`
}

// Empty reports whether nothing was found.
func (r *Result) Empty() bool {
	return len(r.Stories) == 0 && len(r.DeadLetters) == 0 && len(r.Unreadable) == 0
}

// Searched is what was looked at.
type Searched struct {
	From time.Time `json:"from,omitzero"` // zero: the beginning
	To   time.Time `json:"to,omitzero"`   // zero: when it was looked at
	// Scan says that whole topics were read, not only the partition of a key.
	Scan bool `json:"scan"`
	// Keys are those whose partitions were read, unless they are made of a recipient.
	Keys       []string `json:"keys,omitempty"`
	Topics     int      `json:"topics"`
	Partitions int      `json:"partitions"`
	Records    int64    `json:"records"`
	// Missing are topics that do not exist.
	Missing []string `json:"missing_topics,omitempty"`
	// Gaps are records of the window that are not there any more.
	Gaps []Gap `json:"gaps,omitempty"`
	// Omitted is how many matching records were too many to be kept: the earliest.
	Omitted int `json:"omitted,omitempty"`
	// RequestsOmitted is how many requests were too many to be looked for.
	RequestsOmitted int `json:"requests_omitted,omitempty"`
}

// Trace looks for what q asks for. An error means that something could not be
// read; finding nothing is none.
func (t *Tracer) Trace(ctx context.Context, q Query) (*Result, error) {
	q.SMTPMessageID = strings.TrimSuffix(strings.TrimPrefix(q.SMTPMessageID, "<"), ">")
	m := newMatch(&q, t.o.Topics.Key)
	s := &Searched{From: q.From, To: q.To}
	if err := t.find(ctx, &q, m, s); err != nil {
		return nil, err
	}
	if err := t.named(ctx, &q, m, s); err != nil {
		return nil, err
	}
	t.read.forget(t.o.Max)
	res := &Result{Unreadable: t.read.unreadable}
	res.Stories = Stories(t.read.found, Grouping{Hash: t.o.Hash, Joined: q.SMTPMessageID != ""})
	if err := t.requests(ctx, &q, res, s); err != nil {
		return nil, err
	}
	res.DeadLetters = t.read.deadLetters()
	t.tell(s)
	res.Searched = *s
	return res, nil
}

// tell completes what is said of the search.
func (t *Tracer) tell(s *Searched) {
	s.Topics = len(t.topic) - len(t.missing())
	s.Records, s.Omitted, s.Missing = t.read.records.Load(), t.read.omitted, t.missing()
	slices.SortFunc(t.read.gaps, compareGaps)
	s.Gaps = slices.Compact(t.read.gaps)
}

// find reads the typed topics. An event id is two steps: the event, and then the
// message that it belongs to.
func (t *Tracer) find(ctx context.Context, q *Query, m *match, s *Searched) error {
	if q.Scan && q.EventID == "" {
		m.keys = nil
	}
	m.once = q.EventID != "" && !q.Scan
	if err := t.search(ctx, q, m, s); err != nil || q.EventID == "" || len(t.read.found) == 0 {
		return err
	}
	wider := ofMessage(&t.read.found[0], t.o.Topics.Key)
	if wider == nil {
		return nil
	}
	if m.once {
		t.read.gaps = nil // of partitions that turned out not to matter
	}
	return t.search(ctx, q, wider, s)
}

// search reads what a match needs of the typed topics.
func (t *Tracer) search(ctx context.Context, q *Query, m *match, s *Searched) error {
	spans, err := t.spans(ctx, t.o.Topics.Typed, q, m.keys)
	if err != nil {
		return err
	}
	s.Scan = s.Scan || len(m.keys) == 0
	if q.Recipient == "" { // nobody's address is told but in events
		s.Keys = append(s.Keys, m.keys...)
	}
	s.Partitions += len(spans)
	t.read.before = t.read.records.Load()
	t.o.Plan(records(spans), len(m.keys) == 0)
	return t.read.typed(ctx, spans, q, m)
}
