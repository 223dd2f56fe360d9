// Package azure reads the email events of Azure Communication Services, which Azure
// Event Grid delivers.
//
// Pages: https://learn.microsoft.com/azure/event-grid/communication-services-email-events
// (payloads), https://learn.microsoft.com/javascript/api/@azure/eventgrid/acsemaildeliveryreportstatus
// (statuses), https://learn.microsoft.com/azure/event-grid/cloud-event-schema (the other
// schema), https://learn.microsoft.com/azure/event-grid/delivery-and-retry (answers, retries,
// batches) and https://learn.microsoft.com/azure/event-grid/webhook-event-delivery (validation).
//
// What to know:
//   - Two schemas of the same data: Event Grid's (eventType, eventTime, topic) in an array,
//     and CloudEvents 1.0 (type, time, source) alone or in an array. Binary mode, with
//     headers for attributes, is documented for other deliveries of Event Grid only.
//   - What became of a mail is the status in data, not the event's type.
//   - An engagement names no recipient.
//   - The pages spell a name deliveryAttemptTimeStamp, the SDKs deliveryAttemptTimestamp:
//     letters are compared without their case.
//   - 400, 401, 403 and 413 end the delivery at once. Bad proof is therefore answered 429.
package azure

import (
	"bytes"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// The event types.
const (
	deliveryReport   = "Microsoft.Communication.EmailDeliveryReportReceived"
	engagementReport = "Microsoft.Communication.EmailEngagementTrackingReportReceived"
	validation       = "Microsoft.EventGrid.SubscriptionValidationEvent"
	deletion         = "Microsoft.EventGrid.SubscriptionDeletedEvent"
)

// Definition returns what the bridge knows of Azure Communication Services.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "azure",
		Title:  "Azure Communication Services",
		Doc:    "https://learn.microsoft.com/azure/event-grid/communication-services-email-events",
		Mapper: 1,
		Auth:   "token",
		Policy: provider.Policy{
			Busy:         503,
			Refused:      429,
			Again:        []provider.Codes{{From: 205, To: 399}, {From: 402, To: 402}, {From: 404, To: 412}, {From: 414, To: 599}},
			Stops:        []int{400, 401, 403, 413},
			RetryHorizon: 24 * time.Hour,
			Timeout:      30 * time.Second,
			Retries: "anything but 200 to 204: after 10 s, 30 s, 1, 5, 10 and 30 min, 1, 3, 6 and 12 h, up to 24 h; " +
				"400, 401, 403 and 413 are dead-lettered or dropped at once",
		},
		Types:     types(),
		Identity:  "`id`",
		MaxEvents: 5000,
		Handshake: "a `SubscriptionValidationEvent` is answered with its code, and `OPTIONS` with `WebHook-Allowed-Origin` (CloudEvents)",
		Probes:    []string{"OPTIONS"},
		New:       provider.WithoutOptions("azure", newParser),
		Samples:   samples,
	}
}

// row is a status of a delivery report, or a type of engagement.
type row struct {
	typ      string // of event
	word     string
	is       event.Type
	class    event.BounceClass    // of a bounce
	category event.BounceCategory // of a bounce; "" where the reply says it
}

// table maps both types by the word that decides.
func table() []row {
	return []row{
		{deliveryReport, "Delivered", event.Delivered, "", ""},
		{deliveryReport, "Expanded", event.Sent, "", ""}, // a list became its members
		{deliveryReport, "Failed", event.Failed, "", ""},
		{deliveryReport, "Bounced", event.Bounced, event.Hard, ""}, // "hard bounce detected"
		{deliveryReport, "Suppressed", event.Dropped, "", ""},
		// About this mail, not about the mailbox.
		{deliveryReport, "FilteredSpam", event.Bounced, event.Soft, event.SpamContent},
		{deliveryReport, "Quarantined", event.Bounced, event.Soft, event.SpamContent},
		{engagementReport, "view", event.Opened, "", ""},
		{engagementReport, "click", event.Clicked, "", ""},
	}
}

// types has a row for each canonical type that one of Azure's may be.
func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	seen := make(map[event.Type]bool)
	for _, r := range table() {
		if !seen[r.is] {
			out = append(out, provider.TypeInfo{ProviderType: r.typ, Type: r.is, Direction: event.Outbound})
		}
		seen[r.is] = true
	}
	return out
}

// parser holds the table by type and word, both folded.
type parser struct{ rows map[string]row }

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: make(map[string]row)}
	for _, r := range table() {
		p.rows[r.typ+" "+jsondoc.Fold(r.word)] = r
	}
	return p
}

// Parse implements provider.Parser.
func (p *parser) Parse(v webhook.Verified) []provider.Result {
	return provider.Reading{Fold: true, Several: p.item}.Read(v.Request())
}

// Handshake implements provider.Handshaker: a new subscription of the Event Grid schema
// wants its code back. Its validationUrl, which would do as well, is not called.
func (p *parser) Handshake(v webhook.Verified) (provider.Handshake, bool) {
	body := v.Request().Body
	if !bytes.Contains(body, []byte(validation)) {
		return provider.Handshake{}, false
	}
	doc, err := jsondoc.Parse(body)
	if err != nil {
		return provider.Handshake{}, false
	}
	defer doc.Release()
	item := doc.Root()
	for _, first := range doc.Root().Items() {
		item = first
		break
	}
	o, _ := item.Object(true)
	code := o.Object("data").String("validationCode")
	if word(o) != validation || code == "" {
		return provider.Handshake{}, false
	}
	reply := append(event.AppendString([]byte(`{"validationResponse":`), code), '}')
	return provider.Handshake{Kind: "subscription_validation", Reply: reply, ContentType: "application/json"}, true
}
