// Package postmark reads the webhooks of Postmark.
//
// Pages: https://postmarkapp.com/developer/webhooks/webhooks-overview and one page for
// each webhook beside it (delivery, bounce, spam-complaint, open-tracking, click,
// subscription-change, smtp-api-error, inbound),
// https://postmarkapp.com/developer/api/bounce-api#bounce-types (the 22 bounce types) and
// https://github.com/ActiveCampaign/postmark-skills (retries, verification, trace id).
//
// One JSON object a request. What to know:
//   - RecordType names the event. A Bounce is one of 22 types, of which half are no
//     bounces at all: an out-of-office reply, an unsubscription, an error of the
//     template.
//   - A change of a subscription says in SuppressSending which way it went, in
//     SuppressionReason why and in Origin who asked for it.
//   - The recipient is Recipient or Email, and the time has another name on each type.
//   - Bounces and complaints have an ID of their own. The other types have none, and
//     MessageID, which their page recommends against duplicates, is that of the message:
//     two opens of it share it. Newer webhooks carry X-PM-Webhook-Trace-Id, which is the
//     same on every retry; without it the content is the identity.
//   - The inbound webhook has no RecordType. It is the mail itself, and read as "Inbound"
//     where it has the FromFull that only it has.
package postmark

import (
	"slices"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Postmark.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "postmark",
		Title:  "Postmark",
		Doc:    "https://postmarkapp.com/developer/webhooks/webhooks-overview",
		Mapper: 1,
		Auth:   "basic",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 300, To: 399}, {From: 408, To: 408}, {From: 429, To: 429}, {From: 500, To: 599}},
			Stops:        []int{403},
			RetryHorizon: 72 * time.Minute,
			Retries:      "408, 429, 5xx and timeouts: 9 times, after 1, 5, 15, 1, 5, 10, 10, 10 and 15 min, 72 min in all; any other 4xx drops the event",
		},
		Types:     types(),
		Identity:  "`ID` of bounces and complaints, else the header `X-PM-Webhook-Trace-Id`, else derived",
		MaxEvents: 1,
		Handshake: "a test of each enabled type, of the type's own form, that wants a 200",
		New:       provider.WithRetryingBounces("postmark", newParser),
		Samples:   samples,
	}
}

// recordInbound is what an inbound mail is called here; it has no RecordType.
const recordInbound = "Inbound"

// table maps the types of RecordType. Those of Bounce and SubscriptionChange are of the
// canonical type that their sub-type says; see bounceTable and change.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "Delivery", Type: event.Delivered, Detail: (*reader).delivery},
		{Name: "Bounce", Type: event.Bounced, Detail: (*reader).bounce},
		{Name: "SpamComplaint", Type: event.Complained, Detail: (*reader).complaint},
		{Name: "Open", Type: event.Opened, Detail: (*reader).open},
		{Name: "Click", Type: event.Clicked, Detail: (*reader).click},
		{Name: "SubscriptionChange", Type: event.Unknown, Detail: (*reader).change},
	}
}

// types is the table with a row for each canonical type that a sub-type may lead to.
func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	add := func(name string, typ event.Type, d event.Direction) {
		row := provider.TypeInfo{ProviderType: name, Type: typ, Direction: d}
		if !slices.Contains(out, row) {
			out = append(out, row)
		}
	}
	for _, r := range table() {
		switch r.Name {
		case "Bounce":
			for _, b := range bounceTable() {
				add(r.Name, b.typ, b.direction())
			}
		case "SubscriptionChange":
			for _, typ := range []event.Type{event.Unsubscribed, event.Suppressed, event.Subscribed} {
				add(r.Name, typ, event.Outbound)
			}
		default:
			add(r.Name, r.Type, event.Outbound)
		}
	}
	add(recordInbound, event.Received, event.Inbound)
	return out
}

// parser holds the tables by name.
type parser struct {
	rows     provider.Rows[reader]
	bounces  map[string]bounceType
	retrying event.Type // type of a transient bounce
}

// newParser makes the parser; retrying is the type of a bounce that is tried again.
func newParser(retrying event.Type) provider.Parser {
	p := &parser{rows: table().ByName(), bounces: make(map[string]bounceType), retrying: retrying}
	for _, b := range bounceTable() {
		p.bounces[b.name] = b
	}
	return provider.Reading{Item: p.item}
}
