// Package mailgun reads the webhooks of Mailgun.
//
// Pages: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads,
// …/webhooks/webhooks (types), …/webhooks/webhook-retries, …/events/event-types; of the
// legacy form the "Tracking …" sections of the user manual that was public as
// mailgun/documentation on GitHub; the values of severity, reason and client-type as in
// github.com/mailgun/mailgun-go, package events.
//
// Two generations:
//   - {"signature": {…}, "event-data": {…}}, one event a request. The item is the
//     object event-data: it is what the Events API shows, too.
//   - the legacy form, urlencoded or (with attachments) multipart, with all fields and
//     the sender's own variables beside each other. It is one item. Its signature is
//     left out of the event: with timestamp and token it would prove anything.
//
// What to know:
//   - failed is three things: temporary is a deferral, permanent a bounce, or a drop
//     if the address was suppressed.
//   - The id is unique within a day only, so the timestamp is part of the identity.
//   - The timestamp has up to six fraction digits and is read by its text.
//   - Codes such as 498 or 605 are Mailgun's own and were on no wire.
package mailgun

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Mailgun.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mailgun",
		Title:  "Mailgun",
		Doc:    "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads",
		Mapper: 1,
		Auth:   "mailgun",
		Policy: provider.Policy{
			Accepted:     200,
			Busy:         503,
			Again:        []provider.Codes{{From: 201, To: 405}, {From: 407, To: 599}},
			Stops:        []int{406},
			RetryHorizon: 8 * time.Hour,
			Retries:      "whatever is neither 200 nor 406: after 5, 10 and 15 min, 1, 2 and 4 h (8 h in all); `delivered` is sent once",
		},
		Types:     types(),
		Identity:  "`event-data.id` and its `timestamp`; `token` of the legacy form",
		MaxEvents: 1,
		Forms:     true,
		New:       provider.WithoutOptions("mailgun", newParser),
		Samples:   samples,
	}
}

// table maps Mailgun's events: those of the current form in the order of the page,
// then those that only the legacy form has. failed and dropped are what their
// details make of them.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "accepted", Type: event.Queued},
		{Name: "rejected", Type: event.Dropped, Detail: (*reader).rejected},
		{Name: "delivered", Type: event.Delivered},
		{Name: "failed", Type: event.Bounced, Detail: (*reader).failed},
		{Name: "opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "unsubscribed", Type: event.Unsubscribed},
		{Name: "complained", Type: event.Complained},
		{Name: "stored", Type: event.Received},
		{Name: "list_member_uploaded", Type: event.Unknown},
		{Name: "list_member_upload_error", Type: event.Unknown},
		{Name: "list_uploaded", Type: event.Unknown},
		{Name: "bounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "dropped", Type: event.Dropped, Detail: (*reader).dropped},
	}
}

// direction: stored is a message that came in.
func direction(t event.Type) event.Direction {
	if t == event.Received {
		return event.Inbound
	}
	return event.Outbound
}

func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.Name, Type: r.Type, Direction: direction(r.Type)})
		switch r.Name {
		case "failed":
			out = append(out,
				provider.TypeInfo{ProviderType: r.Name, Type: event.Deferred, Direction: event.Outbound},
				provider.TypeInfo{ProviderType: r.Name, Type: event.Dropped, Direction: event.Outbound})
		case "dropped":
			out = append(out, provider.TypeInfo{ProviderType: r.Name, Type: event.Bounced, Direction: event.Outbound})
		}
	}
	return out
}

// parser holds the tables by name.
type parser struct {
	rows    provider.Rows[reader]
	reasons map[string]reason
	drops   map[int]event.DropReason
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName(), reasons: reasons(), drops: drops()}
	return provider.Reading{Forms: true, Within: []string{"event-data"}, Item: p.item}
}
