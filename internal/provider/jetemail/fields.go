package jetemail

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	data  jsondoc.Object
	reply smtpcode.Reply
	event *event.Event
}

// item reads one webhook. The id is the native id; where it is missing the
// content is.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row, known := p.rows[word]
	if !known {
		row.typ = event.Unknown
	}
	*e = event.Event{
		Type:            row.typ,
		Family:          row.typ.Family(),
		Direction:       takeDirection(o, word),
		ProviderType:    word,
		ProviderEventID: o.String("id"),
		OccurredAt:      provider.TakeTime(o, "created_at"),
	}
	r := reader{data: o.Object("data"), event: e}
	r.common(at)
	if row.detail != nil {
		row.read(r)
	}
	if !known {
		e.Raw = o.Compact()
	}
	e.Metadata = r.data.Rest(o.Rest(nil))
	return e.ProviderEventID, nil
}

// takeDirection takes the service where it says what the direction says; a
// service that contradicts the type stays for the metadata.
func takeDirection(o jsondoc.Object, word string) (d event.Direction) {
	d = direction(word, "")
	o.TextIf("service", func(service string) bool {
		d = direction(word, service)
		return service == string(d)
	})
	return d
}

// read reads what a type has beyond the fields that all types share. It takes the
// reader by value, which then needs memory of its own only where there is such a thing.
func (row row) read(r reader) { row.detail(&r) }

// common reads the fields that mean the same on every type that has them.
func (r *reader) common(at provider.Place) {
	e, d := r.event, r.data
	e.MessageID = d.String("uid")
	e.Sender = provider.Address(d.String("from"))
	e.Recipient = provider.Address(d.String("to"))
	e.Subject = d.Prose("subject")
	e.Reason = d.Prose("reason")
	smtp := event.SMTP{MX: d.String("mx"), Remote: d.String("host"), Response: d.Prose("response")}
	r.reply = smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = r.reply.Code, r.reply.Enhanced
	e.SMTP = at.SMTP(smtp)
}

// response is the reply text; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// bounced: bounce_type decides the class where there is one ("rejected" has
// none), the reply's codes else. The page does not say whether a soft bounce is
// tried again, so WillRetry stays open.
func (r *reader) bounced() {
	said := event.UndeterminedClass
	r.event.ProviderSubtype = r.data.String("bounce_type")
	switch strings.ToLower(r.event.ProviderSubtype) {
	case "hard":
		said = event.Hard
	case "soft":
		said = event.Soft
	}
	r.event.Bounce = new(r.reply.Bounce(said, r.response()))
}

// spam: the score and its rules stay in the metadata.
func (r *reader) spam() { r.event.Drop = &event.Drop{Reason: event.DropSpam, Detail: r.response()} }

// virus: the response names what was found.
func (r *reader) virus() { r.refused(event.DropVirus) }

// blocked: the response is what the sender was told.
func (r *reader) blocked() { r.refused(event.DropPolicy) }

// refused is a drop whose response is the reason.
func (r *reader) refused(reason event.DropReason) {
	r.event.Drop = &event.Drop{Reason: reason, Detail: r.response()}
	if r.event.Reason == "" {
		r.event.Reason = r.response()
	}
}

// dropped: "due to policy or rate limiting", which of them only the words tell.
// The entity is the sender or recipient it was about.
func (r *reader) dropped() {
	reason := event.DropPolicy
	if rateLimited(r.event.Reason) {
		reason = event.DropRateLimit
	}
	r.event.Drop = &event.Drop{Reason: reason, Detail: r.event.Reason}
	kind, entity := r.data.Peek("entity_type"), provider.Address(r.data.Peek("entity_value"))
	switch {
	case kind == "from" && r.event.Sender == "":
		r.event.Sender = entity
	case kind == "to" && r.event.Recipient == "":
		r.event.Recipient = entity
	}
}

// rateLimited reports whether the words speak of a rate.
func rateLimited(text string) bool {
	text = strings.ToLower(text)
	for _, phrase := range []string{"rate limit", "rate-limit", "ratelimit", "rate_limit", "too many", "throttl", "quota"} {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// engaged: opened has a mail client, clicked a link; neither has an address of
// the client.
func (r *reader) engaged() {
	d := r.data
	g := event.Engagement{
		URL:       d.Prose("url"),
		UserAgent: d.Prose("user_agent"),
		Country:   d.String("country"),
		Client:    d.String("email_client"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}
