package main

import (
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// filter decides which records are shown. What the headers say is asked first:
// most records are passed over without their value being read.
type filter struct {
	tailFlags

	decodes bool // a wanted type is a provider's word, which only the value holds
}

// newFilter makes the filter of the flags.
func newFilter(f tailFlags) *filter {
	canonical := canonicalTypes()
	own := func(word string) bool { return !slices.Contains(canonical, word) }
	return &filter{tailFlags: f, decodes: slices.ContainsFunc(f.types, own)}
}

// takes reports whether a record is to be shown.
func (f *filter) takes(m *broker.Message) bool {
	if !selected(f.providers, event.HeaderText(m.Headers, "provider")) || !selected(f.sources, event.HeaderText(m.Headers, "source")) || !f.identifies(m) {
		return false
	}
	word := typeWord(m)
	typed := selected(f.types, word)
	if f.recipient == "" && (typed || !f.decodes) {
		return typed
	}
	e, err := event.Decode(m.Value)
	if err != nil {
		return false
	}
	return (typed || selected(f.types, e.ProviderType)) && f.concerns(&e)
}

// identifies reports whether the record has the wanted event id and message id.
// Raw requests and dead letters have the id of the request instead of an event's.
func (f *filter) identifies(m *broker.Message) bool {
	if f.id != "" && f.id != event.HeaderText(m.Headers, "ce_id") && f.id != event.HeaderText(m.Headers, "id") {
		return false
	}
	return f.message == "" || f.message == messageOf(m)
}

// messageOf is the id of the message that a record is about: its ce_subject
// header or, without that, the end of its key (provider/source/message).
func messageOf(m *broker.Message) string {
	if subject := event.HeaderText(m.Headers, "ce_subject"); subject != "" {
		return subject
	}
	prefix := event.HeaderText(m.Headers, "provider") + "/" + event.HeaderText(m.Headers, "source") + "/"
	return strings.TrimPrefix(string(m.Key), prefix)
}

// concerns reports whether the event is about the wanted recipient.
func (f *filter) concerns(e *event.Event) bool {
	if f.recipient == "" || f.recipient == e.RecipientHash {
		return true
	}
	same := func(address string) bool { return strings.EqualFold(address, f.recipient) }
	return same(e.Recipient) || slices.ContainsFunc(e.Recipients, same)
}

// typeWord is the short name of a record's type, by its ce_type header; "" if
// it has none.
func typeWord(m *broker.Message) string {
	word, ok := strings.CutPrefix(event.HeaderText(m.Headers, "ce_type"), "email.")
	word, v1 := strings.CutSuffix(word, ".v1")
	if !ok || !v1 {
		return ""
	}
	return word
}
