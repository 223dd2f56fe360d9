// Package brevo reads the webhooks of Brevo (once Sendinblue), transactional and
// marketing.
//
// Pages: https://developers.brevo.com/docs/transactional-webhooks and
// https://developers.brevo.com/docs/marketing-webhooks (payloads),
// https://developers.brevo.com/docs/batch-webhooks (batches, without their shape),
// https://developers.brevo.com/docs/retry-mechanism (retries) and
// https://developers.brevo.com/docs/username-and-password-authentication.
//
// One JSON object a request or, for a webhook that is "batched", up to 500 events. The
// page does not show a batch: an array is read, and an object with an array "events".
// What to know:
//   - Every 5xx makes Brevo discard the event, and every 4xx but 429.
//   - id is the webhook's. Nothing numbers an event, so its content is its identity.
//   - message-id stands with angle brackets on some types and without on others: the key
//     of the message is what is between them.
//   - ts_epoch is in milliseconds and UTC, ts_event in seconds and UTC. ts and the dates
//     follow the time zone of the account. Some of the page's examples have seconds in
//     ts_epoch: what is no plausible time is left alone.
//   - unique_opened and unique_proxy_open come beside opened and proxy_open for the
//     first of them: it is the same opening, told twice.
//   - A proxy open is an opening by the mail provider's proxy, such as Apple's.
//   - The tags are an array, or a string, or a string with JSON in it.
//   - An event is subscribed to as hardBounce and sent as hard_bounce: the words are
//     compared with case and '_' left out.
//   - The page's examples have trailing commas; such a body is read tolerantly.
package brevo

import (
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Brevo.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "brevo",
		Title:  "Brevo",
		Doc:    "https://developers.brevo.com/docs/transactional-webhooks",
		Mapper: 1,
		Auth:   "basic",
		Policy: provider.Policy{
			Busy:         429,
			Again:        []provider.Codes{{From: 429, To: 429}},
			RetryHorizon: 11*time.Hour + 10*time.Minute,
			Retries:      "429 and no answer: after 10 min, 1 h, 2 h and 8 h; any 5xx, and any other 4xx, discards the event",
		},
		Types:     table().Types(),
		Identity:  "derived",
		MaxEvents: 500,
		New:       provider.WithoutOptions("brevo", newParser),
		Samples:   samples,
	}
}

// table maps Brevo's types, transactional ones first.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "request", Type: event.Queued},
		{Name: "click", Type: event.Clicked, Detail: (*reader).click},
		{Name: "deferred", Type: event.Deferred, Detail: (*reader).reply},
		{Name: "delivered", Type: event.Delivered},
		{Name: "soft_bounce", Type: event.Bounced, Detail: (*reader).softBounce},
		{Name: "spam", Type: event.Complained, Detail: (*reader).spam},
		{Name: "unique_opened", Type: event.Opened, Detail: (*reader).uniqueOpened},
		{Name: "hard_bounce", Type: event.Bounced, Detail: (*reader).hardBounce},
		{Name: "opened", Type: event.Opened, Detail: (*reader).opened},
		{Name: "invalid_email", Type: event.Bounced, Detail: (*reader).invalid},
		{Name: "blocked", Type: event.Dropped, Detail: (*reader).blocked},
		{Name: "error", Type: event.Failed},
		{Name: "unsubscribed", Type: event.Unsubscribed},
		{Name: "proxy_open", Type: event.Opened, Detail: (*reader).proxyOpen},
		{Name: "unique_proxy_open", Type: event.Opened, Detail: (*reader).uniqueProxyOpen},
		// Of marketing only; the others it shares.
		{Name: "unsubscribe", Type: event.Unsubscribed},
		{Name: "list_addition", Type: event.Subscribed},
		{Name: "contact_updated", Type: event.Unknown},
		{Name: "contact_deleted", Type: event.Unknown},
	}
}

// parser holds the table by folded name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{table().Folded()}
	// Other words of Brevo's for the same: where webhooks are created, in its API and in
	// the anchors of the page.
	for alias, name := range map[string]string{
		"sent": "request", "invalid": "invalid_email", "complaint": "spam",
		"unique_click": "click", "open": "opened",
	} {
		p.rows[jsondoc.Fold(alias)] = p.rows[jsondoc.Fold(name)]
	}
	return provider.Reading{Tolerant: true, Within: []string{"events"}, Item: p.item}
}
