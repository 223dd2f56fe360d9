package scaleway

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one record while it is read.
type reader struct {
	item  jsondoc.Object
	reply smtpcode.Reply
	event *event.Event
}

// unwrap finds the record in an SNS envelope, or takes what came for it. The other
// types of envelopes are about the subscription.
func (p *parser) unwrap(o jsondoc.Object, _ provider.Place) []provider.Result {
	envelope, wrapped := provider.ReadSNS(o)
	if !wrapped {
		return []provider.Result{p.record(o)}
	}
	if !envelope.Carries() {
		return nil
	}
	doc, ok := o.Embedded("Message")
	if !ok {
		return malformed(provider.ReasonInvalidJSON, "the field Message holds no JSON")
	}
	defer doc.Release()
	inner, ok := doc.Root().Object(false)
	if !ok {
		return malformed(provider.ReasonNotAnObject, "the field Message holds no object")
	}
	r := p.record(inner)
	r.Event.BatchID = envelope.MessageID
	return []provider.Result{r}
}

func malformed(reason provider.Reason, detail string) []provider.Result {
	return []provider.Result{{Malformed: &provider.Malformed{Reason: reason, Detail: detail}}}
}

// record reads one record.
func (p *parser) record(o jsondoc.Object) (res provider.Result) {
	word := o.String("type")
	if word == "" {
		res.Malformed = provider.MissingType("type")
		return res
	}
	row := p.rows.Of(word)
	e := &res.Event
	*e = event.Event{
		Type: row.Type, Direction: event.Outbound, ProviderType: word,
		ProviderEventID: o.String("id"),
		OccurredAt:      provider.TakeTime(o, "created_at"),
		MessageID:       o.String("email_id"),
		Sender:          provider.Address(o.String("email_from")),
		Recipient:       provider.Address(o.String("email_to")),
	}
	r := reader{item: o, event: e}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = o.Rest(nil)
	res.NativeID, res.Derived = e.ProviderEventID, e.ProviderEventID == ""
	if res.Derived {
		res.NativeID = o.CanonicalHash()
	}
	return res
}

// common reads the reply, and of the mail's headers those that have a place.
func (r *reader) common() {
	s := event.SMTP{Response: r.item.Prose("email_response_message")}
	r.reply = smtpcode.Read(s.Response)
	if code, ok := r.item.Int("email_response_code", 200, 599); ok {
		r.reply.Code = code
	}
	s.Code, s.Enhanced = r.reply.Code, r.reply.Enhanced
	if s != (event.SMTP{}) {
		r.event.SMTP = &s
	}
	r.headers()
}

// headers looks for the subject and the Message-ID. The list stays in the metadata.
func (r *reader) headers() {
	list, ok := r.item.Member("email_headers")
	if !ok {
		return
	}
	for _, item := range list.Items() {
		header, _ := item.Object(false)
		switch strings.ToLower(header.Peek("key")) {
		case "subject":
			r.event.Subject = header.Peek("value")
		case "message-id":
			r.event.SMTPMessageID = provider.SMTPMessageID(header.Peek("value"))
		}
	}
}

// text is the reply's; "" if there is none.
func (r *reader) text() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// why takes the deprecated field, which says what the reply says.
func (r *reader) why() {
	if r.event.Reason = r.item.Prose("email_error"); r.event.Reason == "" {
		r.event.Reason = r.text()
	}
}

// deferred counts the attempts; the next one is in the metadata.
func (r *reader) deferred() {
	r.why()
	if n, ok := r.item.Int("email_try_count", 1, 1_000_000); ok {
		if r.event.SMTP == nil {
			r.event.SMTP = new(event.SMTP)
		}
		r.event.SMTP.Attempt = n
	}
}

// dropped: "definitively rejected by the destination server, or hard-bounced".
func (r *reader) dropped() { r.bounced(event.Hard, "") }

// notFound is dropped for the commonest reason.
func (r *reader) notFound() { r.bounced(event.Hard, event.InvalidRecipient) }

// spam: identified "by Scaleway or the destination server". A server that refused left
// a code, which says for how long; without one the mail did not get that far.
func (r *reader) spam() {
	if r.reply.Code/100 == 4 || r.reply.Code/100 == 5 || r.reply.Enhanced != "" {
		r.event.Type = event.Bounced
		r.bounced(event.UndeterminedClass, event.SpamContent)
		return
	}
	r.why()
	r.event.Type, r.event.Drop = event.Dropped, &event.Drop{Reason: event.DropSpam, Detail: r.event.Reason}
}

// bounced is final in any case.
func (r *reader) bounced(class event.BounceClass, category event.BounceCategory) {
	r.why()
	b := r.reply.Bounce(class, r.event.Reason)
	if category != "" {
		b.Category = category
	}
	b.WillRetry = new(false)
	r.event.Bounce = &b
}

// listed: an address was put on a blocklist.
func (r *reader) listed() {
	r.event.ProviderSubtype = r.item.String("blocklist_type")
	r.event.Reason = r.item.Prose("blocklist_reason")
}

// blocklisted: a mail was not sent because of a blocklist, which an earlier bounce
// made: both of its types are bounces.
func (r *reader) blocklisted() {
	r.listed()
	drop := event.Drop{Reason: event.DropSuppressed, Detail: r.event.Reason}
	switch r.event.ProviderSubtype {
	case "mailbox_full", "mailbox_not_found":
		drop.Reason = event.DropPreviousBounce
	}
	r.event.Drop = &drop
}
