package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/postrider/postrider/internal/broker"
)

// errInvented says that a record holds nothing that this run made.
var errInvented = errors.New("no event that was made")

// alteredError says that a record names an event of this run and is not what
// that event must have become.
type alteredError struct {
	mark marker
	why  string
}

// Error implements error.
func (e *alteredError) Error() string { return fmt.Sprintf("event %s: %s", e.mark, e.why) }

// typed is what is compared of an event's record; see docs/events.md.
type typed struct {
	ID              string            `json:"id"`
	Provider        string            `json:"provider"`
	Source          string            `json:"source"`
	ProviderType    string            `json:"provider_type"`
	ProviderEventID string            `json:"provider_event_id"`
	MessageID       string            `json:"message_id"`
	Recipient       string            `json:"recipient"`
	Metadata        map[string]string `json:"metadata"`
	Raw             json.RawMessage   `json:"raw"`
}

// judge reads the event that a record of a typed topic or of the dead letters
// holds. The error is errInvented or an *alteredError; topic is the record's
// without the prefix.
func (g *generator) judge(topic string, msg *broker.Message) (marker, error) {
	if topic == deadTopic {
		return g.judgeDead(msg)
	}
	var e typed
	if err := json.Unmarshal(msg.Value, &e); err != nil {
		return marker{}, fmt.Errorf("%w: %v", errInvented, err) //nolint:errorlint // one of the two is told apart
	}
	m, ok := g.ownMarker(e.Metadata["mark"])
	if !ok {
		return marker{}, fmt.Errorf("%w: metadata.mark is %q", errInvented, e.Metadata["mark"])
	}
	if why := g.differs(topic, m, &e, msg); why != "" {
		return m, &alteredError{m, why}
	}
	return m, nil
}

// differs says in what an event's record is not what it must be; "" if in nothing.
func (g *generator) differs(topic string, m marker, e *typed, msg *broker.Message) string {
	s, k := g.of(m.stream)
	type pair struct{ what, got, want string }
	pairs := []pair{
		{"topic", topic, k.topic},
		{"key", string(msg.Key), g.recordKey(m)},
		{"provider", e.Provider, s.provider},
		{"source", e.Source, s.name},
		{"provider_type", e.ProviderType, k.word},
		{"message_id", e.MessageID, g.message(m)},
		{"metadata.fill", e.Metadata["fill"], g.fill(m)},
	}
	if !s.derived {
		pairs = append(pairs, pair{"provider_event_id", e.ProviderEventID, g.nativeID(m)})
	}
	if s.provider != "vfs" { // names no recipient
		pairs = append(pairs, pair{"recipient", e.Recipient, g.recipient(m)})
	}
	if k.topic == "unknown" {
		pairs = append(pairs, pair{"raw", string(e.Raw), g.item(m)})
	}
	switch conflict := isConflict(msg); {
	case conflict != (m.native != m.serial):
		return fmt.Sprintf("marked as a conflict: %v, and it carries the id of %d", conflict, m.native)
	case conflict && e.ID == g.eventID(m):
		return "other content under the very id " + e.ID
	case !conflict:
		pairs = append(pairs, pair{"id", e.ID, g.eventID(m)})
	}
	for _, p := range pairs {
		if p.got != p.want {
			return fmt.Sprintf("%s is %q, want %q", p.what, shorten(p.got), shorten(p.want))
		}
	}
	return ""
}

// isConflict reports whether a record is marked as other content under a known id.
func isConflict(msg *broker.Message) bool {
	for _, h := range msg.Headers {
		if h.Key == "conflict" {
			return true
		}
	}
	return false
}

// shorten keeps texts readable in a report.
func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// judgeDead reads the item that a dead letter keeps; its bytes must be the ones
// that were sent.
func (g *generator) judgeDead(msg *broker.Message) (marker, error) {
	var letter struct {
		Reason string `json:"reason"`
		Body   []byte `json:"body"`
	}
	var item struct {
		Data struct{ Mark string } `json:"data"`
		Attr struct{ Mark string } `json:"attr"`
	}
	if err := json.Unmarshal(msg.Value, &letter); err != nil {
		return marker{}, fmt.Errorf("%w: dead letter: %v", errInvented, err) //nolint:errorlint // as above
	}
	if err := json.Unmarshal(letter.Body, &item); err != nil {
		return marker{}, fmt.Errorf("%w: item of a dead letter: %v", errInvented, err) //nolint:errorlint // as above
	}
	m, ok := g.ownMarker(item.Data.Mark + item.Attr.Mark)
	if !ok {
		return marker{}, fmt.Errorf("%w: dead letter without a mark", errInvented)
	}
	if want := g.item(m); string(letter.Body) != want {
		return m, &alteredError{m, "the dead letter's item is not what was sent"}
	}
	if _, k := g.of(m.stream); k.topic != deadTopic || letter.Reason != "missing_type" {
		return m, &alteredError{m, "dead letter with reason " + letter.Reason}
	}
	return m, nil
}

// suffix is a topic's name without the run's prefix; false if it has another.
func suffix(topic, prefix string) (string, bool) { return strings.CutPrefix(topic, prefix+".") }
