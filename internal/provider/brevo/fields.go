package brevo

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
	o     jsondoc.Object
	event *event.Event
}

// item reads one event; its content is its identity.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(jsondoc.Fold(word))
	*e = event.Event{
		Type:         row.Type,
		Family:       row.Type.Family(),
		Direction:    event.Outbound,
		ProviderType: word,
		OccurredAt:   takeTime(o),
		MessageID:    provider.SMTPMessageID(o.Text("message-id")),
		BatchID:      o.Text("camp_id"),
		Sender:       provider.Address(o.String("sender_email")),
		Subject:      o.Prose("subject"),
		Tags:         takeTags(o),
		Reason:       o.Prose("reason"),
	}
	provider.TakeRecipients(o, "email", e)
	if strings.Contains(e.MessageID, "@") { // else it is a key of Brevo's own
		e.SMTPMessageID = e.MessageID
	}
	r := reader{o, e}
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.OwnMetadata(o, "X-Mailin-custom")
	return "", nil
}

// takeTime takes ts_epoch where it is what it is said to be, else ts_event.
func takeTime(o jsondoc.Object) event.Time {
	if t := provider.TakeMillis(o, "ts_epoch"); !t.IsZero() {
		return t
	}
	return provider.TakeTime(o, "ts_event")
}

// takeTags takes the tags: an array, or a string, or a string with an array in it. A tag
// that says what the tags say, or nothing, is taken as well.
func takeTags(o jsondoc.Object) []string {
	tags := provider.TakeTags(o, "tags")
	if tags != nil {
		return tags
	}
	text := o.Peek("tag")
	doc, err := jsondoc.Parse([]byte(`{"tag":` + text + `}`))
	if err != nil {
		return provider.TakeTags(o, "tag")
	}
	defer doc.Release()
	inner, _ := doc.Root().Object(false)
	list, ok := inner.Member("tag")
	if !ok || list.Kind() != '[' || len(list.Bytes()) != len(strings.TrimSpace(text)) {
		return provider.TakeTags(o, "tag")
	}
	if tags = provider.TakeTags(inner, "tag"); tags != nil {
		o.String("tag")
	}
	return tags
}

// reply reads the codes of the server's answer, where the reason is one.
func (r *reader) reply() { r.read() }

func (r *reader) read() smtpcode.Reply {
	reply := smtpcode.Read(r.event.Reason)
	if reply != (smtpcode.Reply{}) {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: r.event.Reason}
	}
	return reply
}

func (r *reader) softBounce() { r.bounced(event.Soft, "") }
func (r *reader) hardBounce() { r.bounced(event.Hard, "") }
func (r *reader) invalid()    { r.bounced(event.Hard, event.InvalidRecipient) }

// bounced: the type says the class. Whether a soft bounce is tried again is not said; it
// is "deferred" that will be.
func (r *reader) bounced(said event.BounceClass, category event.BounceCategory) {
	reply := r.read()
	b := reply.Bounce(said, r.event.Reason)
	b.Category = cmp.Or(category, b.Category)
	if said == event.Hard {
		b.WillRetry = new(false)
	}
	r.event.Bounce = new(b)
}

// blocked: the recipient is on the list of those that Brevo does not send to.
func (r *reader) blocked() {
	r.event.Drop = &event.Drop{Reason: event.DropSuppressed, Detail: r.event.Reason}
}

func (r *reader) spam() { r.event.Complaint = &event.Complaint{Type: "abuse"} }

func (r *reader) opened()          { r.engaged(event.Engagement{}) }
func (r *reader) uniqueOpened()    { r.engaged(event.Engagement{First: new(true)}) }
func (r *reader) proxyOpen()       { r.engaged(event.Engagement{Bot: new(true)}) }
func (r *reader) uniqueProxyOpen() { r.engaged(event.Engagement{First: new(true), Bot: new(true)}) }

// click: transactional has the link, marketing the URL.
func (r *reader) click() {
	url := r.o.Prose("link")
	if url == "" {
		url = r.o.Prose("URL")
	}
	r.engaged(event.Engagement{URL: url})
}

func (r *reader) engaged(g event.Engagement) {
	g.UserAgent = r.o.Prose("user_agent")
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}
