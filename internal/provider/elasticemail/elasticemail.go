// Package elasticemail reads the HTTP web notifications of Elastic Email.
//
// Pages: https://help.elasticemail.com/en/articles/4804685-notification-settings
// (parameters), https://help.elasticemail.com/en/articles/2376855-how-to-manage-http-web-notifications-old-dashboard
// and https://elasticemail.com/support/settings/notifications/ (their older forms),
// https://help.elasticemail.com/en/articles/2300650-what-are-the-bounce-error-categories-and-filters
// and http://elasticemail.com/email-delivery-error-categories (what categories mean).
// The API's list of categories has one more, see
// https://docs.rs/crate/ElasticEmail/latest/source/docs/MessageCategoryEnum.md.
//
// One event a request, as the parameters of an address that is called by GET; a form
// or a flat JSON object posted to it is read the same way. What to know:
//   - Their requests are proven by nothing but the address.
//   - Sent is said of what the recipient's server accepted.
//   - Error is all that was not delivered, by a refusal, by a list of theirs or by
//     hand; the category tells. It comes after the last attempt, 48 hours at most.
//   - No parameter has the server's reply.
//   - Times are UTC and do not say so. How they are written is not said either.
package elasticemail

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Elastic Email.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "elasticemail",
		Title:  "Elastic Email",
		Doc:    "https://help.elasticemail.com/en/articles/4804685-notification-settings",
		Mapper: 1,
		Auth:   "token",
		Policy: provider.Policy{
			Retries: "not documented; switched off after 1,000 failures",
		},
		Types:     types(),
		Identity:  "derived",
		MaxEvents: 1,
		Handshake: "`GET` at set-up, answered 200",
		Methods:   []string{"GET"},
		Probes:    []string{"GET", "HEAD"},
		Forms:     true,
		New:       provider.WithoutOptions("elasticemail", newParser),
		Samples:   samples,
	}
}

// table maps the statuses, in the order of the page.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		// Accepted by the recipient's server: what is on its way has no status.
		{Name: "Sent", Type: event.Delivered},
		{Name: "Opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "Clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "Error", Type: event.Bounced, Detail: (*reader).failed},
		{Name: "AbuseReport", Type: event.Complained},
		{Name: "Unsubscribed", Type: event.Unsubscribed},
	}
}

// types adds to the table what else an error may be.
func types() []provider.TypeInfo {
	var rows []provider.TypeInfo
	for _, row := range table().Types() {
		rows = append(rows, row)
		if row.ProviderType == "Error" {
			for _, typ := range []event.Type{event.Dropped, event.Failed} {
				rows = append(rows, provider.TypeInfo{ProviderType: row.ProviderType, Type: typ, Direction: row.Direction})
			}
		}
	}
	return rows
}

// failure is what a category says of a message that was not delivered.
type failure struct {
	name     string
	typ      event.Type        // bounced, dropped or failed
	class    event.BounceClass // of a bounce
	category event.BounceCategory
	code     string           // RFC 3463 code that the category stands for; "" for none
	drop     event.DropReason // of a drop
}

// categories are those of their pages, in that order. An address is hard where it
// is unusable by their word, a message where it was refused for what it is; what
// they go on trying until the time is up is soft.
func categories() []failure {
	const bounced, dropped, failed = event.Bounced, event.Dropped, event.Failed
	return []failure{
		{"Ignore", dropped, "", "", "", event.DropSuppressed},
		{"Suppressed", dropped, "", "", "", event.DropSuppressed}, // what Ignore is called now
		{"Spam", bounced, event.Hard, event.SpamContent, "5.7.1", ""},
		{"BlackListed", bounced, event.Soft, event.SpamBlock, "4.7.1", ""},
		{"NoMailbox", bounced, event.Hard, event.InvalidRecipient, "5.1.1", ""},
		{"GreyListed", bounced, event.Soft, event.Transient, "4.7.1", ""},
		{"Throttled", bounced, event.Soft, event.RateLimited, "4.4.5", ""},
		{"Timeout", bounced, event.Soft, event.Timeout, "4.4.7", ""},
		{"ConnectionProblem", bounced, event.Soft, event.ConnectionFailure, "4.4.2", ""},
		{"SPFProblem", bounced, event.Hard, event.Authentication, "5.7.23", ""},
		// "full or inactive", with 4xx or 5xx: no more is known.
		{"AccountProblem", bounced, event.UndeterminedClass, event.MailboxInactive, "", ""},
		{"DNSProblem", bounced, event.Hard, event.BadDomain, "5.1.2", ""},
		{"WhitelistingProblem", bounced, event.Hard, event.Policy, "5.7.1", ""},
		{"CodeError", failed, "", "", "", ""}, // of their own system
		{"ManualCancel", dropped, "", "", "", event.DropOther},
		{"ConnectionTerminated", bounced, event.Soft, event.ConnectionFailure, "4.4.2", ""},
		{"ContentFilter", bounced, event.Hard, event.Content, "5.6.0", ""},
		{"NotDeliveredCancelled", dropped, "", "", "", event.DropOther}, // of their API's list only
		{"NotDelivered", bounced, event.UndeterminedClass, event.UndeterminedCategory, "", ""},
		{"Unknown", bounced, event.UndeterminedClass, event.UndeterminedCategory, "", ""},
	}
}

// parser holds the tables by their folded words.
type parser struct {
	rows       provider.Rows[reader]
	categories map[string]failure
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().Folded(), categories: make(map[string]failure)}
	for _, f := range categories() {
		p.categories[jsondoc.Fold(f.name)] = f
	}
	return provider.Reading{Forms: true, Fold: true, Item: p.item}
}
