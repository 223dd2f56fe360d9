package sparkpost

import "github.com/postrider/postrider/pkg/event"

// bounceClass is one bounce classification code. Category is "" where the class says
// nothing about why: the reply does.
type bounceClass struct {
	class    event.BounceClass
	category event.BounceCategory
	instead  event.Type // what it is if it is no bounce; "" for a bounce
}

// bounceClasses maps the codes of SparkPost's page by its categories: hard; soft and
// block, "usually temporary events"; admin, which is SparkPost's own policy and as good
// as hard ("suppression-level"); undetermined, where the reply decides.
func bounceClasses() map[string]bounceClass {
	return map[string]bounceClass{
		"1":   {event.UndeterminedClass, "", ""},                  // Undetermined
		"10":  {event.Hard, event.InvalidRecipient, ""},           // Invalid Recipient
		"20":  {event.Soft, "", ""},                               // Soft Bounce
		"21":  {event.Soft, event.DNSFailure, ""},                 // DNS Failure
		"22":  {event.Soft, event.MailboxFull, ""},                // Mailbox Full
		"23":  {event.Soft, event.MessageTooLarge, ""},            // Too Large
		"24":  {event.Soft, event.Timeout, ""},                    // Timeout
		"25":  {event.Hard, event.AdminBlock, ""},                 // Admin Failure
		"30":  {event.Hard, event.Generic, ""},                    // Generic Bounce: No RCPT
		"40":  {event.Soft, event.Generic, ""},                    // Generic Bounce
		"50":  {event.Soft, event.Policy, ""},                     // Mail Block
		"51":  {event.Soft, event.SpamBlock, ""},                  // Spam Block
		"52":  {event.Soft, event.SpamContent, ""},                // Spam Content
		"53":  {event.Soft, event.Attachment, ""},                 // Prohibited Attachment
		"54":  {event.Soft, event.RelayDenied, ""},                // Relaying Denied
		"60":  {event.Soft, event.Transient, event.Autoresponded}, // Auto-Reply
		"70":  {event.Soft, event.Transient, ""},                  // Transient Failure
		"80":  {event.Hard, event.AdminBlock, event.Subscribed},   // Subscribe
		"90":  {event.Hard, event.Generic, event.Unsubscribed},    // Unsubscribe
		"100": {event.Soft, event.Transient, event.Autoresponded}, // Challenge-Response
	}
}
