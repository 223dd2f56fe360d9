package mailjet

import "github.com/postrider/postrider/pkg/event"

// problem is a row of the page's list of errors: what it says of a bounce, and of a
// message that was blocked.
type problem struct {
	related  string // error_related_to, which it stands under
	name     string // error
	category event.BounceCategory
	drop     event.DropReason
}

// problemTable is the page's list, in its order. Five of them stand in the newer guide
// only: blacklisted, spam reporter, typofix and the two of the template.
func problemTable() []problem {
	return []problem{
		{"recipient", "user unknown", event.InvalidRecipient, event.DropInvalidRecipient},
		{"recipient", "mailbox inactive", event.MailboxInactive, event.DropInvalidRecipient},
		{"recipient", "quota exceeded", event.MailboxFull, event.DropPreviousBounce},
		{"recipient", "blacklisted", event.Policy, event.DropSuppressed},
		{"recipient", "spam reporter", event.ComplaintBlock, event.DropComplained},
		{"domain", "invalid domain", event.BadDomain, event.DropInvalidRecipient},
		{"domain", "no mail host", event.NoAnswer, event.DropInvalidRecipient},
		{"domain", "relay/access denied", event.RelayDenied, event.DropPolicy},
		{"domain", "greylisted", event.Transient, event.DropOther},
		{"domain", "typofix", event.BadDomain, event.DropInvalidRecipient},
		{"content", "bad or empty template", event.Content, event.DropOther},
		{"content", "error in template language", event.Content, event.DropOther},
		{"spam", "sender blocked", event.SpamBlock, event.DropPolicy},
		{"spam", "content blocked", event.SpamContent, event.DropSpam},
		{"spam", "policy issue", event.Policy, event.DropPolicy},
		{"system", "system issue", event.Transient, event.DropOther},
		{"system", "protocol issue", event.Protocol, event.DropOther},
		{"system", "connection issue", event.ConnectionFailure, event.DropOther},
		{"mailjet", "preblocked", event.Policy, event.DropPreviousBounce},
		{"mailjet", "duplicate in campaign", event.Policy, event.DropPolicy},
	}
}
