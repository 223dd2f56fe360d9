// Package postal reads the webhooks of Postal, the mail server that one runs oneself.
//
// Pages: https://docs.postalserver.io/developer/webhooks (payloads, retries and
// signature), https://docs.postalserver.io/features/mail-server-settings (why
// messages are held); the words of its own failures are those of its source,
// https://github.com/postalserver/postal, app/lib/message_dequeuer.
//
// One JSON object a request, {event, timestamp, uuid, payload}. What to know:
//   - A webhook of a mail server tells of incoming messages as of outgoing ones, with
//     the same words; message.direction tells them apart. The output of an incoming
//     message may be an HTTP endpoint's, and is no SMTP reply.
//   - MessageDeliveryFailed is a refusal of the remote server, or Postal itself will
//     not send it: the details say which.
//   - MessageHeld is a message that goes nowhere until somebody releases it by hand.
//   - MessageBounced is a mail that came back after the message had been accepted.
//     Postal does not read it: neither class nor reason is known.
//   - The uuid names a request to one webhook: two webhooks of a mail server
//     that call the same source have two for one thing.
package postal

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Postal.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "postal",
		Title:  "Postal",
		Doc:    "https://docs.postalserver.io/developer/webhooks",
		Mapper: 1,
		Auth:   "postal",
		Policy: provider.Policy{
			Again:        []provider.Codes{{From: 100, To: 199}, {From: 300, To: 599}},
			RetryHorizon: 36 * time.Minute,
			Timeout:      5 * time.Second,
			Retries:      "everything but 2xx: after 2, 3, 6, 10 and 15 min, six attempts in all",
		},
		Types:     types(),
		Identity:  "`uuid`",
		MaxEvents: 1,
		New:       provider.WithoutOptions("postal", newParser),
		Samples:   samples,
	}
}

// table maps Postal's events, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		// Accepted by the remote server, not merely handed to the network.
		{Name: "MessageSent", Type: event.Delivered, Detail: (*reader).sent},
		{Name: "MessageDelayed", Type: event.Deferred, Detail: (*reader).delayed},
		{Name: "MessageDeliveryFailed", Type: event.Bounced, Detail: (*reader).failed},
		{Name: "MessageHeld", Type: event.Dropped, Detail: (*reader).held},
		{Name: "MessageBounced", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "MessageLinkClicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "MessageLoaded", Type: event.Opened, Detail: (*reader).engaged},
		// About a domain or a server, not about a message.
		{Name: "DomainDNSError", Type: event.Unknown, Detail: (*reader).domain},
		{Name: "SendLimitApproaching", Type: event.Unknown},
		{Name: "SendLimitExceeded", Type: event.Unknown},
	}
}

// types adds to the table what else its events may be: an incoming message's, and a
// failure that is Postal's own decision.
func types() []provider.TypeInfo {
	const in, out = event.Inbound, event.Outbound
	more := map[string][]provider.TypeInfo{
		"MessageSent":    {{Type: event.Delivered, Direction: in}},
		"MessageDelayed": {{Type: event.Deferred, Direction: in}},
		"MessageDeliveryFailed": {
			{Type: event.Dropped, Direction: out},
			{Type: event.Failed, Direction: out},
			{Type: event.Bounced, Direction: in},
			{Type: event.Dropped, Direction: in},
			{Type: event.Failed, Direction: in},
		},
		"MessageHeld": {{Type: event.Dropped, Direction: in}},
	}
	var rows []provider.TypeInfo
	for _, row := range table().Types() {
		rows = append(rows, row)
		for _, other := range more[row.ProviderType] {
			other.ProviderType = row.ProviderType
			rows = append(rows, other)
		}
	}
	return rows
}

// holds are the reasons for which Postal holds a message, by its words.
func holds() []own {
	return []own{
		{"is on the suppression list", event.Dropped, event.DropSuppressed},
		{"because send limit", event.Dropped, event.DropRateLimit},
		{"placed into quarantine", event.Dropped, event.DropSpam},
		{"Server is in development mode", event.Dropped, event.DropPolicy},
		{"Credential is configured to hold", event.Dropped, event.DropPolicy},
		{"Mail server has been suspended", event.Dropped, event.DropPolicy},
		{"accepted but not sent to any endpoints", event.Dropped, event.DropPolicy},
	}
}

// failures are the reasons for which Postal itself fails a message, by its words.
func failures() []own {
	return []own{
		{"Message is likely spam", event.Dropped, event.DropSpam},
		{"spam score is higher than the failure threshold", event.Dropped, event.DropSpam},
		{"Message is spam and the route specifies", event.Dropped, event.DropSpam},
		{"bounced because the route asks for this", event.Dropped, event.DropPolicy},
		{"This message was a bounce but", event.Dropped, event.DropOther},
		{"Message does not have a route", event.Failed, ""},
		{"Invalid endpoint for route", event.Failed, ""},
		{"Message's domain no longer exist", event.Failed, ""},
		{"Message doesn't have an RCPT to", event.Failed, ""},
		{"Raw message has been removed", event.Failed, ""},
		{"is not valid", event.Failed, ""}, // the scope of the message
	}
}

// own is a decision of Postal itself: the words that tell it, and what it is.
type own struct {
	words string
	typ   event.Type
	drop  event.DropReason // of a dropped one
}

// parser holds the tables.
type parser struct {
	rows            provider.Rows[reader]
	holds, failures []own
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName(), holds: holds(), failures: failures()}
	return provider.Reading{Item: p.item}
}
