package mandrill

import (
	"cmp"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read: o with msg in it and the sender's own metadata
// in that, or the entry of a list.
type reader struct {
	o, msg, own, entry jsondoc.Object
	reply              smtpcode.Reply
	event              *event.Event
}

// item reads one event; its content is its identity.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		word = o.String("type")
	}
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:         row.Type,
		Direction:    event.Outbound,
		ProviderType: word,
		OccurredAt:   provider.TakeTime(o, "ts"),
	}
	r := reader{o: o, msg: o.Object("msg"), event: e}
	r.message()
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(o, r.msg, r.entry, r.own)
	return "", nil
}

// message reads what the message says on every type.
func (r *reader) message() {
	e, msg := r.event, r.msg
	e.MessageID = msg.String("_id")
	if id := r.o.Peek("_id"); e.MessageID == "" || id == e.MessageID {
		e.MessageID = cmp.Or(r.o.String("_id"), e.MessageID)
	}
	e.Recipient = provider.Address(msg.String("email"))
	if e.Type != event.Received { // which has it in from_email
		e.Sender = provider.Address(msg.String("sender"))
	}
	e.Subject = msg.Prose("subject")
	e.Tags = provider.TakeTags(msg, "tags")
	e.Test = strings.HasPrefix(e.MessageID, "example")
	for _, name := range []string{"metadata", "opens", "clicks", "resends", "smtp_events"} {
		dropEmpty(msg, name)
	}
	r.own = msg.Object("metadata")
	r.dialogue()
}

// dropEmpty takes an array with nothing in it, which says nothing.
func dropEmpty(o jsondoc.Object, name string) {
	if list, ok := o.Member(name); ok && list.Kind() == '[' && list.Len() == 0 {
		o.Objects(name)
	}
}

// dialogue reads what the recipient's server said: diag, else that of the last of the
// smtp_events, which stay for the metadata.
func (r *reader) dialogue() {
	smtp := event.SMTP{Response: r.msg.Prose("diag")}
	if list, ok := r.msg.Member("smtp_events"); ok {
		for _, v := range list.Items() {
			if last, ok := v.Object(false); ok {
				smtp.Remote = last.Peek("destination_ip")
				if diag := last.Peek("diag"); r.event.Type != event.Bounced && diag != "" {
					smtp.Response = diag
				}
			}
		}
	}
	r.reply = smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = r.reply.Code, r.reply.Enhanced
	if smtp != (event.SMTP{}) {
		r.event.SMTP = new(smtp)
	}
}

func (r *reader) hardBounce() { r.bounced(event.Hard) }
func (r *reader) softBounce() { r.bounced(event.Soft) }

// bounced: the type says the class, the description or the reply why. Mandrill "stops
// attempting delivery" after either.
func (r *reader) bounced(said event.BounceClass) {
	e := r.event
	e.ProviderSubtype = r.msg.String("bounce_description")
	text := ""
	if e.SMTP != nil {
		text = e.SMTP.Response
	}
	b := r.reply.Bounce(said, text)
	b.Category = cmp.Or(categoryOf(e.ProviderSubtype), b.Category)
	b.WillRetry = new(false)
	e.Bounce, e.Reason = new(b), text
}

// engaged: location and user_agent_parsed say more than there are fields for, and stay
// for the metadata as well.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.o.Prose("url"),
		IP:        r.o.String("ip"),
		UserAgent: r.o.Prose("user_agent"),
		Country:   provider.PeekIn(r.o, "location", "country_short"),
		Client:    provider.PeekIn(r.o, "user_agent_parsed", "ua_family"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

func (r *reader) spam() { r.event.Complaint = &event.Complaint{Type: "abuse"} }

// reject: Mandrill did not try, mostly since the address is on the deny list.
func (r *reader) reject() {
	r.entry = r.msg.Object("reject")
	reason := r.entry.String("reason")
	r.event.ProviderSubtype, r.event.Reason = reason, r.entry.Prose("detail")
	r.event.Drop = &event.Drop{Reason: dropOf(reason), Detail: cmp.Or(r.event.Reason, reason)}
}

// inbound: a mail that came in. Its texts, headers and attachments are in the metadata.
func (r *reader) inbound() {
	e := r.event
	e.Direction = event.Inbound
	e.Sender = provider.Address(r.msg.String("from_email"))
	e.SMTPMessageID = provider.SMTPMessageID(provider.PeekIn(r.msg, "headers", "Message-Id"))
}

// denied: an address was put on the deny list, changed there or taken off. Only who is
// on it is suppressed.
func (r *reader) denied() {
	r.entry = r.o.Object("reject")
	r.list()
	if strings.HasPrefix(r.event.ProviderSubtype, "remove") {
		r.event.Type = event.Unknown
	}
}

func (r *reader) allowed() {
	r.entry = r.o.Object("entry")
	r.list()
}

// list reads what the entries of both lists say.
func (r *reader) list() {
	e := r.event
	e.ProviderSubtype = r.o.String("action")
	if reason := r.entry.String("reason"); reason != "" {
		e.ProviderSubtype += "/" + reason
	}
	if r.msg.IsZero() {
		e.Recipient = provider.Address(r.entry.String("email"))
		e.Sender = provider.Address(r.entry.String("sender"))
	}
	e.Reason = r.entry.Prose("detail")
}
