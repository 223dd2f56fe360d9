// Package customerio reads the reporting webhooks of Customer.io.
//
// Pages: https://docs.customer.io/integrations/api/webhooks/ (events and payloads,
// time limit and retries) and
// https://docs.customer.io/integrations/data-out/connections/webhooks (set-up).
//
// One JSON object a request, {event_id, object_type, metric, timestamp, data}. What to
// know:
//   - The type is two fields. The page calls the two together email_sent,
//     email_opened, …, and so does this package; the first payloads had such a name in
//     event_type and are read, too.
//   - Other objects than email (sms, push, in_app, slack, webhook) come to the same
//     address. They are no mail: unknown, whatever their metric. A customer who
//     unsubscribed from all messages, or came back, did so from mail as well.
//   - email_undeliverable is among the events of the API that makes webhooks
//     (https://docs.customer.io/integrations/api/app/), where no page describes it.
//   - sent means handed to the delivery provider, attempted that this will be tried
//     again, failed that it will not.
package customerio

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Customer.io.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "customerio",
		Title:  "Customer.io",
		Doc:    "https://docs.customer.io/integrations/api/webhooks/",
		Mapper: 1,
		Auth:   "customerio",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 300, To: 599}},
			RetryHorizon: 7 * 24 * time.Hour,
			Timeout:      4 * time.Second,
			Retries:      "whatever is not 2xx within 4 s: at growing intervals for 7 days, the first after an hour for an error; later events wait for it",
		},
		Types:     table().Types(),
		Identity:  "`event_id`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("customerio", newParser),
		Samples:   samples,
	}
}

// table maps the events of e-mail, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "email_attempted", Type: event.Deferred, Detail: (*reader).failure},
		{Name: "email_bounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "email_clicked", Type: event.Clicked, Detail: (*reader).engaged},
		// Not about delivery: the person did what the campaign was for.
		{Name: "email_converted", Type: event.Unknown},
		{Name: "email_deferred", Type: event.Deferred, Detail: (*reader).failure},
		{Name: "email_delivered", Type: event.Delivered},
		// A draft is not on its way yet.
		{Name: "email_drafted", Type: event.Unknown},
		// The person is on the suppression list.
		{Name: "email_dropped", Type: event.Dropped, Detail: (*reader).dropped},
		{Name: "email_failed", Type: event.Failed, Detail: (*reader).failure},
		{Name: "email_opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "email_sent", Type: event.Sent},
		{Name: "email_spammed", Type: event.Complained},
		// Given up before it was handed over.
		{Name: "email_undeliverable", Type: event.Dropped, Detail: (*reader).undeliverable},
		{Name: "email_unsubscribed", Type: event.Unsubscribed},
		{Name: "customer_subscribed", Type: event.Subscribed},
		{Name: "customer_unsubscribed", Type: event.Unsubscribed},
		// To some topics, which the data names: no choice about all mail.
		{Name: "customer_subscription_preferences_changed", Type: event.Unknown},
	}
}

// parser holds the table by name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName()}
	return provider.Reading{Item: p.item}
}
