package selection

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// Verdict is what becomes of a record.
type Verdict uint8

// The verdicts.
const (
	No          Verdict = iota
	Yes                 // the record is meant
	Undecodable         // it may be, but holds no event, of whose fields the selection asks
	Replayed            // it would be, were it not a copy that a replay made
)

// String is the verdict's name in English.
func (v Verdict) String() string {
	switch v {
	case Yes:
		return "yes"
	case Undecodable:
		return "undecodable"
	case Replayed:
		return "replayed"
	case No:
	}
	return "no"
}

// Options is what a Matcher must know of the topics.
type Options struct {
	// KeyKind is how records are keyed (kafka.topics.key). Where it is KeyMessage, the
	// key tells the message's id.
	KeyKind string
}

// KeyMessage is the key provider/source/message_id.
const KeyMessage = "message"

// Matcher tells which records a Selection means. It is safe for concurrent use.
type Matcher struct {
	s          Selection
	keyed      bool // by message
	headers    map[string][]string
	recipients []string // in the form for comparing
	where      *where
}

// Compile makes the Matcher of a valid Selection; of any other the error is an
// *InvalidError. Limit bounds nothing here: who counts the records stops.
func Compile(s Selection, o Options) (*Matcher, error) {
	expression, problems := inspect(&s)
	if len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	m := &Matcher{s: s, keyed: o.KeyKind == KeyMessage, where: expression, headers: map[string][]string{}}
	for _, h := range s.Headers {
		m.headers[h.Name] = append(m.headers[h.Name], h.Value)
	}
	for _, r := range s.Recipients {
		m.recipients = append(m.recipients, event.NormalizeAddress(r))
	}
	return m, nil
}

// Decodes reports whether values are needed: whether something is asked of records
// that their place, time, key and headers do not tell. Where they are not needed,
// those of records that lack the headers of events are decoded all the same.
func (m *Matcher) Decodes() bool {
	return len(m.recipients)+len(m.s.RecipientHashes) > 0 || len(m.s.MessageIDs) > 0 && !m.keyed ||
		m.where != nil && m.where.asks&asksEvent != 0
}

// EventsOnly reports whether something is asked that only events have: requests and
// dead letters are Undecodable then, if anything.
func (m *Matcher) EventsOnly() bool {
	return len(m.s.Types)+len(m.recipients)+len(m.s.RecipientHashes)+len(m.s.MessageIDs) > 0 ||
		m.where != nil && m.where.asks&(asksType|asksEvent) != 0
}

// Match tells whether a record is meant. The error is that of the Selection's
// expression, which cannot be evaluated for this record, and names its place; the
// record is neither meant nor not.
func (m *Matcher) Match(r *Record) (Verdict, error) {
	if !m.placed(r) || !m.headed(r) {
		return No, nil
	}
	t := tell(r.Headers)
	v, err := m.says(r, &t)
	if v == Yes && t.replayed && !m.s.Replayed {
		v = Replayed
	}
	return v, err
}

// placed asks where and when the record is.
func (m *Matcher) placed(r *Record) bool {
	s := &m.s
	return within(s.Topics, r.Topic) &&
		(len(s.Partitions) == 0 || slices.Contains(s.Partitions, r.Partition)) &&
		(len(s.Offsets) == 0 || slices.ContainsFunc(s.Offsets, r.in)) &&
		!r.Time.Before(s.From) && (s.To.IsZero() || r.Time.Before(s.To))
}

// within reports whether a topic is one of the names or patterns; without any, it is.
func within(patterns []string, topic string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if p == topic {
			return true
		}
		if fits, _ := path.Match(p, topic); fits {
			return true
		}
	}
	return false
}

// in reports whether the record lies in a span.
func (r *Record) in(s Span) bool {
	return (s.Topic == "" || s.Topic == r.Topic) && s.Partition == r.Partition &&
		r.Offset >= s.From && (s.To == 0 || r.Offset < s.To)
}

// headed asks the headers as such.
func (m *Matcher) headed(r *Record) bool {
	for name, values := range m.headers {
		fits := func(h event.Header) bool { return h.Key == name && slices.Contains(values, string(h.Value)) }
		if !slices.ContainsFunc(r.Headers, fits) {
			return false
		}
	}
	return true
}

// says asks what the record says: its headers and key first, its value only for
// what they leave open.
func (m *Matcher) says(r *Record, t *told) (Verdict, error) {
	open := yes
	for _, a := range [...]answer{
		among(m.s.Providers, t.provider), among(m.s.Sources, t.source), among(m.s.EventIDs, t.identity()), among(m.s.Types, t.word),
		m.askMessage(r, t), m.askRecipient(),
	} {
		switch a {
		case no:
			return No, nil
		case unsaid:
			open = unsaid
		case yes:
		}
	}
	if open == yes && (m.where == nil || m.where.told(t)) {
		return m.evaluate(r, t, nil)
	}
	e, ok := decode(r, t)
	switch {
	case !ok:
		return Undecodable, nil
	case open == unsaid && !m.holds(e):
		return No, nil
	}
	return m.evaluate(r, t, e)
}

// decode reads the event that a record holds; false if it holds none. A request
// may look like one, but for its headers.
func decode(r *Record, t *told) (*event.Event, bool) {
	if t.stored() {
		return nil, false
	}
	e, err := r.decoded()
	return e, err == nil && strings.HasPrefix(e.Schema, schemaFamily)
}

// schemaFamily begins the schema of every version of the canonical event.
const schemaFamily = "email-event/"

// evaluate asks the expression.
func (m *Matcher) evaluate(r *Record, t *told, e *event.Event) (Verdict, error) {
	if m.where == nil {
		return Yes, nil
	}
	fits, err := m.where.evaluate(r, t, e)
	if err != nil {
		return No, fmt.Errorf("selection: %s[%d]@%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if fits {
		return Yes, nil
	}
	return No, nil
}

// answer is what headers and key say to a condition.
type answer uint8

const (
	yes    answer = iota
	no            // the record is not meant, whatever its value says
	unsaid        // only the value tells
)

// among answers whether a told text is one of those wanted.
func among(wanted []string, text []byte) answer {
	switch {
	case len(wanted) == 0:
		return yes
	case text == nil:
		return unsaid
	}
	if slices.Contains(wanted, string(text)) {
		return yes
	}
	return no
}

// askMessage asks the key, if it is one of ours. Where the message has no id, the
// key ends in something else, and there is no ce_subject.
func (m *Matcher) askMessage(r *Record, t *told) answer {
	if len(m.s.MessageIDs) == 0 {
		return yes
	}
	if !t.whole() {
		return unsaid
	}
	if id, ok := t.messageInKey(r.Key); ok && m.keyed {
		if t.message == nil && excluded(string(id), nil) {
			return no
		}
		return among(m.s.MessageIDs, id)
	}
	if slices.ContainsFunc(m.s.MessageIDs, func(id string) bool { return !excluded(id, t.message) }) {
		return unsaid
	}
	return no
}

// maxSubject is how long a text may be to stand in a header as it is, in bytes.
const maxSubject = 1024

// excluded reports whether an event with this ce_subject (nil: none) cannot have
// the message id: a printable text of moderate length stands there as it is.
func excluded(id string, subject []byte) bool {
	plain := id != "" && len(id) <= maxSubject && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' })
	return plain && !bytes.Equal([]byte(id), subject)
}

func (m *Matcher) askRecipient() answer {
	if len(m.recipients)+len(m.s.RecipientHashes) == 0 {
		return yes
	}
	return unsaid
}

// holds asks the event everything that headers and key may have left open.
func (m *Matcher) holds(e *event.Event) bool {
	s := &m.s
	return wants(s.Providers, e.Provider) && wants(s.Sources, e.Source) && wants(s.EventIDs, e.ID) &&
		wants(s.Types, typeName(e.Route())) && wants(s.MessageIDs, e.MessageID) && m.concerns(e)
}

func wants(wanted []string, text string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, text)
}

// concerns asks whose event it is.
func (m *Matcher) concerns(e *event.Event) bool {
	if len(m.recipients)+len(m.s.RecipientHashes) == 0 {
		return true
	}
	if e.RecipientHash != "" && slices.Contains(m.s.RecipientHashes, e.RecipientHash) {
		return true
	}
	return m.names(e.Recipient) || slices.ContainsFunc(e.Recipients, m.names)
}

// names reports whether an address is one of those wanted.
func (m *Matcher) names(address string) bool {
	if address == "" {
		return false
	}
	address = event.NormalizeAddress(address)
	return slices.ContainsFunc(m.recipients, func(wanted string) bool { return strings.EqualFold(wanted, address) })
}
