// Package ses reads the events of Amazon SES.
//
// Pages: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
// and …-examples.html (event publishing), https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
// (notifications), https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html and
// https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ses.html (EventBridge),
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (envelopes) and
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html (retries).
// The sub-types UnsubscribedRecipient and CustomTimeoutExceeded are read as their names
// say; no page on them could be found.
//
// What to know:
//   - One record, three wrappings: the JSON string Message of an SNS envelope, the record
//     itself (raw message delivery), and detail of an EventBridge event. The record is
//     the item; a dead letter holds it without its wrapping.
//   - Two formats of the record, which differ in the name of the type: eventType and,
//     older, notificationType. The same happening reported in both has two ids.
//   - A record lists the recipients whom a bounce, delivery or delay is about: one event
//     each. Who is listed in a complaint may have complained: of several it is one event
//     that does not say who. For sends, opens, clicks and the rest there is only the list of all
//     recipients of the mail.
//   - A bounce or complaint "on the suppression list" was never sent: it is a drop.
//   - SES posts a plain sentence to a topic when it is set up: no event.
package ses

import (
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Definition returns what the bridge knows of Amazon SES.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "ses",
		Title:  "Amazon SES",
		Doc:    "https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html",
		Mapper: 1,
		Auth:   "sns",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 429, To: 429}, {From: 500, To: 599}},
			RetryHorizon: time.Hour,
			Timeout:      5 * time.Second, // of EventBridge; SNS waits 15 s
			Retries: "SNS: 429, 5xx and timeouts, 3 times 20 s apart by default, within 1 h in all by a delivery policy; " +
				"any other answer discards the message. EventBridge: also 401, 407 and 409, up to 24 h",
		},
		Types:     types(),
		Identity:  "SNS `MessageId`, or EventBridge `id`, and the recipient; without either the content",
		MaxEvents: maxListed,
		Handshake: "SNS `SubscriptionConfirmation`: its `SubscribeURL` is called, once proof, topic and host hold",
		New:       provider.WithoutOptions("ses", newParser),
		Samples:   samples,
	}
}

// row is one type of record.
type row struct {
	name   string
	typ    event.Type
	member string // with what only this type has
	detail func(*reader)
}

// table maps the types of records, in the order of the page; then what EventBridge
// has beyond them, which is about no message.
func table() []row {
	return []row{
		{"Bounce", event.Bounced, "bounce", (*reader).bounced},
		{"Complaint", event.Complained, "complaint", (*reader).complained},
		{"Delivery", event.Delivered, "delivery", (*reader).delivered},
		{"Send", event.Sent, "send", nil},
		{"Reject", event.Dropped, "reject", (*reader).rejected},
		{"Open", event.Opened, "open", (*reader).engaged},
		{"Click", event.Clicked, "click", (*reader).engaged},
		{"Rendering Failure", event.Failed, "failure", (*reader).failed},
		{"DeliveryDelay", event.Deferred, "deliveryDelay", (*reader).delayed},
		{"Subscription", event.Unsubscribed, "subscription", (*reader).subscription},
		{"Advisor Recommendation Status Open", event.Unknown, "", nil},
		{"Advisor Recommendation Status Resolved", event.Unknown, "", nil},
		{"Sending Status Enabled", event.Unknown, "", nil},
		{"Sending Status Disabled", event.Unknown, "", nil},
	}
}

// names maps EventBridge's detail-type to the type of the record in detail, for the
// day on which the record does not say it.
func names() map[string]string {
	return map[string]string{
		"Email Bounced":            "Bounce",
		"Email Complaint Received": "Complaint",
		"Email Delivered":          "Delivery",
		"Email Sent":               "Send",
		"Email Rejected":           "Reject",
		"Email Opened":             "Open",
		"Email Clicked":            "Click",
		"Email Rendering Failed":   "Rendering Failure",
		"Email Delivery Delayed":   "DeliveryDelay",
		"Email Subscribed":         "Subscription",
	}
}

// types has a row for each canonical type that one of SES's may be.
func types() []provider.TypeInfo {
	also := map[string]event.Type{
		"Bounce":       event.Dropped, // on a suppression list
		"Complaint":    event.Dropped, // on the account's
		"Subscription": event.Subscribed,
	}
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.name, Type: r.typ, Direction: event.Outbound})
		if typ, ok := also[r.name]; ok {
			out = append(out, provider.TypeInfo{ProviderType: r.name, Type: typ, Direction: event.Outbound})
		}
	}
	return out
}

// parser holds the tables.
type parser struct {
	rows    map[string]row
	bounces map[string]verdict
	names   map[string]string
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: make(map[string]row), bounces: verdicts(), names: names()}
	for _, r := range table() {
		p.rows[jsondoc.Fold(r.name)] = r
	}
	return p
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
	switch partition {
	case "aws", "aws-us-gov":
		return "sns." + region + ".amazonaws.com"
	case "aws-cn":
		return "sns." + region + ".amazonaws.com.cn"
	}
	return ""
}
