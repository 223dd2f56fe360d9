// Package scaleway reads the events of Scaleway Transactional Email, which Scaleway
// Topics and Events delivers in the way of Amazon SNS.
//
// Pages: https://www.scaleway.com/en/docs/transactional-email/reference-content/webhook-events-payloads/
// (payloads and types), https://www.scaleway.com/en/docs/transactional-email/api-cli/use-webhooks-with-sns-topics/
// (set up), https://www.scaleway.com/en/docs/topics-and-events/reference-content/verifying-webhooks/
// (signature), https://www.scaleway.com/en/docs/topics-and-events/reference-content/topics-and-events-support/
// (what of SNS there is) and
// https://www.scaleway.com/en/docs/topics-and-events/how-to/create-manage-subscriptions/ (confirmation).
// No page on the answers it takes for success, and on retries, could be found.
//
// What to know:
//   - The record is the JSON string Message of an SNS envelope; the record is the item.
//   - Signature version 1 alone; raw message delivery does not exist.
//   - "dropped" means definitively rejected by the recipient's server, everyone else's
//     "bounced"; "blocklisted" means that it was not sent.
//   - Spam may have been seen by Scaleway or by the recipient's server; the reply code
//     tells them apart.
//   - The page shows types where values belong; the goldens have values of that type.
package scaleway

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Definition returns what the bridge knows of Scaleway.
func Definition() provider.Definition {
	return provider.Definition{
		ID:        "scaleway",
		Title:     "Scaleway",
		Doc:       "https://www.scaleway.com/en/docs/transactional-email/reference-content/webhook-events-payloads/",
		Mapper:    1,
		Auth:      "sns",
		Policy:    provider.Policy{Busy: 503, Retries: "not documented, beyond \"multiple attempts\"; counts as none"},
		Types:     table().Types(),
		Identity:  "`id`",
		MaxEvents: 1,
		Handshake: "`SubscriptionConfirmation`: its `SubscribeURL` is called, once proof, topic and host hold",
		New:       provider.WithoutOptions("scaleway", newParser),
		Samples:   samples,
	}
}

// table maps Scaleway's types, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "blocklist_created", Type: event.Suppressed, Detail: (*reader).listed},
		{Name: "email_blocklisted", Type: event.Dropped, Detail: (*reader).blocklisted},
		{Name: "email_deferred", Type: event.Deferred, Detail: (*reader).deferred},
		{Name: "email_delivered", Type: event.Delivered},
		{Name: "email_dropped", Type: event.Bounced, Detail: (*reader).dropped},
		{Name: "email_mailbox_not_found", Type: event.Bounced, Detail: (*reader).notFound},
		{Name: "email_queued", Type: event.Queued},
		{Name: "email_spam", Type: event.Bounced, Detail: (*reader).spam},
		{Name: "email_spam", Type: event.Dropped, Detail: (*reader).spam},
		{Name: "unknown_type", Type: event.Unknown},
	}
}

// parser holds the table by name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	return &parser{rows: table().ByName()}
}

// Parse implements provider.Parser.
func (p *parser) Parse(v webhook.Verified) []provider.Result {
	return provider.Reading{Several: p.unwrap}.Read(v.Request())
}

// Handshake implements provider.Handshaker.
func (p *parser) Handshake(v webhook.Verified) (provider.Handshake, bool) {
	return provider.SNSHandshake(v, host)
}

// host is where a topic's subscriptions are confirmed.
func host(partition, region string) string {
	if partition != "scw" {
		return ""
	}
	return "sns.mnq." + region + ".scaleway.com"
}
