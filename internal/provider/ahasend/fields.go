package ahasend

import (
	"cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// why is what a classification means: subject and detail of the RFC 3463 code that it
// amounts to, assumed and never seen.
type why struct {
	category event.BounceCategory
	code     string
}

// classifications maps the values of delivery_attempt.classification that AhaSend
// knows today; more may come.
func classifications() map[string]why {
	return map[string]why{
		"InvalidRecipient":     {event.InvalidRecipient, "1.1"},
		"BadDomain":            {event.BadDomain, "1.2"},
		"InactiveMailbox":      {event.MailboxInactive, "2.1"},
		"InvalidSender":        {event.SenderInvalid, "1.8"},
		"QuotaIssues":          {event.MailboxFull, "2.2"},
		"NoAnswerFromHost":     {event.NoAnswer, "4.1"},
		"BadConnection":        {event.ConnectionFailure, "4.2"},
		"DNSFailure":           {event.DNSFailure, "4.3"},
		"RoutingErrors":        {event.Routing, "4.4"},
		"TransientFailure":     {event.Transient, "0.0"},
		"MessageExpired":       {event.Timeout, "4.7"},
		"ProtocolErrors":       {event.Protocol, "5.0"},
		"AuthenticationFailed": {event.Authentication, "7.0"}, // the sender's SPF, DKIM or DMARC
		"PolicyRelated":        {event.Policy, "7.1"},
		"Uncategorized":        {event.UndeterminedCategory, ""},
	}
}

// reader is one event while it is read.
type reader struct {
	parser  *parser
	data    jsondoc.Object
	attempt jsondoc.Object // data.delivery_attempt
	event   *event.Event
}

// common reads the fields that mean the same on every type that has them.
func (r *reader) common() {
	e, d := r.event, r.data
	e.MessageID = d.String("id")
	e.SMTPMessageID = provider.SMTPMessageID(d.String("message_id_header"))
	e.Sender = provider.Address(d.String("from"))
	e.Recipient = provider.Address(d.String("recipient"))
	e.Subject = d.Prose("subject")
}

// dialogue reads the attempt that the event reports on, and what it is called.
func (r *reader) dialogue() (reply smtpcode.Reply, label string) {
	r.attempt = r.data.Object("delivery_attempt")
	a := r.attempt
	smtp := event.SMTP{Response: a.Prose("response")}
	smtp.Code, _ = a.Int("smtp_code", 200, 599) // 0 stands for none
	a.TextIf("enhanced_status_code", func(text string) bool {
		if smtpcode.Enhanced(text) {
			smtp.Enhanced = text
		}
		return smtp.Enhanced != ""
	})
	if smtp != (event.SMTP{}) {
		r.event.SMTP = &smtp
	}
	r.event.ProviderSubtype = a.String("classification")
	r.event.Reason = a.Prose("description") // of the response, in plain words
	return smtpcode.Reply{Code: smtp.Code, Enhanced: smtp.Enhanced}, r.event.ProviderSubtype
}

func (r *reader) delivered() { r.dialogue() }

// refusal qualifies what a server refused: a known classification says why, else the
// codes and words do.
func (r *reader) refusal(class event.BounceClass, digit string, again bool) {
	reply, label := r.dialogue()
	if e := r.event; e.SMTP != nil {
		e.Reason = cmp.Or(e.Reason, e.SMTP.Response)
	}
	b := reply.Bounce(class, r.event.Reason)
	if known, ok := r.parser.whyOf[label]; ok && known.code != "" {
		b.Category = known.category
		if reply.Enhanced == "" && digit != "" {
			b.CodeAssumed = digit + known.code
		}
	}
	b.WillRetry = &again
	r.event.Bounce = &b
}

// deferred: AhaSend tries again.
func (r *reader) deferred() { r.refusal(event.Soft, "4.", true) }

// bounced: a server refused for good, or a report of it came later, which has no
// attempt and does not say for how long it holds.
func (r *reader) bounced() {
	if v, ok := r.data.Member("delivery_attempt"); !ok || v.Kind() != '{' {
		r.refusal(event.UndeterminedClass, "", false)
		return
	}
	r.refusal(event.Hard, "5.", false)
}

// failed: refused or not answered for the time being, until the tries ran out.
func (r *reader) failed() {
	r.refusal(event.Soft, "4.", false)
	if r.attempt.IsZero() {
		r.event.Bounce.Category, r.event.Bounce.CodeAssumed = event.Timeout, "4.4.7"
	}
}

func (r *reader) suppressed() {
	r.event.Drop = &event.Drop{Reason: event.DropSuppressed}
}

func (r *reader) reason() { r.event.Reason = r.data.Prose("reason") }

// engaged: is_bot is a boolean, or a string of one.
func (r *reader) engaged() {
	d := r.data
	g := event.Engagement{
		URL:       d.Prose("url"),
		IP:        d.String("ip"),
		UserAgent: d.Prose("user_agent"),
		Bot:       d.Bool("is_bot"),
	}
	d.TextIf("is_bot", func(text string) bool {
		if text == "true" || text == "false" {
			g.Bot = new(text == "true")
		}
		return g.Bot != nil
	})
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// routed is an inbound mail: the recipient is called to, the Message-ID message_id.
func (r *reader) routed() {
	e, d := r.event, r.data
	if e.Recipient == "" {
		e.Recipient = provider.Address(d.String("to"))
	}
	if e.SMTPMessageID == "" {
		e.SMTPMessageID = provider.SMTPMessageID(d.String("message_id"))
	}
}
