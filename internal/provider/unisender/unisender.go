// Package unisender reads the webhooks of Unisender Go, which are those of UniOne, too.
//
// Pages: https://godocs.unisender.ru/web-api-ref#callback-format (payloads, proof),
// https://godocs.unisender.ru/email-statuses (statuses and what they mean),
// https://godocs.unisender.ru/web-api-ref#webhook-set (set-up, retries); in English
// at https://docs.unione.io/en/web-api-ref and https://docs.unione.io/en/email-statuses.
//
// One JSON object a request: {auth, events_by_user: [{user_id, project_id, events:
// [{event_name, event_data}]}]}, up to 100 events; with "single event" the members of
// event_data stand beside event_name, user_id and auth. What to know:
//   - Times are UTC and say so nowhere.
//   - Nothing names an event: an event is what it says, but for auth and retry_count,
//     which change from one attempt to the next. So does the header ID.
//   - job_id names a call of email/send, which may have had many recipients.
//   - hard_bounced also stands for messages that were never sent: the delivery status
//     says so. It comes only with "delivery_info" switched on.
//   - Their page on statuses has a soft bounce tried again for 24 hours, that on
//     webhooks for 48.
package unisender

import (
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Unisender Go.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "unisender",
		Title:  "Unisender Go",
		Doc:    "https://godocs.unisender.ru/web-api-ref",
		Mapper: 1,
		Auth:   "unisender",
		Policy: provider.Policy{
			Again:        []provider.Codes{{From: 100, To: 199}, {From: 201, To: 599}},
			RetryHorizon: 24 * time.Hour,
			Timeout:      3 * time.Second,
			Retries:      "everything but 200: every 10 min for 24 h; switched off after 24 h in which nothing succeeded",
		},
		Types:     types(),
		Identity:  "derived, without `auth` and `retry_count`",
		MaxEvents: 100,
		Handshake: "`GET` at set-up, answered 200",
		Probes:    []string{"GET"},
		New:       provider.WithRetryingBounces("unisender", newParser),
		Samples:   samples,
	}
}

// The names of events.
const (
	emailStatus = "transactional_email_status"
	spamBlock   = "transactional_spam_block"
)

// table maps the statuses of a message, and the event that is about none.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "accepted", Type: event.Queued},
		{Name: "sent", Type: event.Sent},
		{Name: "delivered", Type: event.Delivered},
		{Name: "opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "unsubscribed", Type: event.Unsubscribed},
		{Name: "subscribed", Type: event.Subscribed},
		// "a temporary failure, attempts go on": the end of it is delivered or hard_bounced.
		{Name: "soft_bounced", Type: event.Bounced, Detail: (*reader).softBounced},
		{Name: "hard_bounced", Type: event.Bounced, Detail: (*reader).failed},
		{Name: "spam", Type: event.Complained},
		// One of their servers was blocked by, or may send again to, a domain.
		{Name: spamBlock, Type: event.Unknown, Detail: (*reader).blocked},
	}
}

// types adds to the table what a hard bounce may be.
func types() []provider.TypeInfo {
	var rows []provider.TypeInfo
	for _, row := range table().Types() {
		rows = append(rows, row)
		if row.ProviderType == "hard_bounced" {
			for _, typ := range []event.Type{event.Dropped, event.Failed} {
				rows = append(rows, provider.TypeInfo{ProviderType: row.ProviderType, Type: typ, Direction: row.Direction})
			}
		}
	}
	return rows
}

// parser holds the tables.
type parser struct {
	rows     provider.Rows[reader]
	failures map[string]failure
	retrying event.Type // type of a soft bounce
}

// newParser makes the parser; retrying is the type of a bounce that is tried again.
func newParser(retrying event.Type) provider.Parser {
	p := &parser{rows: table().ByName(), failures: failures(), retrying: retrying}
	return provider.Reading{Within: []string{"events_by_user", "events"}, Several: p.object}
}

// object reads one event. Its identity is what it says, but for what a retry says
// in another way.
func (p *parser) object(o jsondoc.Object, at provider.Place) []provider.Result {
	var r provider.Result
	if r.Malformed = p.item(o, at, &r.Event); r.Malformed == nil {
		r.NativeID, r.Derived = o.CanonicalHashExcept("auth", "retry_count"), true
	}
	return []provider.Result{r}
}
