// Package cmcom reads the event webhooks of CM.com's Email Gateway API.
//
// Pages, all under https://developers.cm.com/messaging/docs/: event-types-update
// (today's payload), webhook-event-types (the older one), integration-mode
// (simulated events), webhooks (registration: no secret or header can be set).
//
// One JSON object a request, {type, createdAt, messageId, data}. What to know:
//   - Two generations of payload may be in use: "bounced" and "createdAt" today,
//     "Bounced" and "CreatedAt" before, "Soft Bounce" and "SoftBounce". Names and
//     words are compared with case, spaces, '_' and '-' left out.
//   - No id can be relied on: data.id is new for each event in today's examples
//     but the same for all in the older ones, and messageId may be shared by
//     several recipients. The event's content is its identity.
//   - A soft bounce is retried for 24 hours with one webhook for each try: they
//     are events of their own, not repeats.
//   - A hard bounce is followed by suppressed, with the same messageId and time.
//   - Simulated events (integration mode, recipients at sink.cm.com) are marked
//     as tests.
package cmcom

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of CM.com.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "cmcom",
		Title:  "CM.com",
		Doc:    "https://developers.cm.com/messaging/docs/event-types-update",
		Mapper: 1,
		Auth:   "token",
		Policy: provider.Policy{
			Busy:    503,
			Retries: "not documented (the 24 hours on the page are about SMTP); counts as none",
		},
		Types:     types(),
		Identity:  "derived from the content",
		MaxEvents: 1,
		New:       provider.WithRetryingBounces("cmcom", newParser),
		Samples:   samples,
	}
}

// row is one event type: what it is called here, and how its part of data is read.
type row struct {
	name   string
	typ    event.Type
	detail func(*reader)
}

// table maps CM.com's types, in the order of the page.
func table() []row {
	return []row{
		// The page says "sent to the recipient's mail server", nearly what it says
		// of delivered; the word is kept since delivered follows.
		{"sent", event.Sent, nil},
		{"delivered", event.Delivered, nil},
		{"opened", event.Opened, nil},   // no address, agent
		{"clicked", event.Clicked, nil}, // nor link
		// The page says "permanently rejected", but a soft bounce is retried.
		{"bounced", event.Bounced, (*reader).bounced},
		{"suppressed", event.Suppressed, (*reader).suppressed}, // the address, not the message: no drop
		{"unsubscribed", event.Unsubscribed, (*reader).unsubscribed},
		{"complained", event.Complained, nil},
		{"failed", event.Failed, (*reader).failed},
	}
}

func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.name, Type: r.typ, Direction: event.Outbound})
	}
	return out
}

// parser holds the tables by folded name.
type parser struct {
	rows     map[string]row
	names    map[string]string
	subTypes map[string]subType
	retrying event.Type // type of a bounce that will be retried
}

// newParser makes the parser; retrying is the type of a bounce that is tried again.
func newParser(retrying event.Type) provider.Parser {
	p := &parser{rows: make(map[string]row), names: make(map[string]string), subTypes: make(map[string]subType), retrying: retrying}
	for _, r := range table() {
		p.rows[r.name] = r
	}
	for _, name := range names() {
		p.names[jsondoc.Fold(name)] = name
	}
	for _, s := range subTypeTable() {
		p.subTypes[jsondoc.Fold(s.name)] = s
	}
	return provider.Reading{Fold: true, Item: p.item}
}
