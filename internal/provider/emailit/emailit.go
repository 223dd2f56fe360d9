// Package emailit reads the event webhooks of Emailit.
//
// Pages: https://emailit.com/docs/webhooks/event-types,
// https://emailit.com/docs/webhooks/events/email (payloads),
// https://emailit.com/docs/webhooks/webhook-requests,
// https://emailit.com/docs/webhooks/retries-and-failures; what each event has, and what
// a status means, is told by https://github.com/emailit/plugins (skills). The types of
// https://emailit.com/docs come to those that its packages list.
//
// A JSON array of 1 to 100 events, {event_id, type, object, data: {object}}. What to know:
//   - The object is there twice; older webhooks have it in data only.
//   - A mail has one recipient and one id; an open or a click has an id of its own and
//     the mail's beside it.
//   - bounced has no reply; the tries before it, attempted, have.
//   - All of a request is sent again if it is refused.
//   - Older webhooks (https://docs.emailit.com/webhooks/event-types) have one event a
//     request, its object beside it without data, and email.delivery.… for what became
//     of a mail, whose id is a number.
package emailit

import (
	"bytes"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Emailit.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "emailit",
		Title:  "Emailit",
		Doc:    "https://emailit.com/docs/webhooks/event-types",
		Mapper: 1,
		Auth:   "emailit",
		Policy: provider.Policy{
			Busy:             503,
			Again:            []provider.Codes{{From: 300, To: 599}},
			RetryHorizon:     79*time.Hour + 35*time.Minute,
			Timeout:          30 * time.Second,
			SignsEachAttempt: true,
			Retries:          "anything but 2xx: after 5 min, 30 min, 2 h, 5 h and six times 12 h, one request at a time; then the endpoint is disabled",
		},
		Types:     table().Directed(direction),
		Identity:  "`event_id`",
		MaxEvents: 100,
		New:       provider.WithoutOptions("emailit", newParser),
		Samples:   samples,
	}
}

// received is the one type of inbound mail.
const received = "email.received"

// table maps Emailit's types, in the order of the page.
func table() provider.Table[reader] {
	mails := provider.Table[reader]{
		{Name: "email.accepted", Type: event.Queued},
		{Name: "email.scheduled", Type: event.Queued},
		{Name: "email.delivered", Type: event.Delivered},
		{Name: "email.attempted", Type: event.Deferred},
		{Name: "email.bounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "email.failed", Type: event.Failed},
		{Name: "email.rejected", Type: event.Dropped, Detail: (*reader).rejected},
		{Name: "email.suppressed", Type: event.Dropped, Detail: (*reader).suppressed},
		{Name: "email.canceled", Type: event.Dropped, Detail: (*reader).stopped},
		{Name: "email.held", Type: event.Dropped, Detail: (*reader).stopped},
		{Name: "email.complained", Type: event.Complained},
		{Name: "email.loaded", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "email.clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "email.unsubscribed", Type: event.Unsubscribed},
		{Name: "email.resubscribed", Type: event.Subscribed},
		{Name: received, Type: event.Received},
		// Those of the older webhooks.
		{Name: "email.delivery.sent", Type: event.Sent},
		{Name: "email.delivery.hardfail", Type: event.Bounced, Detail: (*reader).hardFailed},
		{Name: "email.delivery.softfail", Type: event.Deferred, Detail: (*reader).told},
		{Name: "email.delivery.bounce", Type: event.Bounced, Detail: (*reader).returned},
		{Name: "email.delivery.error", Type: event.Deferred, Detail: (*reader).told},
		{Name: "email.delivery.held", Type: event.Dropped, Detail: (*reader).heldBack},
		{Name: "email.delivery.delayed", Type: event.Deferred, Detail: (*reader).told},
		{Name: "suppression.created", Type: event.Suppressed, Detail: (*reader).listed},
		{Name: "suppression.updated", Type: event.Unknown, Detail: (*reader).listed},
		{Name: "suppression.deleted", Type: event.Unknown, Detail: (*reader).listed},
		{Name: "subscriber.resubscribed", Type: event.Subscribed},
	}
	for _, name := range resources() {
		mails = append(mails, provider.Row[reader]{Name: name, Type: event.Unknown})
	}
	return mails
}

// resources are the types that are about no mail and no recipient's choice.
func resources() []string {
	return []string{
		"subscriber.created", "subscriber.updated", "subscriber.deleted",
		"contact.created", "contact.updated", "contact.deleted",
		"audience.created", "audience.updated", "audience.deleted",
		"domain.created", "domain.updated", "domain.deleted",
		"template.created", "template.updated", "template.deleted",
		"email_verification.created", "email_verification.updated", "email_verification.deleted",
		"email_verification_list.created", "email_verification_list.updated", "email_verification_list.deleted",
		"campaign.created", "campaign.updated", "campaign.deleted", "campaign.scheduled", "campaign.queued",
		"campaign.sending", "campaign.testing", "campaign.sent", "campaign.canceled", "campaign.archived",
		"cart.updated", "product.viewed",
	}
}

func direction(word string) event.Direction {
	if word == received {
		return event.Inbound
	}
	return event.Outbound
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

// item reads one event of the batch.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
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
		ProviderEventID: o.String("event_id"),
	}
	r := reader{event: e, objects: []jsondoc.Object{o}}
	r.find(o)
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(r.objects...)
	return e.ProviderEventID, nil
}

// find finds what the event is about: data.object, or else object. Where the two are
// one, the outer copy is left out.
func (r *reader) find(o jsondoc.Object) {
	data := o.Object("data")
	outer, ok := o.Member("object")
	if inner, twice := data.Member("object"); !twice || inner.Kind() != '{' {
		r.data = o.Object("object")
	} else {
		if ok && bytes.Equal(inner.AppendCanonical(nil), outer.AppendCanonical(nil)) {
			o.Object("object")
		}
		r.data = data.Object("object")
	}
	r.objects = append(r.objects, data, r.data)
}
