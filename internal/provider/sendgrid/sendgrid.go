// Package sendgrid reads the Event Webhook of Twilio SendGrid.
//
// Pages: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
// (events and fields; its source was public as sendgrid/docs on GitHub),
// …/tracking-events/troubleshooting (retries, duplicates),
// …/tracking-events/getting-started-event-webhook (batches),
// https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-bounces-by-specific-classification
// (bounce classifications) and
// https://www.twilio.com/docs/sendgrid/glossary/x-message-id.
//
// An array of flat objects. What to know:
//   - Unique and custom arguments are merged into the object: a name that the event
//     itself does not have may be the sender's. Therefore only the fields that the
//     page lists for an event are read; all others are metadata.
//   - sg_message_id is the X-Message-ID that the sender got from the API, then the
//     server that took the message ("filter…", "recvd-…") and a number of the
//     recipient. The first part is what all events of a message share.
//   - A bounce is final: SendGrid tries for 72 hours with deferred events first.
//   - Delivery events have an ip, too: that of SendGrid's own server.
package sendgrid

import (
	"maps"
	"sync"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of SendGrid.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "sendgrid",
		Title:  "SendGrid",
		Doc:    "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event",
		Mapper: 1,
		Auth:   "sendgrid",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 300, To: 599}},
			RetryHorizon: 24 * time.Hour,
			Timeout:      10 * time.Second,
			Retries:      "whatever is not 2xx: at increasing intervals for up to 24 h after the event",
		},
		Types:    table().Types(),
		Identity: "`sg_event_id`",
		New:      provider.WithoutOptions("sendgrid", newParser),
		Samples:  samples,
	}
}

// table maps SendGrid's events, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "bounce", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "delivered", Type: event.Delivered, Detail: (*reader).responded},
		{Name: "deferred", Type: event.Deferred, Detail: (*reader).deferred},
		{Name: "dropped", Type: event.Dropped, Detail: (*reader).dropped},
		{Name: "processed", Type: event.Queued},
		{Name: "click", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "open", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "spamreport", Type: event.Complained},
		{Name: "unsubscribe", Type: event.Unsubscribed},
		{Name: "group_unsubscribe", Type: event.Unsubscribed},
		{Name: "group_resubscribe", Type: event.Subscribed},
		// Not about a message: SendGrid suspended or closed the account.
		{Name: "account_status_change", Type: event.Unknown, Detail: (*reader).account},
	}
}

// parser holds the tables by name; rows by the folded name, too: the page's examples
// have "Processed", and its words "group unsubscribe".
type parser struct {
	rows            provider.Rows[reader]
	classifications map[string]event.BounceCategory
	drops           map[string]event.DropReason
	readers         sync.Pool // of *reader, one of which nearly every event needs
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	rows := table().ByName()
	maps.Copy(rows, table().Folded())
	p := &parser{rows: rows, classifications: classifications(), drops: drops()}
	p.readers.New = func() any { return new(reader) }
	return provider.Reading{Item: p.item}
}
