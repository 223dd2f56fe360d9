package sparkpost

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	data    jsondoc.Object
	bounces map[string]bounceClass
	event   *event.Event
	inner   []jsondoc.Object // objects within, whose rest is metadata
}

// item reads one object of the batch: an event, or the test post's nothing.
func (p *parser) item(o jsondoc.Object, at provider.Place) []provider.Result {
	msys := o.Object("msys")
	if !msys.IsZero() && string(msys.Compact()) == "{}" {
		return nil
	}
	data, word := p.classed(msys)
	if word == "" {
		return []provider.Result{{Malformed: provider.MissingType("msys.….type")}}
	}
	var e event.Event
	r := reader{data: data, bounces: p.bounces, event: &e}
	r.read(p, word, at)
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = data.Rest(msys.Rest(o.Rest(nil)))
	for _, inner := range r.inner {
		e.Metadata = inner.Rest(e.Metadata)
	}
	return []provider.Result{{Event: e, NativeID: e.ProviderEventID}}
}

// classed takes the event out of its class; one that is new here is found by being
// the only one.
func (p *parser) classed(msys jsondoc.Object) (data jsondoc.Object, word string) {
	for _, class := range p.classes {
		if _, there := msys.Member(class); there {
			data = msys.Object(class)
			return data, data.String("type")
		}
	}
	if others := msys.Rest(nil); len(others) == 1 {
		for class := range others {
			data = msys.Object(class)
		}
	}
	return data, data.String("type")
}

// read reads the fields of all types, then those of this one.
func (r *reader) read(p *parser, word string, at provider.Place) {
	row, known := p.rows[word]
	if !known {
		row = unknown(word)
	}
	e, d := r.event, r.data
	e.Type, e.Direction, e.ProviderType = row.typ, row.direction, word
	e.ProviderEventID = d.Text("event_id")
	e.OccurredAt = provider.TakeTime(d, "timestamp")
	e.MessageID = d.Text("message_id")
	if id := at.Request.Header.Get("X-MessageSystems-Batch-ID"); len(id) <= jsondoc.MaxShort {
		e.BatchID = id
	}
	r.people()
	e.Subject = d.Prose("subject")
	e.Tags = provider.TakeTags(d, "rcpt_tags")
	r.inside("rcpt_meta")
	e.ProviderSubtype = d.Text("bounce_class")
	if row.detail != nil {
		row.detail(r)
	}
	e.Family = e.Type.Family()
}

// unknown is a type that the page does not have.
func unknown(word string) row {
	if strings.HasPrefix(word, "relay_") {
		return row{typ: event.Unknown, direction: event.Inbound}
	}
	return row{typ: event.Unknown, direction: event.Outbound}
}

// people: raw_rcpt_to is the recipient as sent, rcpt_to the same in lower case; the
// From header goes before the envelope's sender.
func (r *reader) people() {
	e, d := r.event, r.data
	e.Recipient = d.String("raw_rcpt_to")
	if e.Recipient == "" || strings.EqualFold(e.Recipient, d.Peek("rcpt_to")) {
		lower := d.String("rcpt_to")
		if e.Recipient == "" {
			e.Recipient = lower
		}
	}
	e.Recipient = provider.Address(e.Recipient)
	if e.Sender = provider.Address(d.String("friendly_from")); e.Sender == "" {
		e.Sender = provider.Address(d.String("msg_from"))
	}
}

// inside takes an object whose members are metadata, each by its own name.
func (r *reader) inside(name string) jsondoc.Object {
	o := r.data.Object(name)
	if !o.IsZero() {
		r.inner = append(r.inner, o)
	}
	return o
}

// because: why, in SparkPost's words. Without a remote server there is no reply.
func (r *reader) because() {
	if r.event.Reason = r.data.Prose("raw_reason"); r.event.Reason == "" {
		r.event.Reason = r.data.Prose("reason")
	}
}

// reply is the remote server's: raw_reason as it was, reason the same without what
// differs from host to host.
func (r *reader) reply() smtpcode.Reply {
	e, d := r.event, r.data
	e.Reason = d.Prose("reason")
	smtp := event.SMTP{Response: d.Prose("raw_reason"), Remote: d.String("ip_address")}
	if smtp.Response == "" {
		smtp.Response = e.Reason
	}
	smtp.Code, _ = d.Int("error_code", 200, 599)
	read := smtpcode.Read(smtp.Response)
	if smtp.Enhanced = read.Enhanced; smtp.Code == 0 {
		smtp.Code = read.Code
	}
	if smtp != (event.SMTP{}) {
		e.SMTP = new(smtp)
	}
	return smtpcode.Reply{Code: smtp.Code, Enhanced: smtp.Enhanced}
}

// refusal: the remote server said "not now", and SparkPost tries again.
func (r *reader) refusal() { r.reply() }

// bounced: "permanently rejected", in the dialogue or later; a class may say that it
// is something else that came back.
func (r *reader) bounced() {
	reply := r.reply()
	row := r.bounces[r.event.ProviderSubtype]
	if row.instead != "" {
		r.event.Type = row.instead
		return
	}
	b := reply.Bounce(row.class, r.event.Reason)
	if row.category != "" {
		b.Category = row.category
	}
	b.WillRetry = new(false)
	r.event.Bounce = &b
}

// dropped: SparkPost's own policy, of which a suppressed recipient is one case that
// only the words tell.
func (r *reader) dropped() {
	r.because()
	reason := event.DropPolicy
	if strings.Contains(strings.ToLower(r.event.Reason), "suppress") {
		reason = event.DropSuppressed
	}
	r.event.Drop = &event.Drop{Reason: reason, Detail: r.event.Reason}
}

// delivered counts the failed attempts before the one that succeeded.
func (r *reader) delivered() {
	smtp := event.SMTP{Remote: r.data.String("ip_address")}
	if failed, ok := r.data.Int("num_retries", 0, 1_000_000); ok {
		smtp.Attempt = failed + 1
	}
	if smtp != (event.SMTP{}) {
		r.event.SMTP = &smtp
	}
}

// complained: fbtype is the type of RFC 5965.
func (r *reader) complained() {
	if kind := r.data.String("fbtype"); kind != "" {
		r.event.Complaint = &event.Complaint{Type: kind}
	}
}

// engaged: a prefetched pixel or link is a machine's doing.
func (r *reader) engaged() {
	d := r.data
	agent, place := r.inside("user_agent_parsed"), r.inside("geo_ip")
	g := event.Engagement{
		URL:       d.Prose("target_link_url"),
		IP:        d.String("ip_address"),
		UserAgent: d.Prose("user_agent"),
		Bot:       agent.Bool("is_prefetched"),
		Client:    agent.String("agent_family"),
		Country:   place.String("country"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}
