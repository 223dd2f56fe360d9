package postmark

import (
	"cmp"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	o, geo jsondoc.Object
	event  *event.Event
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("RecordType")
	if word == "" && !isInbound(o) {
		return "", provider.MissingType("RecordType")
	}
	row := p.rows.Of(word)
	*e = event.Event{Type: row.Type, Direction: event.Outbound, ProviderType: word}
	r := reader{parser: p, o: o, event: e}
	own := o.Object("Metadata")
	if word == "" {
		row.Detail = (*reader).inbound
	}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family, e.Test = e.Type.Family(), simulated(e.Recipient)
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = own.Rest(r.geo.Rest(o.Rest(nil)))
	return cmp.Or(e.ProviderEventID, at.HeaderID("X-PM-Webhook-Trace-Id")), nil
}

// isInbound reports whether an object without RecordType is an inbound mail.
func isInbound(o jsondoc.Object) bool {
	from, ok := o.Member("FromFull")
	return ok && from.Kind() == '{'
}

// simulated reports whether a recipient is of the domain at which Postmark makes up
// bounces (https://postmarkapp.com/developer/user-guide/sandbox-mode/generate-fake-bounces).
func simulated(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return strings.EqualFold(domain, "bounce-testing.postmarkapp.com")
}

// common reads the fields that mean the same on every type that has them. Server and
// stream stay for the metadata.
func (r *reader) common() {
	e, o := r.event, r.o
	e.MessageID = o.String("MessageID")
	e.Recipient = provider.Address(o.String("Recipient"))
	e.Subject = o.Prose("Subject")
	if tag := o.String("Tag"); tag != "" {
		e.Tags = []string{tag}
	}
}

// reply takes Details, which is the answer of the recipient's server, and reads the
// codes in it. It may also be a sentence of Postmark's own, which has none.
func (r *reader) reply() smtpcode.Reply {
	text := r.o.Prose("Details")
	reply := smtpcode.Read(text)
	if text != "" {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: text}
	}
	return reply
}

func (r *reader) delivery() {
	r.event.OccurredAt = provider.TakeTime(r.o, "DeliveredAt")
	r.reply()
}

// failure reads what bounces and complaints share. Description says in general what
// the type means; Details is what the server said.
func (r *reader) failure() smtpcode.Reply {
	e, o := r.event, r.o
	e.ProviderSubtype = o.String("Type")
	e.ProviderEventID = o.Text("ID")
	e.OccurredAt = provider.TakeTime(o, "BouncedAt")
	e.Sender = provider.Address(o.String("From"))
	if e.Recipient == "" {
		e.Recipient = provider.Address(o.String("Email"))
	}
	e.Reason = o.Prose("Description")
	return r.reply()
}

func (r *reader) complaint() {
	r.failure()
	r.event.Complaint = &event.Complaint{Type: "abuse"}
}

// bounce: the type says what it is. One that is not on the list is a bounce all the
// same, of which the reply says what it can.
func (r *reader) bounce() {
	reply, e := r.failure(), r.event
	b, known := r.parser.bounces[e.ProviderSubtype]
	if !known {
		b.typ = event.Bounced
	}
	e.Type, e.Direction = b.typ, b.direction()
	if b.typ == event.Bounced {
		e.Bounce = new(reply.Bounce(b.class, r.response()))
		e.Bounce.WillRetry = b.retry
		e.Bounce.Category = cmp.Or(b.category, e.Bounce.Category)
	}
	if b.name == transient {
		e.Type = r.parser.retrying
	}
	if b.typ == event.Dropped {
		e.Drop = &event.Drop{Reason: b.drop, Detail: cmp.Or(r.response(), e.Reason)}
	}
	if b.typ == event.Complained {
		e.Complaint = &event.Complaint{Type: "abuse"}
	}
}

// response is the text of the reply; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// engaged reads what opens and clicks share. Client and Geo say more than there are
// fields for; the rest of them, OS and Platform are for the metadata.
func (r *reader) engaged(g event.Engagement) {
	r.event.OccurredAt = provider.TakeTime(r.o, "ReceivedAt")
	r.geo = r.o.Object("Geo")
	g.IP, g.Country = r.geo.String("IP"), r.geo.String("CountryISOCode")
	g.UserAgent = r.o.Prose("UserAgent")
	g.Client = provider.PeekIn(r.o, "Client", "Name")
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

func (r *reader) open() { r.engaged(event.Engagement{First: r.o.Bool("FirstOpen")}) }

func (r *reader) click() { r.engaged(event.Engagement{URL: r.o.Prose("OriginalLink")}) }

// change: sending to the address was switched off or on again. A suppression is the
// recipient's choice only where the recipient asked for it; those that follow a bounce
// or a complaint, or that the customer or Postmark made, are states of the address.
func (r *reader) change() {
	e, o := r.event, r.o
	e.OccurredAt = provider.TakeTime(o, "ChangedAt")
	e.ProviderSubtype = o.String("SuppressionReason")
	suppress, there := o.Member("SuppressSending") // which stays for the metadata
	switch origin := o.Peek("Origin"); {
	case there && suppress.Kind() == 'f':
		e.Type = event.Subscribed
	case !there || suppress.Kind() != 't':
		e.Type = event.Unknown
	case e.ProviderSubtype == "ManualSuppression" && origin != "Customer" && origin != "Admin":
		e.Type = event.Unsubscribed
	default:
		e.Type = event.Suppressed
	}
}

// inbound: a mail that came in. Its texts, headers and attachments are in the metadata,
// since there is nothing else that they could be part of. Date is the sender's.
func (r *reader) inbound() {
	e, o := r.event, r.o
	e.Type, e.Direction, e.ProviderType = event.Received, event.Inbound, recordInbound
	e.Sender = provider.Address(o.String("From"))
	e.Recipient = provider.Address(o.String("OriginalRecipient"))
	e.OccurredAt = provider.TakeTimeAs(o, "Date",
		"Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 -07:00", "2 Jan 2006 15:04:05 -0700")
}
