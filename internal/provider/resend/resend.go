// Package resend reads the event webhooks of Resend.
//
// Pages: https://resend.com/docs/webhooks/event-types and the page of each type
// below it (payloads), https://resend.com/docs/webhooks/retries-and-replays,
// https://resend.com/docs/dashboard/emails/email-bounces (bounce types and
// sub-types). The types of inboxes, and how tags are written, are those of Resend's
// own library, https://github.com/resend/resend-node (src/webhooks/interfaces).
//
// One JSON object a request, {type, created_at, data}. What to know:
//   - The id of an event is in the header svix-id only; a replay by hand repeats it.
//   - The event's time is the outer created_at; data.created_at is the mail's.
//   - A mail to several recipients has events that do not say whose they are.
//   - A bounce of an address on a suppression list was never handed over.
package resend

import (
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Resend.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "resend",
		Title:  "Resend",
		Doc:    "https://resend.com/docs/webhooks/event-types",
		Mapper: 1,
		Auth:   "standard_webhooks",
		Policy: provider.Policy{
			Busy:             503,
			Again:            []provider.Codes{{From: 300, To: 599}},
			RetryHorizon:     27*time.Hour + 35*time.Minute + 5*time.Second,
			SignsEachAttempt: true,
			Retries:          "anything but 2xx: after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h; an endpoint that goes on failing is disabled",
		},
		Types:     types(),
		Identity:  "the header `svix-id`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("resend", newParser),
		Samples:   samples,
	}
}

// table maps Resend's types.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "email.sent", Type: event.Sent},
		{Name: "email.scheduled", Type: event.Queued},
		{Name: "email.delivered", Type: event.Delivered},
		{Name: "email.delivery_delayed", Type: event.Deferred},
		{Name: "email.bounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "email.complained", Type: event.Complained},
		{Name: "email.opened", Type: event.Opened},
		{Name: "email.clicked", Type: event.Clicked, Detail: (*reader).clicked},
		{Name: "email.failed", Type: event.Failed, Detail: (*reader).failed},
		{Name: "email.suppressed", Type: event.Dropped, Detail: (*reader).suppressed},
		{Name: received, Type: event.Received},
		{Name: "suppression.added", Type: event.Suppressed, Detail: (*reader).listed},
		{Name: "suppression.removed", Type: event.Unknown, Detail: (*reader).listed},
		{Name: "contact.created", Type: event.Unknown, Detail: (*reader).address},
		{Name: "contact.updated", Type: event.Unknown, Detail: (*reader).address},
		{Name: "contact.deleted", Type: event.Unknown, Detail: (*reader).address},
		{Name: "domain.created", Type: event.Unknown},
		{Name: "domain.updated", Type: event.Unknown},
		{Name: "domain.deleted", Type: event.Unknown},
		// Shared inboxes: what happens to threads and drafts in them.
		{Name: "inbox.created", Type: event.Unknown},
		{Name: "inbox.updated", Type: event.Unknown},
		{Name: "inbox.deleted", Type: event.Unknown},
		{Name: "inbox.thread.created", Type: event.Unknown},
		{Name: "inbox.thread.folder.updated", Type: event.Unknown},
		{Name: "inbox.thread.assigned", Type: event.Unknown},
		{Name: "inbox.thread.unassigned", Type: event.Unknown},
		{Name: "inbox.thread.labels.updated", Type: event.Unknown},
		{Name: "inbox.email.received", Type: event.Unknown},
		{Name: "inbox.email.sent", Type: event.Unknown},
		{Name: "inbox.draft.created", Type: event.Unknown},
		{Name: "inbox.draft.updated", Type: event.Unknown},
		{Name: "inbox.draft.sent", Type: event.Unknown},
		{Name: "inbox.draft.deleted", Type: event.Unknown},
	}
}

// received is the one type of inbound mail.
const received = "email.received"

func direction(word string) event.Direction {
	if word == received {
		return event.Inbound
	}
	return event.Outbound
}

func types() []provider.TypeInfo {
	out := table().Types()
	for i := range out {
		out[i].Direction = direction(out[i].ProviderType)
	}
	// A bounce of an address on a suppression list.
	return append(out, provider.TypeInfo{ProviderType: "email.bounced", Type: event.Dropped, Direction: event.Outbound})
}

// parser holds the tables by name.
type parser struct {
	rows     provider.Rows[reader]
	classes  map[string]event.BounceClass
	subTypes map[subKey]subType
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName(), classes: classes(), subTypes: subTypes()}
	return provider.Reading{Item: p.item}
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row := p.rows.Of(word)
	native, sent := at.StandardID()
	*e = event.Event{
		Type:            row.Type,
		Direction:       direction(word),
		ProviderType:    word,
		ProviderEventID: sent,
		OccurredAt:      provider.TakeTime(o, "created_at"),
	}
	r := reader{parser: p, data: o.Object("data"), event: e}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(append([]jsondoc.Object{o, r.data}, r.inner...)...)
	return native, nil
}
