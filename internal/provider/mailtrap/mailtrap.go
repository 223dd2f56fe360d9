// Package mailtrap reads the webhooks of Mailtrap.
//
// Pages, public as mailtrap/mailtrap-docs on GitHub:
// documentation/email-api-smtp/webhooks.md (set-up, batches, retries, activity log),
// …/analytics/statuses-and-events.md (what the events mean), …/bounce-categorization.md
// (bounce categories) and api-docs/webhooks/overview.md (fields, the form).
//
// {"events": […]} with up to 500 events, JSON Lines, or (of old) a form with the fields
// of one event. What to know:
//   - A soft bounce (spelled with a space) is tried ten more times.
//   - A suspension is a deferral: it waits for the sender's domain to be verified.
//   - bounce is final.
//   - The activity log of an account comes to an endpoint of the same kind, its
//     events (activity_log.…) without an id: unknown, identified by what they say.
package mailtrap

import (
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Mailtrap.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "mailtrap",
		Title:  "Mailtrap",
		Doc:    "https://docs.mailtrap.io/email-api-smtp/webhooks",
		Mapper: 1,
		Auth:   "mailtrap",
		Policy: provider.Policy{
			Accepted:     200,
			Busy:         503,
			Again:        []provider.Codes{{From: 201, To: 599}},
			RetryHorizon: 40 * 5 * time.Minute,
			Timeout:      30 * time.Second,
			Retries:      "whatever is not 200: every 5 min, 40 times; then the webhook is paused until someone resumes it",
		},
		Types:     table().Types(),
		Identity:  "`event_id`",
		MaxEvents: 500,
		Forms:     true,
		Lines:     true,
		New:       provider.WithRetryingBounces("mailtrap", newParser),
		Samples:   samples,
	}
}

// table maps Mailtrap's events, in the order of the page. Names are compared folded:
// its pages write "soft bounce", "soft_bounce" and "Soft Bounce".
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "delivery", Type: event.Delivered, Detail: (*reader).responded},
		{Name: "bounce", Type: event.Bounced, Detail: (*reader).bounced},
		{Name: "unsubscribe", Type: event.Unsubscribed},
		{Name: "spam", Type: event.Complained},
		{Name: "reject", Type: event.Dropped, Detail: (*reader).rejected},
		{Name: "soft bounce", Type: event.Bounced, Detail: (*reader).softBounced},
		{Name: "suspension", Type: event.Deferred, Detail: (*reader).suspended},
		{Name: "open", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "click", Type: event.Clicked, Detail: (*reader).engaged},
	}
}

// parser holds the tables by name.
type parser struct {
	rows       provider.Rows[reader]
	categories map[string]event.BounceCategory
	retrying   event.Type // type of a soft bounce
}

// newParser makes the parser; retrying is the type of a bounce that is tried again.
func newParser(retrying event.Type) provider.Parser {
	p := &parser{rows: table().Folded(), categories: categories(), retrying: retrying}
	return provider.Reading{Forms: true, Lines: true, Within: []string{"events"}, Item: p.item}
}
