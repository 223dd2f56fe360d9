// Package mailersend reads the webhooks of MailerSend.
//
// Pages: https://developers.mailersend.com/api/v1/account/webhooks (events, the ping,
// signature, retries) and https://developers.mailersend.com/api/v1/sms/webhooks. The
// fields of the older generation are as its page showed them before and as its
// libraries' tests still do.
//
// One JSON object a request, {type, created_at, data}. Two generations:
//   - flat: data.message_id, data.email_id, data.email (the recipient's address),
//     data.meta, which is [] when it is empty and else an object;
//   - nested: data.email is an object with message.id and recipient.email, data.morph
//     an object on what happened.
//
// What to know:
//   - The first open or click comes twice: as opened_unique and as opened.
//   - data.id is the activity's. Other events have the id of what they are about, such as
//     a recipient, which has more than one event: they are identified by their content.
//   - webhook.test asks for nothing but a 2xx: there is no result.
//   - Times without zone are UTC.
package mailersend

import (
	"strings"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of MailerSend.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mailersend",
		Title:  "MailerSend",
		Doc:    "https://developers.mailersend.com/api/v1/account/webhooks",
		Mapper: 1,
		Auth:   "mailersend",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 300, To: 399}, {From: 429, To: 429}, {From: 500, To: 599}},
			RetryHorizon: 3 * 24 * time.Hour,
			Timeout:      3 * time.Second,
			Retries:      "429, 5xx and no answer within 3 s: at growing intervals for about 3 days, then the webhook is paused; any other 4xx discards the event",
		},
		Types:     table().Directed(direction),
		Identity:  "`data.id` of activities; derived for all others",
		MaxEvents: 1,
		Handshake: "`webhook.test`, signed with a public secret, answered 200",
		New:       provider.WithoutOptions("mailersend", newParser),
		Samples:   samples,
	}
}

// table maps MailerSend's events, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "activity.sent", Type: event.Sent},
		{Name: "activity.delivered", Type: event.Delivered},
		{Name: "activity.soft_bounced", Type: event.Bounced, Detail: (*reader).softBounced},
		{Name: "activity.hard_bounced", Type: event.Bounced, Detail: (*reader).hardBounced},
		{Name: "activity.deferred", Type: event.Deferred, Detail: (*reader).failure},
		{Name: "activity.opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "activity.opened_unique", Type: event.Opened, Detail: (*reader).engagedFirst},
		{Name: "activity.clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "activity.clicked_unique", Type: event.Clicked, Detail: (*reader).engagedFirst},
		{Name: "activity.unsubscribed", Type: event.Unsubscribed, Detail: (*reader).reason},
		{Name: "activity.spam_complaint", Type: event.Complained, Detail: (*reader).reason},
		{Name: "activity.suppressed", Type: event.Dropped, Detail: (*reader).suppressed},
		{Name: "activity.survey_opened", Type: event.Unknown},
		{Name: "activity.survey_submitted", Type: event.Unknown},
		{Name: "sender_identity.verified", Type: event.Unknown},
		{Name: "maintenance.start", Type: event.Unknown},
		{Name: "maintenance.end", Type: event.Unknown},
		{Name: "inbound_forward.failed", Type: event.Failed, Detail: (*reader).reason},
		{Name: "inbound_message.rejected", Type: event.Dropped, Detail: (*reader).rejected},
		{Name: "email_single.verified", Type: event.Unknown},
		{Name: "email_list.verified", Type: event.Unknown},
		{Name: "email_list.created", Type: event.Unknown},
		{Name: "bulk_email.completed", Type: event.Unknown},
		{Name: "recipient.on_hold_added", Type: event.Suppressed, Detail: (*reader).reason},
		{Name: "recipient.on_hold_removed", Type: event.Unknown},
		{Name: "sms.sent", Type: event.Unknown},
		{Name: "sms.delivered", Type: event.Unknown},
		{Name: "sms.failed", Type: event.Unknown},
		{Name: "inbound.message", Type: event.Received},
	}
}

// direction: a name that begins with inbound is of a message that came in.
func direction(word string) event.Direction {
	if strings.HasPrefix(word, "inbound") {
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
	return provider.Reading{Several: p.item}
}
