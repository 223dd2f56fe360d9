package trace

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// match says which records are meant. What can be told from the key and the
// headers is told from them, then from the bytes of the value; only a record whose
// bytes could hold what is wanted is decoded.
type match struct {
	keys []string // records of other keys are not meant; none: any key
	// quick passes over a record that cannot be meant.
	quick func(m *broker.Message) bool
	// exact decides.
	exact func(m *broker.Message, e *event.Event) bool
	// names passes over a dead letter whose body does not name what is wanted; nil:
	// dead letters are not looked through.
	names func(body []byte) bool
	once  bool // the first found ends the search
}

// newMatch makes the match of a query. kind is what typed topics are keyed by.
func newMatch(q *Query, kind string) *match {
	switch {
	case q.EventID != "":
		return ofEvent(q.EventID, kind)
	case q.MessageID != "":
		return ofMessageID(q, kind)
	case q.SMTPMessageID != "":
		return ofText(q.SMTPMessageID, func(e *event.Event) string { return e.SMTPMessageID })
	case q.CustomerRef != "":
		return ofText(q.CustomerRef, func(e *event.Event) string { return e.CustomerRef })
	}
	return ofRecipient(q, kind)
}

// ofEvent finds an event by its id, which is in a header.
func ofEvent(id, kind string) *match {
	m := &match{
		quick: func(m *broker.Message) bool { return headerIs(m.Headers, "ce_id", id) },
		exact: func(*broker.Message, *event.Event) bool { return true },
	}
	if kind == "event" {
		m.keys = []string{id}
	}
	return m
}

// ofMessageID finds a message's events: by the key where it names the message,
// else by the header that does.
func ofMessageID(q *Query, kind string) *match {
	m := &match{names: holds(jsonText(q.MessageID))}
	to := recipientOf(q)
	var keys []string
	for _, s := range q.Sources {
		keys = append(keys, s.Provider+"/"+s.Name+"/"+q.MessageID)
	}
	subject := subjectOf(q.MessageID)
	switch kind {
	case "message":
		m.keys = keys
	case "recipient":
		m.keys = recipientKeys(q)
	}
	m.quick = func(m *broker.Message) bool {
		return slices.Contains(keys, string(m.Key)) || headerIs(m.Headers, "ce_subject", subject)
	}
	m.exact = func(m *broker.Message, e *event.Event) bool {
		return (e.MessageID == q.MessageID || slices.Contains(keys, string(m.Key))) && to(e)
	}
	return m
}

// ofMessage finds the other events of an event's message: those with its key, or
// the event alone where it names no message or events are keyed by their own id.
func ofMessage(o *Observation, kind string) *match {
	e := &o.Event
	if e.MessageID == "" || kind == "event" || o.key == "" {
		return ofKey(o)
	}
	subject := subjectOf(e.MessageID)
	return &match{
		keys:  []string{o.key},
		quick: func(m *broker.Message) bool { return headerIs(m.Headers, "ce_subject", subject) },
		exact: func(_ *broker.Message, other *event.Event) bool {
			return other.MessageID == e.MessageID && other.Provider == e.Provider && other.Source == e.Source
		},
	}
}

// ofKey finds the copies of one event, which share its key.
func ofKey(o *Observation) *match {
	if o.key == "" {
		return nil
	}
	m := ofEvent(o.Event.ID, "")
	m.keys = []string{o.key}
	return m
}

// ofText finds events by a field that nothing but the value holds.
func ofText(text string, field func(*event.Event) string) *match {
	needle := jsonText(text)
	return &match{
		quick: func(m *broker.Message) bool { return bytes.Contains(m.Value, needle) },
		exact: func(_ *broker.Message, e *event.Event) bool { return field(e) == text },
		names: holds(needle),
	}
}

// ofRecipient finds the events of an address.
func ofRecipient(q *Query, kind string) *match {
	address, exact := event.NormalizeAddress(q.Recipient), recipientOf(q)
	folded := jsonText(address)
	m := &match{
		quick: func(m *broker.Message) bool {
			return address != "" && containsFold(m.Value, folded) || containsAny(m.Value, q.Hashes)
		},
		exact: func(_ *broker.Message, e *event.Event) bool { return exact(e) },
	}
	if address != "" {
		m.names = func(body []byte) bool { return containsFold(body, folded) }
	}
	if kind == "recipient" {
		m.keys = recipientKeys(q)
	}
	return m
}

// recipientKeys are the keys of a recipient's events where they are keyed by it.
func recipientKeys(q *Query) []string {
	if q.Recipient == "" {
		return slices.Clone(q.Hashes)
	}
	return append([]string{strings.ToLower(event.NormalizeAddress(q.Recipient))}, q.Hashes...)
}

// recipientOf decides whether an event is about the wanted recipient; about
// anybody if none is wanted. Letter case does not count.
func recipientOf(q *Query) func(*event.Event) bool {
	if q.Recipient == "" && len(q.Hashes) == 0 {
		return func(*event.Event) bool { return true }
	}
	address := event.NormalizeAddress(q.Recipient)
	same := func(other string) bool {
		return address != "" && strings.EqualFold(event.NormalizeAddress(other), address)
	}
	return func(e *event.Event) bool {
		return same(e.Recipient) || e.RecipientHash != "" && slices.Contains(q.Hashes, e.RecipientHash) ||
			slices.ContainsFunc(e.Recipients, same)
	}
}

// of reports whether a record's key and source let it be meant.
func (m *match) of(q *Query, r *broker.Message) bool {
	if len(m.keys) > 0 && !slices.Contains(m.keys, string(r.Key)) {
		return false
	}
	if !q.Narrow || len(m.keys) > 0 {
		return true
	}
	return slices.ContainsFunc(q.Sources, func(s Source) bool {
		return headerIs(r.Headers, "provider", s.Provider) && headerIs(r.Headers, "source", s.Name)
	})
}

// jsonText is how a text stands in the JSON of our events, without the quotes.
func jsonText(s string) []byte {
	quoted := event.AppendString(nil, s)
	return quoted[1 : len(quoted)-1]
}

// subjectOf is a message id as the header ce_subject holds it.
func subjectOf(id string) string {
	e := event.Event{MessageID: id}
	return event.HeaderText(e.AppendHeaders(nil, event.Stamp{}), "ce_subject")
}

// holds finds a text in the body of a request as JSON encoders write it.
func holds(needle []byte) func([]byte) bool {
	return func(body []byte) bool { return bytes.Contains(body, needle) }
}

// containsAny reports whether b holds one of the words.
func containsAny(b []byte, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(b, []byte(w)) })
}

// containsFold reports whether b holds an address, whatever its letter case. It
// jumps from @ to @, which are rare.
func containsFold(b, address []byte) bool {
	at := bytes.LastIndexByte(address, '@')
	if at < 0 {
		return len(address) > 0 && bytes.Contains(bytes.ToLower(b), bytes.ToLower(address))
	}
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '@')
		if i < 0 {
			return false
		}
		i += from
		from = i + 1
		begin, end := i-at, i-at+len(address)
		if begin >= 0 && end <= len(b) && bytes.EqualFold(b[begin:end], address) {
			return true
		}
	}
}

// headerIs reports whether a header has that value, which is not empty.
func headerIs(headers []event.Header, name, value string) bool {
	return value != "" && event.HeaderText(headers, name) == value
}
