package sendgrid

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// class is what the type of a bounce says: a "bounce" is refused for good and the
// address suppressed; a "blocked" message was refused for what it is or where it
// came from; an "expired" one was tried for 72 hours. "" where it says nothing.
func class(typ string) event.BounceClass {
	switch typ {
	case "bounce":
		return event.Hard
	case "blocked", "expired":
		return event.Soft
	}
	return ""
}

// classifications maps bounce_classification: the page's names and those of the
// bounces API, which differ in two. "Unclassified" decides nothing.
func classifications() map[string]event.BounceCategory {
	return folded(map[string]event.BounceCategory{
		"Invalid Address":              event.InvalidRecipient,
		"Technical":                    event.ConnectionFailure,
		"Technical Failure":            event.ConnectionFailure,
		"Content":                      event.Content,
		"Reputation":                   event.SpamBlock,
		"Frequency/Volume":             event.RateLimited,
		"Frequency or Volume Too High": event.RateLimited,
		"Mailbox Unavailable":          event.MailboxInactive,
	})
}

// drops maps the reasons of dropped, all that the page has.
func drops() map[string]event.DropReason {
	return folded(map[string]event.DropReason{
		"Invalid SMTPAPI header":            event.DropOther,
		"Spam Content":                      event.DropSpam,
		"Unsubscribed Address":              event.DropUnsubscribed,
		"Bounced Address":                   event.DropPreviousBounce,
		"Spam Reporting Address":            event.DropComplained,
		"Invalid":                           event.DropInvalidRecipient,
		"Recipient List over Package Quota": event.DropRateLimit,
	})
}

// folded returns a table whose names are folded (see jsondoc.Fold).
func folded[V any](table map[string]V) map[string]V {
	out := make(map[string]V, len(table))
	for name, value := range table {
		out[jsondoc.Fold(name)] = value
	}
	return out
}
