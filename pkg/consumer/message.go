package consumer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Message is one record. A Handler has it to itself while it runs, and must not
// change its slices, or keep it for later: what it holds is let go of then. Who needs a
// record longer, in a goroutine that outlives the Handler too, makes a copy before.
//
// What it tells of the event comes from the record's headers where these have it, so
// that a value is decoded only by whoever asks for more: Event. Records that are
// made by others than postrider may have no such headers; their value is decoded then.
type Message struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // of the record, UTC
	Key       []byte    // nil when the record has none
	Value     []byte    // nil is a tombstone
	Headers   []event.Header

	// Attempt counts from 1, over process, retry topics and rebalances as far as
	// these are known.
	Attempt int

	event   *event.Event
	problem error // why there is no event
	passed  bool  // nobody was asked to handle it: it says nothing about what handlers depend on
}

// Place is where a record is.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

// String is the place as topic/partition/offset, the form of header replay-of.
func (p Place) String() string {
	var room [64]byte
	text := append(append(room[:0], p.Topic...), '/')
	text = append(strconv.AppendInt(text, int64(p.Partition), 10), '/')
	return string(strconv.AppendInt(text, p.Offset, 10))
}

// parsePlace reads what String wrote; false if the text is of another form.
func parsePlace(text string) (Place, bool) {
	rest, offset, _ := cutLast(text)
	topic, partition, ok := cutLast(rest)
	p, perr := strconv.ParseInt(partition, 10, 32)
	o, oerr := strconv.ParseInt(offset, 10, 64)
	if !ok || topic == "" || perr != nil || oerr != nil || p < 0 || o < 0 {
		return Place{}, false
	}
	return Place{Topic: topic, Partition: int(p), Offset: o}, true
}

// cutLast cuts a text at its last slash.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// Place is where the record is.
func (m *Message) Place() Place {
	return Place{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
}

// Origin is where the record lay before it was put into a retry topic or the
// dead-letter topic; of any other, and where the header is malformed, its own place.
func (m *Message) Origin() Place {
	if text, ok := m.Header(HeaderOf); ok {
		if p, ok := parsePlace(text); ok {
			return p
		}
	}
	return m.Place()
}

// Header returns the first value of a record header; false if there is none.
func (m *Message) Header(name string) (string, bool) {
	return event.HeaderValue(m.Headers, name)
}

// Event decodes the record's value, once: later calls return the same. The error is
// about a record that holds no event, as dead letters and raw requests do. Whether
// an event keeps the rules is its Validate's question; postrider publishes no others,
// and a later version may know more types than this.
func (m *Message) Event() (*event.Event, error) {
	if m.event == nil && m.problem == nil {
		e, err := event.Decode(m.Value)
		if err != nil {
			m.problem = fmt.Errorf("consumer: %s[%d]@%d holds no event: %w", m.Topic, m.Partition, m.Offset, err)
			return nil, m.problem
		}
		m.event = &e
	}
	return m.event, m.problem
}

// Headers of an event's record; see docs/events.md.
const (
	headerID        = "ce_id"
	headerType      = "ce_type"
	headerMessage   = "ce_subject"
	headerProvider  = "provider"
	headerSource    = "source"
	headerTest      = "test"
	headerConflict  = "conflict"
	headerDuplicate = "duplicate"
)

// ID is the event's id; "" for a record that holds no event.
func (m *Message) ID() string {
	return m.told(headerID, func(e *event.Event) string { return e.ID })
}

// Type is the event's type; "" for a record that holds no event.
func (m *Message) Type() event.Type {
	if r, ok := m.route(); ok {
		return r.Type
	}
	return ""
}

// Direction is the event's; "" for a record that holds no event.
func (m *Message) Direction() event.Direction {
	if r, ok := m.route(); ok {
		return r.Direction
	}
	return ""
}

// Provider is the event's, or that of the request that a raw record or a dead letter
// holds; "" if neither is known.
func (m *Message) Provider() string {
	return m.told(headerProvider, func(e *event.Event) string { return e.Provider })
}

// Source is the event's, or that of the request that a raw record or a dead letter
// holds; "" if neither is known.
func (m *Message) Source() string {
	return m.told(headerSource, func(e *event.Event) string { return e.Source })
}

// MessageID is the provider's key of the message, "" if the event has none. Headers
// hold up to 1 KiB of it, without control characters; the event has all.
func (m *Message) MessageID() string {
	return m.told(headerMessage, func(e *event.Event) string { return e.MessageID })
}

// Test reports whether the event is a simulated one.
func (m *Message) Test() bool {
	return m.told(headerTest, func(e *event.Event) string { return strconv.FormatBool(e.Test) }) == "true"
}

// Conflict reports whether the event, or its request, came under an id that was known
// with other content. Such an event is never a repeat of another.
func (m *Message) Conflict() bool { return m.flag(headerConflict) }

// Duplicate reports whether the event was published before, and is again because its
// source wants repeats marked, not left out.
func (m *Message) Duplicate() bool { return m.flag(headerDuplicate) }

func (m *Message) flag(header string) bool {
	value, _ := m.Header(header)
	return value == "true"
}

// told is what a header tells, else what the event does. A record with an event's
// headers has all that apply to it: one that is missing is not looked for.
func (m *Message) told(header string, of func(*event.Event) string) string {
	if value, ok := m.Header(header); ok {
		return value
	}
	if _, whole := m.Header(headerID); whole {
		return ""
	}
	e, err := m.Event()
	if err != nil {
		return ""
	}
	return of(e)
}

// route is the event's direction and type.
func (m *Message) route() (event.Route, bool) {
	if text, ok := m.Header(headerType); ok {
		if r, ok := parseType(text); ok {
			return r, true
		}
	}
	e, err := m.Event()
	if err != nil {
		return event.Route{}, false
	}
	return e.Route(), true
}

// parseType reads a ce_type header, email.<type>.v1 or email.inbound.<type>.v1; false
// if it is of another form.
func parseType(text string) (event.Route, bool) {
	word, ours := strings.CutPrefix(text, "email.")
	word, v1 := strings.CutSuffix(word, ".v1")
	direction := event.Outbound
	if inner, inbound := strings.CutPrefix(word, "inbound."); inbound {
		word, direction = inner, event.Inbound
	}
	return event.Route{Direction: direction, Type: event.Type(word)}, ours && v1 && word != ""
}
