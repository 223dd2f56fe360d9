// Package jetemail reads the event webhooks of JetEmail.
//
// Pages: https://jetemail.com/docs/webhooks/event-types (payloads),
// https://jetemail.com/docs/webhooks/getting-started (retries) and
// https://jetemail.com/docs/webhooks/security (signature).
//
// One JSON object a request, {id, service, type, created_at, data}. What to know:
//   - "rejected" means refused by the remote server, everyone else's "bounced".
//   - Outbound and inbound share words (delivered, spam): the direction is part
//     of the type and they never meet in a topic.
//   - Opened and clicked name no recipient; dropped has no message either, but
//     says in entity_type and entity_value whom it was about.
//   - The page shows one id on ten types, so an event is its id and its type.
//     A replay by hand repeats the id on purpose.
//   - JetEmail has another webhook that carries inbound mail itself, signed in
//     another way under the same header name; this package does not read it.
package jetemail

import (
	"strings"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of JetEmail.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "jetemail",
		Title:  "JetEmail",
		Doc:    "https://jetemail.com/docs/webhooks/event-types",
		Mapper: 1,
		Auth:   "jetemail",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 429, To: 429}, {From: 500, To: 599}},
			RetryHorizon: 5*time.Hour + 13*time.Minute,
			Timeout:      10 * time.Second,
			Retries:      "429, 5xx and timeouts: at once, then after 30 s, 2 min, 10 min, 1 h and 4 h; any other 4xx discards the event",
		},
		Types:     types(),
		Identity:  "`id` and the type",
		MaxEvents: 1,
		New:       provider.WithoutOptions("jetemail", newParser),
		Samples:   samples,
	}
}

// row is one event type: what it is called here, and what it has beyond the
// fields that all types share.
type row struct {
	name   string
	typ    event.Type
	detail func(*reader)
}

// table maps JetEmail's types, in the order of the page.
func table() []row {
	return []row{
		{"outbound.queued", event.Queued, nil},
		{"outbound.delivered", event.Delivered, nil},
		{"outbound.deferred", event.Deferred, nil},
		{"outbound.bounced", event.Bounced, (*reader).bounced},
		// Refused by the remote server, for good or not: the reply's codes say it.
		{"outbound.rejected", event.Bounced, (*reader).bounced},
		// Spam and virus are found before delivery: nothing was handed over.
		{"outbound.spam", event.Dropped, (*reader).spam},
		{"outbound.virus", event.Dropped, (*reader).virus},
		{"outbound.dropped", event.Dropped, (*reader).dropped},
		{"outbound.opened", event.Opened, (*reader).engaged},
		{"outbound.clicked", event.Clicked, (*reader).engaged},
		{"outbound.complaint", event.Complained, nil},
		{"inbound.received", event.Received, nil},
		{"inbound.delivered", event.Delivered, nil},
		{"inbound.spam", event.Dropped, (*reader).spam},
		{"inbound.blocked", event.Dropped, (*reader).blocked},
	}
}

// direction is the service before the dot of a type, else the service itself.
func direction(typ, service string) event.Direction {
	prefix, _, _ := strings.Cut(typ, ".")
	if prefix == "inbound" || prefix != "outbound" && service == "inbound" {
		return event.Inbound
	}
	return event.Outbound
}

func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.name, Type: r.typ, Direction: direction(r.name, "")})
	}
	return out
}

// parser holds the table by name.
type parser struct{ rows map[string]row }

// newParser makes the parser of any source.
func newParser() provider.Parser {
	rows := make(map[string]row)
	for _, r := range table() {
		rows[r.name] = r
	}
	p := &parser{rows: rows}
	return provider.Reading{Item: p.item}
}
