package mailtrap

import "github.com/postrider/postrider/pkg/event"

// categories maps bounce_category, all that the page has. "other" says nothing.
func categories() map[string]event.BounceCategory {
	return map[string]event.BounceCategory{
		"transientfail": event.Transient,
		"greylisting":   event.Transient,
		"badsender":     event.SenderInvalid,
		"block":         event.SpamBlock,
		"content":       event.Content,
		"dnsfail":       event.DNSFailure,
		"generalfail":   event.Generic,
		"other":         event.UndeterminedCategory,
		"relayfail":     event.RelayDenied,
		"serverfail":    event.RemoteConfiguration,
		"spam":          event.SpamContent,
		"verifyfail":    event.InvalidRecipient,
		"timeout":       event.Timeout,
		"badrecipient":  event.InvalidRecipient,
		"overquota":     event.MailboxFull,
		"serverpolicy":  event.Policy,
		"spamgmail":     event.SpamBlock,
	}
}

// drop is a phrase of a rejection and what it means.
type drop struct {
	phrase string // in lower case
	reason event.DropReason
}

// drops are the phrases of a rejection, tried in order. The page knows two causes: a
// recipient on the suppression list, and a domain that was not verified in time.
func drops() []drop {
	return []drop{
		{"unsubscri", event.DropUnsubscribed},
		{"complaint", event.DropComplained},
		{"bounce", event.DropPreviousBounce},
		{"suppression", event.DropSuppressed},
	}
}
