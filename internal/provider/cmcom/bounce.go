package cmcom

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// subType is a row of the page's lists of bounce sub-types: the class it is
// listed under, why, and subject and detail of the RFC 3463 code that the label
// amounts to. The code is assumed, never seen.
type subType struct {
	class    event.BounceClass
	name     string
	category event.BounceCategory
	code     string
}

// subTypeTable is the page's two lists, soft and hard, in its order.
func subTypeTable() []subType {
	return []subType{
		{event.Soft, "Transient Failure", event.Transient, "0.0"},
		{event.Soft, "Quota Issues", event.MailboxFull, "2.2"},
		{event.Soft, "No Answer From Host", event.NoAnswer, "4.1"},
		{event.Soft, "Bad Connection", event.ConnectionFailure, "4.2"},
		{event.Soft, "Dns Failure", event.DNSFailure, "4.3"},
		{event.Soft, "Routing Errors", event.Routing, "4.4"},
		{event.Soft, "Protocol Errors", event.Protocol, "5.0"},
		{event.Soft, "Authentication Failed", event.Authentication, "7.0"}, // the sender's SPF, DKIM or DMARC
		{event.Soft, "Temporary Rejection", event.Transient, "7.1"},
		{event.Soft, "Delayed", event.Transient, "0.0"},
		{event.Soft, "Inactive Mailbox", event.MailboxInactive, "2.1"},
		{event.Soft, "Bad Configuration", event.RemoteConfiguration, "3.5"},
		{event.Soft, "Invalid Sender", event.SenderInvalid, "1.8"},
		{event.Soft, "Prohibited Attachment", event.Attachment, "6.1"},
		{event.Soft, "Content Related", event.Content, "6.0"},
		{event.Soft, "Relaying Issues", event.RelayDenied, "7.1"},
		{event.Soft, "Virus Related", event.Virus, "7.0"},

		{event.Hard, "Hard Bounced", event.Generic, "0.0"},
		{event.Hard, "Invalid Recipient", event.InvalidRecipient, "1.1"},
		{event.Hard, "Bad Domain", event.BadDomain, "1.2"},
		{event.Hard, "Admin Bounce", event.AdminBlock, "7.1"}, // and Admin Bounced: two labels on the page
		{event.Hard, "Rejection", event.Policy, "7.0"},
		{event.Hard, "Policy Related", event.Policy, "7.1"},
		{event.Hard, "Admin Bounced", event.AdminBlock, "7.1"},
		{event.Hard, "Permanent Rejection", event.Generic, "0.0"},
		{event.Hard, "Abuse", event.ComplaintBlock, "7.1"}, // blocked after a complaint; not one itself
		{event.Hard, "Fraud", event.Fraud, "7.1"},
		{event.Hard, "Spam Content", event.SpamContent, "7.1"},
		{event.Hard, "Relay Denied", event.RelayDenied, "7.1"},
		{event.Hard, "Spam Related", event.SpamContent, "7.1"},
		{event.Hard, "Spam Block", event.SpamBlock, "7.1"},
	}
}

// bounceOf qualifies a bounce by the two labels. The type decides the class,
// also over the list a sub-type stands in; the assumed code follows the class.
// Without a class there is no code to assume.
func (p *parser) bounceOf(typ, sub string) event.Bounce {
	b := event.Bounce{Class: event.UndeterminedClass, Category: event.UndeterminedCategory}
	digit := ""
	switch jsondoc.Fold(typ) {
	case "softbounce":
		b.Class, b.WillRetry, digit = event.Soft, new(true), "4."
	case "hardbounce":
		b.Class, b.WillRetry, digit = event.Hard, new(false), "5."
	}
	known, ok := p.subTypes[jsondoc.Fold(sub)]
	if !ok {
		return b
	}
	b.Category = known.category
	if digit != "" {
		b.CodeAssumed = digit + known.code
	}
	return b
}
