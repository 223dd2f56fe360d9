package smtpcode

import (
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// enhancedCategory reads "subject.detail" of an enhanced code.
func enhancedCategory(enhanced string, class event.BounceClass) event.BounceCategory {
	if enhanced[0] == '2' {
		return event.UndeterminedCategory // a code of success on a refusal
	}
	subject, detail := split(enhanced)
	if subject == 0 {
		return unspecific(enhanced[0] == '4' || class == event.Soft)
	}
	if subject >= len(subjects) {
		return event.UndeterminedCategory
	}
	row := subjects[subject]
	if detail < len(row.details) && row.details[detail] != "" {
		return row.details[detail]
	}
	return row.other
}

// split returns the second and third number of an enhanced code.
func split(enhanced string) (subject, detail int) {
	at, numbers := 0, [3]int{}
	for i := range len(enhanced) {
		if enhanced[i] == '.' {
			at++
			continue
		}
		numbers[at] = numbers[at]*10 + int(enhanced[i]-'0')
	}
	return numbers[1], numbers[2]
}

// subject is one subject of RFC 3463 §3: a category for each detail that has
// one of its own, and one for all others.
type subject struct {
	other   event.BounceCategory
	details []event.BounceCategory
}

// subjects is indexed by the second number of the code, details by the third.
var subjects = [...]subject{
	0: {}, // x.0.0 says nothing: see unspecific
	1: {other: event.Generic, details: []event.BounceCategory{ // addresses
		0:  event.Generic, // sender or recipient, it does not say which
		1:  event.InvalidRecipient,
		2:  event.BadDomain,
		3:  event.InvalidRecipient, // its syntax
		4:  event.InvalidRecipient, // ambiguous
		6:  event.InvalidRecipient, // moved, no forwarding address
		7:  event.SenderInvalid,    // its syntax
		8:  event.SenderInvalid,
		10: event.BadDomain, // RFC 7505: the domain accepts no mail
	}},
	2: {other: event.Generic, details: []event.BounceCategory{ // mailbox
		1: event.MailboxInactive,
		2: event.MailboxFull,
		3: event.MessageTooLarge, // for this mailbox
		4: event.RemoteConfiguration,
	}},
	3: {other: event.RemoteConfiguration, details: []event.BounceCategory{ // mail system
		4: event.MessageTooLarge, // for the system
	}},
	4: {other: event.ConnectionFailure, details: []event.BounceCategory{ // network and routing
		1: event.NoAnswer,
		2: event.ConnectionFailure,
		3: event.DNSFailure,
		4: event.Routing,
		5: event.RateLimited, // the system is congested
		6: event.Routing,     // loop
		7: event.Timeout,     // expired in the queue
	}},
	5: {other: event.Protocol},
	6: {other: event.Content, details: []event.BounceCategory{ // content or media
		1: event.Attachment, // media not supported
	}},
	7: {other: event.Policy, details: []event.BounceCategory{ // security or policy
		0:  event.Policy,
		1:  event.Policy,
		8:  event.Authentication,   // RFC 4954: credentials refused
		9:  event.Authentication,   // RFC 4954: mechanism too weak
		17: event.InvalidRecipient, // RFC 7293: the mailbox has a new owner
		18: event.BadDomain,        // RFC 7293: the domain has a new owner
		20: event.Authentication,   // RFC 7372: no passing DKIM signature
		21: event.Authentication,   // no acceptable DKIM signature
		22: event.Authentication,   // no author-matched DKIM signature
		23: event.Authentication,   // SPF failed
		24: event.Authentication,   // SPF error
		25: event.Authentication,   // reverse DNS failed
		26: event.Authentication,   // several checks failed
		27: event.SenderInvalid,    // RFC 7505: the sender's domain accepts no mail
		28: event.RateLimited,      // mail flood
		29: event.Authentication,   // RFC 8617: ARC failed
	}},
}

// codeCategory returns the category of reply codes that mean one thing only.
// 450, 451, 550, 552, 553 and 554 are used for everything: there words decide.
func codeCategory(code int) event.BounceCategory {
	switch code {
	case 500, 501, 502, 503, 504, 555:
		return event.Protocol
	case 521, 556:
		return event.BadDomain // RFC 7504: the host or domain accepts no mail
	case 530, 534, 535, 538:
		return event.Authentication // RFC 4954
	case 551:
		return event.InvalidRecipient // not local, and not forwarded
	}
	return ""
}

// maxText bounds how much of a text is searched for words, in bytes.
const maxText = 1024

// textCategory returns the category of the first rule with a phrase that occurs
// in text, whatever its case.
func textCategory(text string) event.BounceCategory {
	text = strings.ToLower(text[:min(len(text), maxText)])
	for _, rule := range textRules {
		for _, phrase := range rule.phrases {
			if strings.Contains(text, phrase) {
				return rule.category
			}
		}
	}
	return ""
}

// textRules are tried in order: what names one cause before what is said in
// passing, a domain before a mailbox that "does not exist".
var textRules = []struct {
	category event.BounceCategory
	phrases  []string
}{
	{event.Virus, []string{"virus", "malware"}},
	{event.Authentication, []string{"dmarc", "dkim", "spf check", "spf fail", "(spf", " spf ", "unauthenticated"}},
	{event.SpamBlock, []string{"blacklist", "blocklist", "block list", "black list", "dnsbl", "spamhaus", "poor reputation"}},
	{event.SpamContent, []string{"spam"}},
	{event.RelayDenied, []string{"relay access denied", "relaying denied", "unable to relay", "relay not permitted", "not permitted to relay", "relaying not allowed"}},
	{event.MessageTooLarge, []string{"message too large", "message too big", "message size exceeds", "exceeds size limit", "maximum message size"}},
	{event.MailboxFull, []string{"mailbox full", "mailbox is full", "inbox is full", "over quota", "overquota", "quota exceeded", "exceeded its quota", "exceeded storage"}},
	{event.MailboxInactive, []string{"mailbox disabled", "mailbox is disabled", "account disabled", "account is disabled", "account has been disabled", "inactive", "suspended"}},
	{event.SenderInvalid, []string{"sender address rejected", "invalid sender", "sender domain", "sender rejected"}},
	{event.BadDomain, []string{"unknown domain", "domain not found", "domain name not found", "domain does not exist", "no such domain", "host unknown", "host not found", "null mx"}},
	{event.InvalidRecipient, []string{
		"user unknown", "unknown user", "no such user", "user not found", "user does not exist", "invalid recipient", "unknown recipient",
		"recipient unknown", "recipient not found", "no such recipient", "mailbox not found", "no such mailbox", "unknown mailbox",
		"mailbox unknown", "no mailbox here", "address unknown", "unknown address", "no such address", "does not exist", "invalid mailbox",
	}},
	{event.RateLimited, []string{"rate limit", "ratelimit", "too many", "throttl"}},
	{event.Timeout, []string{"timed out", "timeout"}},
	{event.ConnectionFailure, []string{"connection refused", "connection reset", "connection lost", "connection dropped", "network is unreachable"}},
	{event.Policy, []string{"policy", "prohibited"}},
	{event.Transient, []string{"greylist", "graylist", "try again", "try later", "temporar"}},
}
