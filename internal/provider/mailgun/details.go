package mailgun

import (
	"cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// rejected: Mailgun did not take the message, and says in words why.
func (r *reader) rejected() {
	reject := r.item.Object("reject")
	r.event.Reason = reject.Prose("reason")
	if r.event.Reason == "" {
		r.event.Reason = reject.Prose("description")
	}
	r.drop(event.DropPolicy)
	r.read = append(r.read, reject)
}

// failed: the severity decides whether it is tried again, the reason whether it was
// ever sent.
func (r *reader) failed() {
	e := r.event
	severity, word := r.item.Peek("severity"), r.item.Peek("reason")
	r.subtype(r.item.String("severity"), r.item.String("reason"))
	e.Reason = cmp.Or(r.status.Prose("description"), r.response())
	why := r.reasons[word]
	switch {
	case severity == "temporary":
		e.Type = event.Deferred
	case why.drop != "":
		r.dropFor(why)
	default:
		r.bounce(r.class(severity, why), why)
		if severity == "permanent" {
			e.Bounce.WillRetry = new(false)
		}
	}
}

// subtype is the provider's words for the kind of a failure.
func (r *reader) subtype(severity, reason string) {
	switch {
	case severity == "" || reason == "":
		r.event.ProviderSubtype = severity + reason
	default:
		r.event.ProviderSubtype = severity + "/" + reason
	}
}

// class is what Mailgun says of how long a refusal holds: the bounce type where there
// is one, else that a permanent failure is final; one that only grew old is not.
func (r *reader) class(severity string, why reason) event.BounceClass {
	switch kind := r.status.Peek("bounce-type"); {
	case kind == "hard":
		return event.Hard
	case kind == "soft" || why.expired:
		return event.Soft
	case severity == "permanent":
		return event.Hard
	}
	return ""
}

// bounce qualifies a refusal: by the reply, where that says nothing by the reason.
func (r *reader) bounce(class event.BounceClass, why reason) {
	b := r.reply.Bounce(class, cmp.Or(r.response(), r.event.Reason))
	if why.category != "" && (b.Category == event.UndeterminedCategory || b.Category == event.Generic || b.Category == event.Transient) {
		b.Category = why.category
	}
	r.event.Type, r.event.Bounce = event.Bounced, &b
}

// dropFor is a drop for a reason; Mailgun's own code may be more exact.
func (r *reader) dropFor(why reason) {
	why.drop = cmp.Or(r.drops[r.own], why.drop)
	r.drop(why.drop)
}

// drop says why nothing was handed over.
func (r *reader) drop(why event.DropReason) {
	r.event.Type = event.Dropped
	r.event.Drop = &event.Drop{Reason: why, Detail: r.event.Reason}
}

// response is the reply text; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// engaged: who opened or clicked, where and with what. The name of a bot stays in
// the metadata.
func (r *reader) engaged() {
	g := event.Engagement{
		IP:        r.item.String("ip"),
		URL:       r.item.Prose("url"),
		UserAgent: r.client.Prose("user-agent"),
		Client:    r.client.String("client-name"),
		Bot:       bot(r.client),
	}
	if r.place.Peek("country") != "unknown" {
		g.Country = r.place.String("country")
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// bot tells whether a machine did it: Mailgun names the bot, or the client's type is
// that of one. An empty name says that it was none.
func bot(client jsondoc.Object) *bool {
	name, named := client.Member("bot")
	switch {
	case client.Peek("bot") != "" || client.Peek("client-type") == robot:
		return new(true)
	case named && name.Kind() == '"' && string(name.Bytes()) == `""`:
		return new(false)
	}
	return nil
}
