package mandrill

import "github.com/postrider/postrider/pkg/event"

// categoryOf is what a bounce_description means; "" for one that says nothing, such as
// "general": the codes in diag do then. No page lists them. These are those that
// Mandrill's own examples and known payloads have.
func categoryOf(description string) event.BounceCategory {
	switch description {
	case "bad_mailbox":
		return event.InvalidRecipient
	case "invalid_domain":
		return event.BadDomain
	case "mailbox_full":
		return event.MailboxFull
	}
	return ""
}

// dropOf is what a reject reason means: those of the deny list, and those that the API
// gives for a message that it refuses.
func dropOf(reason string) event.DropReason {
	switch reason {
	case "hard-bounce", "soft-bounce":
		return event.DropPreviousBounce
	case "spam":
		return event.DropComplained
	case "unsub":
		return event.DropUnsubscribed
	case "custom":
		return event.DropSuppressed
	case "invalid":
		return event.DropInvalidRecipient
	case "test-mode-limit":
		return event.DropRateLimit
	case "invalid-sender", "unsigned", "rule":
		return event.DropPolicy
	}
	return event.DropOther
}
