// Package smtp2go reads the webhooks of SMTP2GO.
//
// Pages: https://developers.smtp2go.com/docs/webhooks-overview (events, parameters,
// retries), https://developers.smtp2go.com/docs/setup-a-webhook and
// https://support.smtp2go.com/hc/en-gb/articles/223087967-Webhooks (set-up).
//
// One event a request, a form or a JSON object, as the webhook is set up. What to know:
//   - The pages call events open, click, spam, unsubscribe, resubscribe and reject;
//     opened, clicked, spam_complaint, unsubscribed, resubscribed and rejected have
//     been seen. Names of parameters have been seen in other case, too.
//   - Nothing is signed. The id is "the unique id for the webhook", whatever that is,
//     so an event is what it says.
//   - A processed event has recipients, the others have one, rcpt. In a form, several
//     recipients are one text.
//   - The headers of a message that the webhook asks for stand beside the parameters.
//   - A webhook may tell of text messages as well: those are unknown events.
//   - auth may be the API key that sent the message: no more than its beginning is kept.
//   - Which parameter has the link of a click is not said; click_url, url and link
//     have been seen.
package smtp2go

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of SMTP2GO.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "smtp2go",
		Title:  "SMTP2GO",
		Doc:    "https://developers.smtp2go.com/docs/webhooks-overview",
		Mapper: 1,
		Auth:   "token",
		Policy: provider.Policy{
			Again:        []provider.Codes{{From: 300, To: 599}},
			RetryHorizon: 48 * time.Hour,
			Timeout:      10 * time.Second,
			Retries:      "failures: 5 times within 30 min, then hourly, 6-hourly and 12-hourly for a day each; at most 35 times and 48 h",
		},
		Types:     table().Types(),
		Identity:  "derived",
		MaxEvents: 1,
		Forms:     true,
		New:       provider.WithoutOptions("smtp2go", newParser),
		Samples:   samples,
	}
}

// table maps SMTP2GO's events, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "processed", Type: event.Queued},
		{Name: "delivered", Type: event.Delivered, Detail: (*reader).delivered},
		{Name: "open", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "click", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "bounce", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "spam", Type: event.Complained},
		{Name: "unsubscribe", Type: event.Unsubscribed},
		{Name: "resubscribe", Type: event.Subscribed},
		// Never sent: the address is suppressed, the sender not verified, or the
		// credentials are for tests only.
		{Name: "reject", Type: event.Dropped, Detail: (*reader).rejected},
		// Of text messages: no mail.
		{Name: "sms_sending", Type: event.Unknown},
		{Name: "sms_submitted", Type: event.Unknown},
		{Name: "sms_delivered", Type: event.Unknown},
		{Name: "sms_failed", Type: event.Unknown},
		{Name: "sms_rejected", Type: event.Unknown},
		{Name: "opt-out", Type: event.Unknown},
	}
}

// seen are words that are sent where the page has another one.
func seen() map[string]string {
	return map[string]string{
		"opened": "open", "clicked": "click", "spam_complaint": "spam",
		"unsubscribed": "unsubscribe", "resubscribed": "resubscribe", "rejected": "reject",
	}
}

// rejection is words of a reject, in lower case, and what they mean.
type rejection struct {
	words  string
	reason event.DropReason
}

// rejections are the reasons that the page has for a reject. How they are put is
// not said, so the words are the page's own.
func rejections() []rejection {
	return []rejection{
		{"unsubscrib", event.DropUnsubscribed},
		{"spam", event.DropComplained},
		{"complain", event.DropComplained},
		{"bounce", event.DropPreviousBounce},
		{"suppress", event.DropSuppressed},
		{"verified", event.DropPolicy},
		{"sandbox", event.DropPolicy},
	}
}

// parser holds the tables.
type parser struct {
	rows       provider.Rows[reader]
	rejections []rejection
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	rows := table().ByName()
	for word, documented := range seen() {
		rows[word] = rows[documented]
	}
	p := &parser{rows: rows, rejections: rejections()}
	return provider.Reading{Forms: true, Fold: true, Item: p.item}
}
