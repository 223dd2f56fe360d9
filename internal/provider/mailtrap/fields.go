package mailtrap

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	*parser
	item  jsondoc.Object
	event *event.Event
}

// item reads one event.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(jsondoc.Fold(word))
	*e = event.Event{
		Type:            row.Type,
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: o.String("event_id"),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
		MessageID:       o.String("message_id"),
		Recipient:       provider.Address(o.String("email")),
		Tags:            provider.TakeTags(o, "category"),
	}
	if row.Detail != nil {
		row.Detail(&reader{p, o, e})
	}
	e.Family = e.Type.Family()
	if row.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	variables := o.Object("custom_variables")
	e.Metadata = variables.Rest(o.Rest(nil))
	return e.ProviderEventID, nil
}

// responded reads the other server's reply, which may stand in brackets behind a
// word: "bounced (550 5.1.1 no such user)".
func (r *reader) responded() { r.reply() }

func (r *reader) reply() smtpcode.Reply {
	s := event.SMTP{Response: r.item.Prose("response")}
	words := s.Response
	if word, inside, ok := strings.Cut(words, " ("); ok && !strings.ContainsAny(word, " 0123456789") {
		words = strings.TrimSuffix(inside, ")")
	}
	reply := smtpcode.Read(words)
	if code, ok := r.item.Int("response_code", 200, 599); ok {
		reply.Code = code
	}
	s.Code, s.Enhanced = reply.Code, reply.Enhanced
	if s != (event.SMTP{}) {
		r.event.SMTP = &s
	}
	return reply
}

// softBounced will be tried again.
func (r *reader) softBounced() {
	r.refused(event.Soft, true)
	r.event.Type = r.retrying
}

// bounced: final, whatever the category.
func (r *reader) bounced() { r.refused(event.Hard, false) }

// refused reads why a message was not taken; the sub-type is the bounce category. The
// codes count where they name a cause.
func (r *reader) refused(class event.BounceClass, retry bool) {
	reply := r.reply()
	if r.event.SMTP != nil {
		r.event.Reason = r.event.SMTP.Response
	}
	r.event.ProviderSubtype = r.item.String("bounce_category")
	b := reply.Bounce(class, r.event.Reason)
	if b.Category == event.Generic || b.Category == event.Transient || b.Category == event.UndeterminedCategory {
		if c := r.categories[jsondoc.Fold(r.event.ProviderSubtype)]; c != "" && c != event.UndeterminedCategory {
			b.Category = c
		}
	}
	b.WillRetry = new(retry)
	r.event.Bounce = &b
}

// rejected: Mailtrap did not send it.
func (r *reader) rejected() {
	r.event.Reason = r.item.Prose("reason")
	r.event.Drop = &event.Drop{Reason: event.DropPolicy, Detail: r.event.Reason}
	words := strings.ToLower(r.event.Reason)
	for _, d := range drops() {
		if strings.Contains(words, d.phrase) {
			r.event.Drop.Reason = d.reason
			return
		}
	}
}

// suspended: the domain is looked at again.
func (r *reader) suspended() { r.event.Reason = r.item.Prose("reason") }

// engaged reads an open or a click.
func (r *reader) engaged() {
	g := event.Engagement{URL: r.item.Prose("url"), IP: r.item.String("ip"), UserAgent: r.item.Prose("user_agent")}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}
