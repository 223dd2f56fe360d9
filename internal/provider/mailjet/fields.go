package mailjet

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
	o      jsondoc.Object
	event  *event.Event
}

// item reads one event; its content is its identity.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:         row.Type,
		Direction:    event.Outbound,
		ProviderType: word,
		OccurredAt:   provider.TakeTime(o, "time"),
		MessageID:    takeMessage(o),
		BatchID:      takeCampaign(o),
		CustomerRef:  o.Text("CustomID"),
		Recipient:    provider.Address(o.String("email")),
	}
	r := reader{p, o, e}
	if row.Detail != nil {
		row.Detail(&r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.OwnMetadata(o, "Payload")
	return "", nil
}

// takeMessage takes the message's key, and its twin where that says the same.
func takeMessage(o jsondoc.Object) string {
	id := o.Text("MessageID")
	if id == "" {
		return o.Text("mj_message_id")
	}
	o.TextIf("mj_message_id", func(twin string) bool { return twin == id })
	return id
}

// takeCampaign takes the campaign, which is 0 for a message that is of none.
func takeCampaign(o jsondoc.Object) (id string) {
	o.TextIf("mj_campaign_id", func(text string) bool {
		if text == "0" || len(text) > jsondoc.MaxShort {
			return false
		}
		id = text
		return true
	})
	return id
}

// sent: smtp_reply is the answer in words of Mailjet's: "sent (250 2.0.0 OK …)".
func (r *reader) sent() {
	text := r.o.Prose("smtp_reply")
	if text == "" {
		return
	}
	reply := smtpcode.Read(strings.TrimPrefix(text, "sent ("))
	r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: text}
}

// engaged: a click has a url besides.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.o.Prose("url"),
		IP:        r.o.String("ip"),
		UserAgent: r.o.Prose("agent"),
		Country:   r.o.String("geo"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

// failure reads the error, which is listed under what it is related to.
func (r *reader) failure() (problem, bool) {
	related, name := r.o.String("error_related_to"), r.o.Prose("error")
	r.event.Reason = name
	r.event.ProviderSubtype = related
	if related != "" && name != "" && len(name) <= jsondoc.MaxShort {
		r.event.ProviderSubtype = related + "/" + name
	}
	known, ok := r.parser.problems[strings.ToLower(name)]
	return known, ok
}

// bounce: hard_bounce says whether it is for good. The comment, where there is one, is
// what the server said. A greylisted message is delivered again.
func (r *reader) bounce() {
	known, ok := r.failure()
	comment := r.o.Prose("comment")
	reply := smtpcode.Read(comment)
	if comment != "" {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: comment}
	}
	said := r.class()
	b := reply.Bounce(said, comment)
	if ok {
		b.Category = known.category
	}
	if said == event.Hard {
		b.WillRetry = new(false)
	}
	if known.name == "greylisted" && said != event.Hard {
		r.event.Type, b.Class, b.WillRetry = r.parser.retrying, event.Soft, new(true)
	}
	r.event.Bounce = new(b)
}

// class is what hard_bounce says, which stays for the metadata.
func (r *reader) class() event.BounceClass {
	hard, there := r.o.Member("hard_bounce")
	switch {
	case there && hard.Kind() == 't':
		return event.Hard
	case there && hard.Kind() == 'f':
		return event.Soft
	}
	return event.UndeterminedClass
}

// blocked: Mailjet did not try.
func (r *reader) blocked() {
	known, _ := r.failure()
	r.event.Drop = &event.Drop{Reason: cmp.Or(known.drop, event.DropOther), Detail: r.event.Reason}
}

// spam: source is the programme that reported it, and stays for the metadata.
func (r *reader) spam() { r.event.Complaint = &event.Complaint{Type: "abuse"} }
