// Package mailjet reads the webhooks of Mailjet's Event API.
//
// Pages: https://dev.mailjet.com/email/guides/webhooks/ (events, errors), its source
// https://github.com/mailjet/api-documentation guides/_event-api.md, and
// https://documentation.mailjet.com/hc/en-us/articles/360043578154 (retries).
//
// One JSON object a request or, where events are grouped (Version 2), an array of what
// happened within a second, types mixed. What to know:
//   - "sent" means that the recipient's server has accepted the message: it is
//     everyone else's "delivered".
//   - "blocked" means that Mailjet did not try; "bounce" that it did.
//   - MessageID is a number beyond 2^53: it is read as text. Older events have it as the
//     string mj_message_id only.
//   - Nothing numbers an event, so its content is its identity.
//   - Payload is a string of the sender's own, often JSON.
//   - A version of the guide shows a bounce without one of its commas, a slip of the page:
//     such a text is no JSON, and is not repaired.
package mailjet

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Mailjet.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mailjet",
		Title:  "Mailjet",
		Doc:    "https://dev.mailjet.com/email/guides/webhooks/",
		Mapper: 1,
		Auth:   "basic",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 201, To: 599}},
			RetryHorizon: 24 * time.Hour,
			Retries:      "any answer but 200: every 30 s for up to 24 h (help page), or ten times every 10 min (developer guide)",
		},
		Types:     table().Types(),
		Identity:  "derived",
		MaxEvents: 0,
		New:       provider.WithRetryingBounces("mailjet", newParser),
		Samples:   samples,
	}
}

// table maps Mailjet's types, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "sent", Type: event.Delivered, Detail: (*reader).sent},
		{Name: "open", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "click", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "bounce", Type: event.Bounced, Detail: (*reader).bounce},
		{Name: "blocked", Type: event.Dropped, Detail: (*reader).blocked},
		{Name: "spam", Type: event.Complained, Detail: (*reader).spam},
		{Name: "unsub", Type: event.Unsubscribed},
	}
}

// parser holds the tables by name.
type parser struct {
	rows     provider.Rows[reader]
	problems map[string]problem
	retrying event.Type // type of a greylisted bounce
}

// newParser makes the parser; retrying is the type of a bounce that is tried again.
func newParser(retrying event.Type) provider.Parser {
	p := &parser{rows: table().ByName(), problems: make(map[string]problem), retrying: retrying}
	for _, e := range problemTable() {
		p.problems[e.name] = e
	}
	return provider.Reading{Item: p.item}
}
