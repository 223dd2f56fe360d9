package ses

import "github.com/postrider/postrider/pkg/event"

// verdict is what a bounceType and bounceSubType mean. Category is "" where they say
// nothing about why: the reply does.
type verdict struct {
	class    event.BounceClass
	category event.BounceCategory
	dropped  event.DropReason // it was never sent; "" for a bounce
}

// verdicts maps "type/sub-type", in the order of the page, and each type alone for
// the sub-types of another day. "Amazon SES has suppressed sending to this address",
// says the page of three of them, and that they "do not count toward your bounce rate".
func verdicts() map[string]verdict {
	return map[string]verdict{
		"Undetermined/Undetermined":          {event.UndeterminedClass, "", ""},
		"Permanent/General":                  {event.Hard, "", ""},
		"Permanent/NoEmail":                  {event.Hard, event.InvalidRecipient, ""},
		"Permanent/Suppressed":               {event.Hard, "", event.DropPreviousBounce},
		"Permanent/OnAccountSuppressionList": {event.Hard, "", event.DropSuppressed},
		"Permanent/UnsubscribedRecipient":    {event.Hard, "", event.DropUnsubscribed},
		"Transient/General":                  {event.Soft, "", ""},
		"Transient/MailboxFull":              {event.Soft, event.MailboxFull, ""},
		"Transient/MessageTooLarge":          {event.Soft, event.MessageTooLarge, ""},
		"Transient/CustomTimeoutExceeded":    {event.Soft, event.Timeout, ""},
		"Transient/ContentRejected":          {event.Soft, event.Content, ""},
		"Transient/AttachmentRejected":       {event.Soft, event.Attachment, ""},

		"Permanent": {event.Hard, "", ""},
		"Transient": {event.Soft, "", ""},
	}
}
