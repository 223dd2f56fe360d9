package mailgun

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read. In the legacy form status and client are
// the item itself, which has their fields.
type reader struct {
	*parser
	item, status, client, place jsondoc.Object
	reply                       smtpcode.Reply
	own                         int // Mailgun's own code, 0 if there is none
	event                       *event.Event
	read                        []jsondoc.Object // inner objects: what is left of them is metadata
}

// item reads an event-data object, or a legacy form.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(word)
	time := text(o, "timestamp")
	*e = event.Event{
		Type:         row.Type,
		Direction:    direction(row.Type),
		ProviderType: word,
		OccurredAt:   provider.TakeTime(o, "timestamp"),
		Recipient:    provider.Address(o.String("recipient")),
	}
	r := reader{parser: p, item: o, event: e}
	id := r.common(time)
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.CompactExcept(legacySignature)
	}
	e.Metadata = o.Rest(nil)
	for _, inner := range r.read {
		e.Metadata = inner.Rest(e.Metadata)
	}
	return id, nil
}

// common reads what is the same for all events of a generation. It returns the
// native id: an id of the current form is unique within a day, the token of a legacy
// form for good.
func (r *reader) common(time string) string {
	if r.item.Peek("token") != "" { // an "id" beside it is a variable of the sender's
		r.legacy()
		return r.event.ProviderEventID
	}
	r.current()
	if r.event.ProviderEventID == "" || time == "" {
		return r.event.ProviderEventID
	}
	return r.event.ProviderEventID + "/" + time
}

// text is a string or number as sent, not taken.
func text(o jsondoc.Object, name string) (found string) {
	o.TextIf(name, func(text string) bool {
		if len(text) <= jsondoc.MaxShort {
			found = text
		}
		return false
	})
	return found
}

// current reads the fields of the current form.
func (r *reader) current() {
	e, o := r.event, r.item
	e.ProviderEventID = o.String("id")
	e.Tags = provider.TakeTags(o, "tags")
	flags, envelope, message := o.Object("flags"), o.Object("envelope"), o.Object("message")
	if test := flags.Bool("is-test-mode"); test != nil {
		e.Test = *test
	}
	headers := message.Object("headers")
	r.headers(headers)
	if e.Sender == "" {
		e.Sender = provider.Address(envelope.String("sender"))
	}
	r.status, r.client, r.place = o.Object("delivery-status"), o.Object("client-info"), o.Object("geolocation")
	r.smtp("message")
	r.read = []jsondoc.Object{flags, envelope, message, headers, r.status, r.client, r.place, o.Object("user-variables")}
}

// headers reads the headers of the message.
func (r *reader) headers(h jsondoc.Object) {
	e := r.event
	e.MessageID = provider.SMTPMessageID(h.String("message-id"))
	e.SMTPMessageID = e.MessageID
	e.Sender = provider.Address(h.String("from"))
	e.Subject = h.Prose("subject")
}

// smtp reads the codes of the other server, and its words in the member called words.
func (r *reader) smtp(words string) {
	s := event.SMTP{Response: r.status.Prose(words), MX: r.status.String("mx-host")}
	r.reply = smtpcode.Read(s.Response)
	s.Code, s.Enhanced = r.reply.Code, r.reply.Enhanced
	r.status.TextIf("code", func(text string) bool { return r.code(&s, text) })
	r.status.TextIf("enhanced-code", func(text string) bool { return takeEnhanced(&s, text) })
	if n, ok := r.status.Int("attempt-no", 1, 1_000_000); ok {
		s.Attempt = n
	}
	r.reply = smtpcode.Reply{Code: s.Code, Enhanced: s.Enhanced}
	if s != (event.SMTP{}) {
		r.event.SMTP = &s
	}
}

// code reads a code: an SMTP reply code, whose second digit is 0 to 5 (RFC 5321
// section 4.2.1), or an enhanced code as in the legacy form. Any other is Mailgun's own.
func (r *reader) code(s *event.SMTP, text string) bool {
	if smtpcode.Enhanced(text) {
		return takeEnhanced(s, text)
	}
	if len(text) != 3 {
		return false
	}
	n := 0
	for i := range 3 {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
		n = n*10 + int(text[i]-'0')
	}
	if n < 200 || n > 559 || n/10%10 > 5 {
		r.own = n
		return false
	}
	s.Code = n
	return true
}

// takeEnhanced takes an enhanced code, which goes before one in the words.
func takeEnhanced(s *event.SMTP, text string) bool {
	if !smtpcode.Enhanced(text) {
		return false
	}
	s.Enhanced = text
	return true
}
