package postmark

import "github.com/postrider/postrider/pkg/event"

// bounceType is a row of the page's list of bounce types: what such a "bounce" is, and
// what its name says of it.
type bounceType struct {
	name     string
	typ      event.Type
	class    event.BounceClass    // of bounced; "" where only the reply can tell
	category event.BounceCategory // of bounced; "" where only the reply can tell
	retry    *bool                // whether Postmark tries again, where the page says so
	drop     event.DropReason     // of dropped
}

// direction is outbound but for the error of an inbound webhook.
func (b bounceType) direction() event.Direction {
	if b.name == "InboundError" {
		return event.Inbound
	}
	return event.Outbound
}

// transient is the bounce type that the option retrying_bounces is about.
const transient = "Transient"

// bounceTable is the page's list, in its order. What it says is in the comments.
func bounceTable() []bounceType {
	return []bounceType{
		// Unknown user, mailbox not found; the address is deactivated.
		{name: "HardBounce", typ: event.Bounced, class: event.Hard, retry: new(false)},
		// "Message delayed": the server could not deliver for now. Whether Postmark tries
		// again is not said, and their support counts it with what is undeliverable.
		{name: transient, typ: event.Bounced, class: event.Soft},
		{name: "Unsubscribe", typ: event.Unsubscribed},
		{name: "Subscribe", typ: event.Subscribed},
		// Out of office, on vacation.
		{name: "AutoResponder", typ: event.Autoresponded},
		// The recipient tells of another address.
		{name: "AddressChange", typ: event.Autoresponded},
		// A temporary DNS error.
		{name: "DnsError", typ: event.Bounced, class: event.Soft, category: event.DNSFailure},
		// Blocked by the user, or taken for spam or bulk mail, or of rejected content.
		{name: "SpamNotification", typ: event.Bounced, category: event.SpamContent},
		// No bounce but somebody who looks for an open relay.
		{name: "OpenRelayTest", typ: event.Unknown},
		// A report that Postmark cannot classify.
		{name: "Unknown", typ: event.Bounced},
		// Mailbox full, account disabled, out of disk space; Postmark has tried again before.
		{name: "SoftBounce", typ: event.Bounced, class: event.Soft},
		// A warning about an infected message.
		{name: "VirusNotification", typ: event.Bounced, category: event.Virus},
		// A service asks whether a person has sent it.
		{name: "ChallengeVerification", typ: event.Autoresponded},
		// Not a valid address.
		{name: "BadEmailAddress", typ: event.Bounced, class: event.Hard, category: event.InvalidRecipient, retry: new(false)},
		// The recipient marked the message as spam.
		{name: "SpamComplaint", typ: event.Complained},
		// Somebody of the account deactivated the address.
		{name: "ManuallyDeactivated", typ: event.Suppressed},
		// The recipient has not confirmed the registration.
		{name: "Unconfirmed", typ: event.Dropped, drop: event.DropPolicy},
		// Blocked by the ISP for content or a block list.
		{name: "Blocked", typ: event.Bounced, category: event.SpamBlock},
		// Sent by SMTP to an address that is suppressed.
		{name: "SMTPApiError", typ: event.Dropped, drop: event.DropSuppressed},
		// The inbound webhook of the account could not be called.
		{name: "InboundError", typ: event.Failed},
		// The receiver's DMARC check.
		{name: "DMARCPolicy", typ: event.Bounced, class: event.Hard, category: event.Authentication, retry: new(false)},
		{name: "TemplateRenderingFailed", typ: event.Failed},
	}
}
