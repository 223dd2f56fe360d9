package mailersend

import (
	"strings"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// ping is the event that asks whether the endpoint is there.
const ping = "webhook.test"

// reader is one event while it is read.
type reader struct {
	data   jsondoc.Object
	detail jsondoc.Object // meta, or morph of the nested generation
	event  *event.Event
	read   []jsondoc.Object // inner objects: what is left of them is metadata
}

// item reads one webhook; a ping is no event.
func (p *parser) item(o jsondoc.Object, _ provider.Place) []provider.Result {
	if o.Peek("type") == ping {
		return nil
	}
	var r provider.Result
	r.NativeID, r.Malformed = p.event(o, &r.Event)
	return []provider.Result{r}
}

func (p *parser) event(o jsondoc.Object, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:         row.Type,
		Family:       row.Type.Family(),
		Direction:    direction(word),
		ProviderType: word,
	}
	r := reader{data: o.Object("data"), event: e}
	if e.OccurredAt = takeTime(r.data); e.OccurredAt.IsZero() {
		e.OccurredAt = takeTime(o)
	}
	if strings.HasPrefix(word, "activity.") {
		e.ProviderEventID = r.data.String("id")
	}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if row.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = r.data.Rest(o.Rest(nil))
	for _, inner := range r.read {
		e.Metadata = inner.Rest(e.Metadata)
	}
	return e.ProviderEventID, nil
}

// takeTime takes created_at: RFC 3339, or without zone.
func takeTime(o jsondoc.Object) event.Time {
	return provider.TakeTimeAs(o, "created_at", time.RFC3339Nano, time.DateTime)
}

// common reads the fields that mean the same on every event that has them, of both
// generations.
func (r *reader) common() {
	e, d := r.event, r.data
	e.MessageID = d.String("message_id")
	if person(e.ProviderType) {
		e.Recipient = provider.Address(d.String("email"))
	}
	e.Subject = d.Prose("subject")
	e.Tags = provider.TakeTags(d, "tags")
	r.nested(d.Object("email"))
	if r.detail = d.Object("morph"); r.detail.IsZero() {
		r.detail = d.Object("meta")
	}
	r.read = append(r.read, r.detail)
	if e.Recipient == "" {
		r.recipient(d.Object("recipient"))
	}
}

// person reports whether an event's address is that of a recipient; other events have
// that of a sender identity or of one that was verified.
func person(word string) bool {
	return strings.HasPrefix(word, "activity.") || strings.HasPrefix(word, "recipient.")
}

// nested reads the message of the nested generation.
func (r *reader) nested(email jsondoc.Object) {
	if email.IsZero() {
		return
	}
	e := r.event
	r.read = append(r.read, email)
	message := email.Object("message")
	r.read = append(r.read, message)
	e.Sender = provider.Address(email.String("from"))
	if e.MessageID == "" {
		e.MessageID = message.String("id")
	}
	if e.Subject == "" {
		e.Subject = email.Prose("subject")
	}
	if e.Tags == nil {
		e.Tags = provider.TakeTags(email, "tags")
	}
	r.recipient(email.Object("recipient"))
}

// recipient reads an object that stands for one.
func (r *reader) recipient(o jsondoc.Object) {
	r.event.Recipient = provider.Address(o.String("email"))
	r.read = append(r.read, o)
}

// reason reads the words of what happened, wherever they are.
func (r *reader) reason() {
	for _, o := range []jsondoc.Object{r.detail, r.data} {
		if r.event.Reason == "" {
			r.event.Reason = o.Prose("reason")
		}
	}
}

// failure reads why a message was not taken: the other server's words, or
// MailerSend's about it.
func (r *reader) failure() {
	r.reason()
	if reply := smtpcode.Read(r.event.Reason); reply != (smtpcode.Reply{}) {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: r.event.Reason}
	}
}

func (r *reader) softBounced() { r.bounced(event.Soft) }

func (r *reader) hardBounced() { r.bounced(event.Hard) }

// bounced: the type says for how long, the words why.
func (r *reader) bounced(class event.BounceClass) {
	r.failure()
	b := smtpcode.Read(r.event.Reason).Bounce(class, r.event.Reason)
	r.event.Bounce = &b
}

// suppressed: the address was on a list, nothing was sent.
func (r *reader) suppressed() { r.dropped(event.DropSuppressed) }

// rejected: MailerSend did not take a message that came in.
func (r *reader) rejected() { r.dropped(event.DropPolicy) }

func (r *reader) dropped(why event.DropReason) {
	r.reason()
	r.event.Drop = &event.Drop{Reason: why, Detail: r.event.Reason}
}

// engaged reads an open or a click.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.detail.Prose("url"),
		IP:        r.detail.String("ip"),
		UserAgent: r.detail.Prose("user_agent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// engagedFirst reads the copy that says it was the first.
func (r *reader) engagedFirst() {
	r.engaged()
	if r.event.Engagement == nil {
		r.event.Engagement = new(event.Engagement)
	}
	r.event.Engagement.First = new(true)
}
