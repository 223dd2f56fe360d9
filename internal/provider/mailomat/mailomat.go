// Package mailomat reads the event webhooks of Mailomat.
//
// Mailomat documents them at https://api.mailomat.swiss/docs/#tag/webhook, which could
// not be read for this package. What is here follows the bridge for Mailomat in
// Symfony, https://github.com/symfony/mailomat-mailer (its types, its test payloads
// and its signature); no payload is known of failure_tmp, which is read as failure_perm is.
//
// One JSON object a request, {id, eventType, occurredAt, messageUuid, messageId,
// recipient, payload}, where payload tells the same once more and in detail. What to know:
//   - The signature covers headers only: whoever has one request can send any body.
//   - Reasons that a message was not accepted are free text.
package mailomat

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Mailomat.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mailomat",
		Title:  "Mailomat",
		Doc:    "https://api.mailomat.swiss/docs/#tag/webhook",
		Mapper: 1,
		Auth:   "mailomat",
		Policy: provider.Policy{
			Busy:    503,
			Retries: "not documented where we could read it",
		},
		Types:     table().Types(),
		Identity:  "`id`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("mailomat", newParser),
		Samples:   samples,
	}
}

// table maps Mailomat's types.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "accepted", Type: event.Queued},
		{Name: "not_accepted", Type: event.Dropped, Detail: (*reader).dropped},
		{Name: "delivered", Type: event.Delivered},
		{Name: "failure_tmp", Type: event.Deferred, Detail: (*reader).said},
		{Name: "failure_perm", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "clicked", Type: event.Clicked, Detail: (*reader).engaged},
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

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("eventType")
	if word == "" {
		return "", provider.MissingType("eventType")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: o.String("id"),
		OccurredAt:      provider.TakeTime(o, "occurredAt"),
		MessageID:       o.String("messageUuid"),
		SMTPMessageID:   provider.SMTPMessageID(o.String("messageId")),
		Recipient:       provider.Address(o.String("recipient")),
	}
	if e.MessageID == "" {
		e.MessageID = e.SMTPMessageID
	}
	r := reader{payload: o.Object("payload"), event: e, objects: []jsondoc.Object{o}}
	r.objects = append(r.objects, r.payload)
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

// dropReason tells from the words why a message was not accepted. One text is known:
// "Not enough remaining emails available to send …".
func dropReason(words string) event.DropReason {
	if strings.Contains(strings.ToLower(words), "remaining emails") {
		return event.DropRateLimit
	}
	return event.DropOther
}
