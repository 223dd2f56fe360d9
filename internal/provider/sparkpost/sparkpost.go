// Package sparkpost reads the event webhooks of SparkPost, which is Bird's Email API
// too: the same wire format.
//
// Pages: https://developers.sparkpost.com/api/webhooks/ (events, retries, the test
// post), https://docs.bird.com/api/email-api/webhooks (the same at Bird),
// https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
// (bounce classes), https://support.sparkpost.com/docs/tech-resources/webhook-event-reference
// and https://api.sparkpost.com/api/v1/webhooks/events/documentation (fields).
//
// A JSON array a request, of {"msys": {"<class>": {…event…}}}. What to know:
//   - {"msys": {}} is the test post of a new webhook: no event.
//   - Numbers are strings: the timestamp, codes and counts.
//   - A bounce class may say that it was no bounce at all: a machine answered (60,
//     100), or the mail was a request to subscribe (80) or unsubscribe (90).
//   - open and initial_open are two pixels of one mail, at its bottom and its top, so
//     one opening may be two events. Neither is said to be the first opening.
//   - relay_… events are about mail that came in; mail itself (relay_message) belongs
//     to relay webhooks, which this package does not read.
//   - Nothing is signed; the webhook sends credentials.
package sparkpost

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of SparkPost.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "sparkpost",
		Title:  "SparkPost",
		Doc:    "https://developers.sparkpost.com/api/webhooks/",
		Mapper: 1,
		Auth:   "basic",
		Policy: provider.Policy{
			Busy:         503,
			Again:        []provider.Codes{{From: 201, To: 599}},
			RetryHorizon: 8 * time.Hour,
			Timeout:      10 * time.Second,
			Retries:      "anything but 200: 12 attempts in all within 8 h, further and further apart; always the whole batch",
		},
		Types:     types(),
		Identity:  "`event_id` and the type",
		Handshake: "a test post of `[{\"msys\":{}}]` when the webhook is created or its target changes, which must get 200",
		New:       provider.WithoutOptions("sparkpost", newParser),
		Samples:   samples,
	}
}

// row is one event type: what it is called here, which way the mail went, and what
// it has beyond the fields that all types share.
type row struct {
	name      string
	typ       event.Type
	direction event.Direction
	detail    func(*reader)
}

// table maps SparkPost's types by class, in the order of the fields' documentation.
func table() []row {
	const out, in = event.Outbound, event.Inbound
	return []row{
		// message_event
		{"bounce", event.Bounced, out, (*reader).bounced},
		{"delivery", event.Delivered, out, (*reader).delivered},
		{"injection", event.Queued, out, nil},
		{"sms_status", event.Unknown, out, nil}, // no mail
		{"spam_complaint", event.Complained, out, (*reader).complained},
		{"out_of_band", event.Bounced, out, (*reader).bounced},
		{"policy_rejection", event.Dropped, out, (*reader).dropped},
		{"delay", event.Deferred, out, (*reader).refusal},
		// track_event
		{"click", event.Clicked, out, (*reader).engaged},
		{"open", event.Opened, out, (*reader).engaged},
		{"initial_open", event.Opened, out, (*reader).engaged},
		{"amp_click", event.Clicked, out, (*reader).engaged},
		{"amp_open", event.Opened, out, (*reader).engaged},
		{"amp_initial_open", event.Opened, out, (*reader).engaged},
		// gen_event
		{"generation_failure", event.Failed, out, (*reader).because},
		{"generation_rejection", event.Dropped, out, (*reader).dropped},
		// unsubscribe_event
		{"list_unsubscribe", event.Unsubscribed, out, nil},
		{"link_unsubscribe", event.Unsubscribed, out, nil},
		// relay_event: the remote of delivery, tempfail and permfail is a webhook's
		// endpoint, which is who inbound mail is delivered to.
		{"relay_injection", event.Received, in, nil},
		{"relay_rejection", event.Dropped, in, (*reader).dropped},
		{"relay_delivery", event.Delivered, in, nil},
		{"relay_tempfail", event.Deferred, in, (*reader).because},
		{"relay_permfail", event.Failed, in, (*reader).because},
		// ab_test_event and ingest_event: about no message.
		{"ab_test_completed", event.Unknown, out, nil},
		{"ab_test_cancelled", event.Unknown, out, nil},
		{"success", event.Unknown, out, nil},
		{"error", event.Unknown, out, nil},
	}
}

// classes are the names that an event goes by within msys.
func classes() []string {
	return []string{
		"message_event", "track_event", "gen_event", "unsubscribe_event",
		"relay_event", "ab_test_event", "ingest_event",
	}
}

// types has a row for each canonical type that one of SparkPost's may be: what comes
// back as a bounce may be something else, by its class.
func types() []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range table() {
		out = append(out, provider.TypeInfo{ProviderType: r.name, Type: r.typ, Direction: r.direction})
		if r.typ != event.Bounced {
			continue
		}
		for _, typ := range []event.Type{event.Autoresponded, event.Subscribed, event.Unsubscribed} {
			out = append(out, provider.TypeInfo{ProviderType: r.name, Type: typ, Direction: r.direction})
		}
	}
	return out
}

// parser holds the tables by name.
type parser struct {
	rows    map[string]row
	bounces map[string]bounceClass
	classes []string
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: make(map[string]row), bounces: bounceClasses(), classes: classes()}
	for _, r := range table() {
		p.rows[r.name] = r
	}
	return provider.Reading{Several: p.item}
}
