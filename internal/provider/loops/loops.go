// Package loops reads the event webhooks of Loops.
//
// Pages: https://loops.so/docs/webhooks (set-up, headers, payloads) and the pages
// below https://loops.so/docs/api-reference/webhooks. Retries are not documented.
//
// One JSON object a request: {eventName, eventTime, webhookSchemaVersion} and objects
// that tell the rest. What to know:
//   - The id of an event is in the header webhook-id only.
//   - No event says why: no reply, no link, no client.
//   - A hard bounce also unsubscribes the contact, which is an event of its own; so
//     does an unsubscription by link, and a deleted contact.
//   - "loop" is what Loops calls a workflow today.
package loops

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Loops.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "loops",
		Title:  "Loops",
		Doc:    "https://loops.so/docs/webhooks",
		Mapper: 1,
		Auth:   "standard_webhooks",
		Policy: provider.Policy{
			Busy:             503,
			SignsEachAttempt: true,
			Retries:          "not documented; any 2xx is success",
		},
		Types:     table().Types(),
		Identity:  "the header `webhook-id`",
		MaxEvents: 1,
		Handshake: "`testing.testEvent` is answered and published nowhere",
		New:       provider.WithoutOptions("loops", newParser),
		Samples:   samples,
	}
}

// table maps the types of Loops, in the order of the page. Its test event is missing:
// it is about nothing.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "contact.created", Type: event.Unknown},
		{Name: "contact.unsubscribed", Type: event.Unsubscribed},
		{Name: "contact.deleted", Type: event.Unknown},
		{Name: "contact.mailingList.subscribed", Type: event.Subscribed},
		{Name: "contact.mailingList.unsubscribed", Type: event.Unsubscribed},
		{Name: "campaign.email.sent", Type: event.Sent},
		{Name: "loop.email.sent", Type: event.Sent},
		{Name: "transactional.email.sent", Type: event.Sent},
		{Name: "email.delivered", Type: event.Delivered},
		{Name: "email.softBounced", Type: event.Bounced, Detail: (*reader).soft},
		{Name: "email.hardBounced", Type: event.Bounced, Detail: (*reader).hard},
		{Name: "email.opened", Type: event.Opened},
		{Name: "email.clicked", Type: event.Clicked},
		{Name: "email.unsubscribed", Type: event.Unsubscribed},
		{Name: "email.resubscribed", Type: event.Subscribed},
		{Name: "email.spamReported", Type: event.Complained},
	}
}

// testEvent is what the button on their settings page sends.
const testEvent = "testing.testEvent"

// parser holds the table by name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName()}
	return provider.Reading{Several: p.item}
}

// reader is one event while it is read.
type reader struct{ event *event.Event }

// soft: "retried multiple times", and the mail may still be delivered.
func (r *reader) soft() {
	r.event.Bounce = &event.Bounce{Class: event.Soft, Category: event.UndeterminedCategory, WillRetry: new(true)}
}

// hard: "the email will not be delivered".
func (r *reader) hard() {
	r.event.Bounce = &event.Bounce{Class: event.Hard, Category: event.UndeterminedCategory, WillRetry: new(false)}
}

// item reads one webhook; the test event is nothing to publish.
func (p *parser) item(o jsondoc.Object, at provider.Place) []provider.Result {
	word := o.String("eventName")
	switch word {
	case "":
		return []provider.Result{{Malformed: provider.MissingType("eventName")}}
	case testEvent:
		return nil
	}
	row := p.rows.Of(word)
	native, sent := at.StandardID()
	e := event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: sent,
		OccurredAt:      provider.TakeTime(o, "eventTime"),
	}
	contact, mail := o.Object("contactIdentity"), o.Object("email")
	e.Recipient = provider.Address(contact.String("email"))
	e.MessageID = mail.String("id")
	e.Subject = mail.Prose("subject")
	if row.Detail != nil {
		row.Detail(&reader{event: &e})
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(o, mail, contact)
	return []provider.Result{{Event: e, NativeID: native}}
}
