// Package sweego reads the event webhooks of Sweego.
//
// Pages: https://learn.sweego.io/docs/webhooks/payload, …/email_events,
// …/webhook_signature and …/setup, and the page on inbound routing. The types of SMS
// stand at https://learn.sweego.io/docs/webhooks/sms_events.
//
// One JSON object a request, flat but for headers, open and click. What to know:
//   - Their pages write soft-bounce and hard_bounce: types are compared without either.
//   - Times of opens and clicks may lack a zone; they are in UTC.
//   - The server's reply is the end of the log line in details.
//   - swg_uid is one mail to one recipient; transaction_id is one call of their API.
package sweego

import (
	"cmp"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Sweego.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "sweego",
		Title:  "Sweego",
		Doc:    "https://learn.sweego.io/docs/webhooks/payload",
		Mapper: 1,
		Auth:   "sweego",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 500, To: 599}},
			RetryHorizon: 100 * time.Minute,
			Retries:      "inbound mail, where the destination is unavailable: every 5 min, up to 20 times; their pages say nothing of other events",
		},
		Types:     table().Directed(direction),
		Identity:  "`event_id`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("sweego", newParser),
		Samples:   samples,
	}
}

// inbound is the one type of inbound mail.
const inbound = "email_inbound"

// table maps Sweego's types, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "email_sent", Type: event.Sent},
		{Name: "delivered", Type: event.Delivered},
		{Name: "soft-bounce", Type: event.Bounced, Detail: (*reader).soft},
		{Name: "hard_bounce", Type: event.Bounced, Detail: (*reader).hard},
		{Name: "list_unsub", Type: event.Unsubscribed},
		{Name: "complaint", Type: event.Complained},
		{Name: "email_clicked", Type: event.Clicked, Detail: (*reader).clicked},
		{Name: "email_opened", Type: event.Opened, Detail: (*reader).opened},
		{Name: inbound, Type: event.Received, Detail: (*reader).received},
		// No mail.
		{Name: "sms_sent", Type: event.Unknown},
		{Name: "sms_undelivered", Type: event.Unknown},
		{Name: "sms_stop", Type: event.Unknown},
		{Name: "sms_clicked", Type: event.Unknown},
	}
}

func direction(word string) event.Direction {
	if jsondoc.Fold(word) == jsondoc.Fold(inbound) {
		return event.Inbound
	}
	return event.Outbound
}

// parser holds the table by folded name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().Folded()}
	return provider.Reading{Item: p.item}
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event_type")
	if word == "" {
		return "", provider.MissingType("event_type")
	}
	row := p.rows.Of(jsondoc.Fold(word))
	id := o.String("event_id")
	*e = event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       direction(word),
		ProviderType:    word,
		ProviderEventID: cmp.Or(id, at.Request.Header.Get("Webhook-Id")),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = provider.TakeTimeAs(o, "timestamp", "2006-01-02T15:04:05")
	}
	r := reader{data: o, event: e, objects: []jsondoc.Object{o}}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(r.objects...)
	return cmp.Or(id, at.HeaderID("Webhook-Id")), nil
}
