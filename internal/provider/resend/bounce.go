package resend

import "github.com/postrider/postrider/pkg/event"

// classes maps bounce.type.
func classes() map[string]event.BounceClass {
	return map[string]event.BounceClass{
		"Permanent":    event.Hard,
		"Transient":    event.Soft,
		"Undetermined": event.UndeterminedClass,
	}
}

// subKey is a bounce's type and sub-type.
type subKey struct{ typ, sub string }

// subType is what one of them means: why, the code that amounts to, assumed and never
// seen, and whether the label says more than a reply's codes do.
type subType struct {
	category event.BounceCategory
	code     string
	specific bool
	dropped  bool // never handed over: the address is on a suppression list
}

// subTypes is the list of the page on bounces.
func subTypes() map[subKey]subType {
	return map[subKey]subType{
		{"Permanent", "General"}: {category: event.Generic, code: "5.0.0"},
		// The bounce did not say which address it was about: nothing of why.
		{"Permanent", "NoEmail"}:                  {category: event.UndeterminedCategory},
		{"Permanent", "Suppressed"}:               {dropped: true},
		{"Permanent", "OnAccountSuppressionList"}: {dropped: true},

		{"Transient", "General"}:            {category: event.Transient, code: "4.0.0"},
		{"Transient", "MailboxFull"}:        {category: event.MailboxFull, code: "4.2.2", specific: true},
		{"Transient", "MessageTooLarge"}:    {category: event.MessageTooLarge, code: "4.3.4", specific: true},
		{"Transient", "ContentRejected"}:    {category: event.Content, code: "4.6.0", specific: true},
		{"Transient", "AttachmentRejected"}: {category: event.Attachment, code: "4.6.1", specific: true},

		{"Undetermined", "Undetermined"}: {category: event.UndeterminedCategory},
	}
}
