package postal

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser  *parser
	payload jsondoc.Object
	reply   smtpcode.Reply
	event   *event.Event
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(word)
	*e = event.Event{Type: row.Type, Direction: event.Outbound, ProviderType: word, ProviderEventID: o.String("uuid")}
	r := reader{parser: p, payload: o.Object("payload"), event: e}
	message := r.message()
	e.OccurredAt = provider.TakeTime(r.payload, "timestamp")
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = provider.TakeTime(o, "timestamp")
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Family = e.Type.Family()
	e.Metadata = message.Rest(r.payload.Rest(o.Rest(nil)))
	return e.ProviderEventID, nil
}

// message reads the message that the event is about; that of a bounce is the one
// that bounced, the mail that came back stays for the metadata.
func (r *reader) message() jsondoc.Object {
	m := r.payload.Object("message")
	if m.IsZero() {
		m = r.payload.Object("original_message")
	}
	e := r.event
	e.MessageID = m.Text("id")
	e.SMTPMessageID = provider.SMTPMessageID(m.String("message_id"))
	e.Recipient = provider.Address(m.String("to"))
	e.Sender = provider.Address(m.String("from"))
	e.Subject = m.Prose("subject")
	e.Tags = provider.TakeTags(m, "tag")
	m.TextIf("direction", func(word string) bool {
		if word == "incoming" && e.Type.Allowed(event.Inbound) {
			e.Direction = event.Inbound
			return true
		}
		return word == "outgoing"
	})
	return m
}

// sent: the details name the server that took the message, and are no reason.
func (r *reader) sent() { r.output() }

// delayed: tried again later.
func (r *reader) delayed() { r.attempt() }

// attempt reads what became of an attempt to deliver, and why.
func (r *reader) attempt() {
	r.event.Reason = r.payload.Prose("details")
	r.output()
}

// output reads the status, and the reply of an outgoing message's server. That of
// an incoming message is an endpoint's, which may be HTTP.
func (r *reader) output() {
	r.event.ProviderSubtype = r.payload.String("status")
	if r.event.Direction == event.Inbound {
		return
	}
	response := r.payload.Prose("output")
	r.reply = smtpcode.Read(response)
	if response != "" {
		r.event.SMTP = &event.SMTP{Code: r.reply.Code, Enhanced: r.reply.Enhanced, Response: response}
	}
}

// response is the reply text; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// failed: Postal's own decision, or it gave up after many attempts, or the remote
// server refused for good, which is what Postal calls a hard fail.
func (r *reader) failed() {
	r.attempt()
	if r.decided(r.parser.failures) {
		return
	}
	b := r.reply.Bounce(event.Hard, r.response())
	if strings.HasPrefix(r.event.Reason, "Maximum number of delivery attempts") {
		b = event.Bounce{Class: event.Soft, Category: event.Timeout, CodeAssumed: "4.4.7"}
	}
	b.WillRetry = new(false)
	r.event.Bounce = &b
}

// held: what is held is not sent; it lapses after seven days unless somebody
// releases it.
func (r *reader) held() {
	r.attempt()
	if !r.decided(r.parser.holds) {
		r.event.Drop = &event.Drop{Reason: event.DropOther, Detail: r.event.Reason}
	}
}

// decided applies the first decision of Postal's own whose words are in the details.
func (r *reader) decided(table []own) bool {
	for _, d := range table {
		if !strings.Contains(r.event.Reason, d.words) {
			continue
		}
		r.event.Type = d.typ
		if d.typ == event.Dropped {
			r.event.Drop = &event.Drop{Reason: d.drop, Detail: r.event.Reason}
		}
		return true
	}
	return false
}

// bounced: a mail came back later. Postal does not say what is in it.
func (r *reader) bounced() {
	r.event.Bounce = &event.Bounce{
		Class: event.UndeterminedClass, Category: event.UndeterminedCategory, WillRetry: new(false),
	}
}

// engaged: a click has an address, an open has none.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.payload.Prose("url"),
		IP:        r.payload.String("ip_address"),
		UserAgent: r.payload.Prose("user_agent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

// domain: the time of the check is that of the event.
func (r *reader) domain() { r.event.OccurredAt = provider.TakeTime(r.payload, "dns_checked_at") }
