// Package mandrill reads the webhooks of Mailchimp Transactional, which everybody
// calls Mandrill.
//
// Pages: https://mailchimp.com/developer/transactional/docs/webhooks/ (events, format),
// https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
// (signature) and https://mandrill.zendesk.com/hc/en-us/articles/205582937-About-Bounces.
//
// A form with one field, mandrill_events: a JSON array of up to 1,000 events, types
// mixed. What to know:
//   - Message events and inbound mail have "event"; changes of the two lists of
//     addresses have "type" instead, and an action.
//   - _id is the message's. Nothing numbers an event, so its content is its identity.
//   - ts is when it happened, msg.ts when the message was sent.
//   - After a bounce of either kind Mandrill does not try again.
//   - Nearly every field may be null; an empty metadata is an array.
//   - Before it has shown a key, Mandrill calls by HEAD, and posts an empty batch. "Send
//     test" posts events whose ids begin with "example".
package mandrill

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// field is the field of the form that holds all there is.
const field = "mandrill_events"

// Definition returns what the bridge knows of Mandrill.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mandrill",
		Title:  "Mandrill (Mailchimp Transactional)",
		Doc:    "https://mailchimp.com/developer/transactional/docs/webhooks/",
		Mapper: 1,
		Auth:   "mandrill",
		Policy: provider.Policy{
			Busy:    503,
			Retries: "failed batches are sent again until they are given up by hand; when and for how long is not documented",
		},
		Types:     types(),
		Identity:  "derived",
		MaxEvents: 1000,
		Handshake: "HEAD, and an empty batch signed with a public key, before the webhook has a key",
		Probes:    []string{"HEAD"},
		Forms:     true,
		New:       provider.WithoutOptions("mandrill", newParser),
		Samples:   samples,
	}
}

// table maps Mandrill's types, message events first.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "send", Type: event.Sent},
		{Name: "deferral", Type: event.Deferred},
		{Name: "hard_bounce", Type: event.Bounced, Detail: (*reader).hardBounce},
		{Name: "soft_bounce", Type: event.Bounced, Detail: (*reader).softBounce},
		{Name: "delivered", Type: event.Delivered},
		{Name: "open", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "click", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "spam", Type: event.Complained, Detail: (*reader).spam},
		{Name: "unsub", Type: event.Unsubscribed},
		{Name: "reject", Type: event.Dropped, Detail: (*reader).reject},
		{Name: "inbound", Type: event.Received, Detail: (*reader).inbound},
		{Name: "blacklist", Type: event.Suppressed, Detail: (*reader).denied},
		{Name: "denylist", Type: event.Suppressed, Detail: (*reader).denied},
		{Name: "whitelist", Type: event.Unknown, Detail: (*reader).allowed},
		{Name: "allowlist", Type: event.Unknown, Detail: (*reader).allowed},
	}
}

// types is the table; who is taken off the deny list is not suppressed.
func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, row := range table().Types() {
		if row.Type == event.Received {
			row.Direction = event.Inbound
		}
		out = append(out, row)
		if row.Type == event.Suppressed {
			row.Type = event.Unknown
			out = append(out, row)
		}
	}
	return out
}

// parser holds the table by name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{table().ByName()}
	return provider.Reading{Forms: true, Field: field, Item: p.item}
}
