package unisender

import "github.com/postrider/postrider/pkg/event"

// failure is what a delivery status says of a message that is given up.
type failure struct {
	typ      event.Type           // bounced, dropped or failed
	category event.BounceCategory // of a bounce; "" leaves it to the server's response
	code     string               // RFC 3463 code that the status stands for; "" for none
	drop     event.DropReason     // of a drop
}

// failures maps the delivery statuses of their page on statuses, and those that the
// page on webhooks names without a word: what those mean is as their older service
// describes it (https://www.unisender.com/en/support/api/messages/checkemail/).
func failures() map[string]failure {
	const bounced, dropped, failed = event.Bounced, event.Dropped, event.Failed
	return map[string]failure{
		// The remote side refused.
		"err_user_unknown":              {bounced, event.InvalidRecipient, "5.1.1", ""},
		"err_user_inactive":             {bounced, event.MailboxInactive, "5.2.1", ""},
		"err_mailbox_discarded":         {bounced, event.MailboxInactive, "5.2.1", ""},
		"err_mailbox_full":              {bounced, event.MailboxFull, "5.2.2", ""},
		"err_spam_rejected":             {bounced, event.SpamContent, "5.7.1", ""},
		"err_blacklisted":               {bounced, event.SpamBlock, "5.7.1", ""},
		"err_too_large":                 {bounced, event.MessageTooLarge, "5.3.4", ""},
		"err_domain_inactive":           {bounced, event.BadDomain, "5.1.2", ""},
		"err_destination_misconfigured": {bounced, event.RemoteConfiguration, "5.3.5", ""},
		"err_no_dns":                    {bounced, event.DNSFailure, "5.4.3", ""},
		"err_no_smtp":                   {bounced, event.NoAnswer, "5.4.1", ""},
		"err_giveup":                    {bounced, event.Timeout, "5.4.7", ""},
		"err_delivery_failed":           {bounced, "", "", ""},
		"err_unknown":                   {bounced, "", "", ""},
		"err_will_retry":                {bounced, "", "", ""}, // on a soft bounce, and on a hard one never
		"err_resend":                    {bounced, "", "", ""},
		"err_retry_letter":              {bounced, "", "", ""},

		// Unisender Go did not send it.
		"err_unsubscribed":          {dropped, "", "", event.DropUnsubscribed},
		"err_unreachable":           {dropped, "", "", event.DropPreviousBounce},
		"err_skip_letter":           {dropped, "", "", event.DropPreviousBounce},
		"err_not_available":         {dropped, "", "", event.DropPreviousBounce},
		"skip_dup_unreachable":      {dropped, "", "", event.DropPreviousBounce},
		"skip_dup_temp_unreachable": {dropped, "", "", event.DropPreviousBounce},
		"skip_dup_mailbox_full":     {dropped, "", "", event.DropPreviousBounce},
		"err_spam_skipped":          {dropped, "", "", event.DropSpam},
		"err_spam_removed":          {dropped, "", "", event.DropSpam},
		"err_dest_invalid":          {dropped, "", "", event.DropInvalidRecipient},

		// It could not.
		"err_lost":        {failed, "", "", ""},
		"err_internal":    {failed, "", "", ""},
		"err_src_invalid": {failed, "", "", ""},
	}
}
