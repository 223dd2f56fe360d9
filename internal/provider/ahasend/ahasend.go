// Package ahasend reads the event webhooks of AhaSend, and those of its inbound routes.
//
// Pages: https://ahasend.com/docs/api-reference/webhooks (types, headers), the page of
// each type below it, its retry-policy, and the payloads of webhooks.yaml in
// https://github.com/AhaSend/docs.
//
// One JSON object a request, {type, webhook_id, timestamp, data}. What to know:
//   - webhook_id in the body names the endpoint; the id of the event is the header
//     webhook-id.
//   - "failed" means that the tries ran out; a refusal for good is "bounced", and so
//     is a report that comes after "delivered".
//   - message.reception is sent for inbound mail as well, and does not say so.
//   - Times have nine fraction digits.
package ahasend

import (
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of AhaSend.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "ahasend",
		Title:  "AhaSend",
		Doc:    "https://ahasend.com/docs/api-reference/webhooks",
		Mapper: 1,
		Auth:   "ahasend",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 300, To: 599}},
			RetryHorizon: 979 * time.Second,
			Timeout:      5 * time.Second,
			Retries:      "anything but 2xx: after 1, 16, 81, 256 and 625 s; more than 100 failures in a row disable the webhook",
		},
		Types:     table().Directed(direction),
		Identity:  "the header `webhook-id`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("ahasend", newParser),
		Samples:   samples,
	}
}

// table maps AhaSend's types, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "message.reception", Type: event.Queued},
		{Name: "message.delivered", Type: event.Delivered, Detail: (*reader).delivered},
		{Name: "message.transient_error", Type: event.Deferred, Detail: (*reader).deferred},
		{Name: "message.failed", Type: event.Bounced, Detail: (*reader).failed},
		{Name: "message.bounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "message.suppressed", Type: event.Dropped, Detail: (*reader).suppressed},
		{Name: "message.opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "message.clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "suppression.created", Type: event.Suppressed, Detail: (*reader).reason},
		{Name: "domain.dns_error", Type: event.Unknown},
		{Name: "message.routing", Type: event.Received, Detail: (*reader).routed},
		{Name: "route.message", Type: event.Received, Detail: (*reader).routed}, // its older name
	}
}

// direction: routes are about inbound mail; a reception may be, but does not say so.
func direction(word string) event.Direction {
	if word == "message.routing" || word == "route.message" {
		return event.Inbound
	}
	return event.Outbound
}

// parser holds the tables by name.
type parser struct {
	rows  provider.Rows[reader]
	whyOf map[string]why
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName(), whyOf: classifications()}
	return provider.Reading{Item: p.item}
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       direction(word),
		ProviderType:    word,
		ProviderEventID: at.Request.Header.Get("Webhook-Id"),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
	}
	r := reader{parser: p, data: o.Object("data"), event: e}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(o, r.data, r.attempt)
	return at.HeaderID("Webhook-Id"), nil
}
