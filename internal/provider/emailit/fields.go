package emailit

import (
	"cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	data    jsondoc.Object // the object the event is about
	reply   smtpcode.Reply
	event   *event.Event
	objects []jsondoc.Object // whose rest is metadata, outer ones first
}

// within reads an object of the object.
func (r *reader) within(name string) jsondoc.Object {
	o := r.data.Object(name)
	r.objects = append(r.objects, o)
	return o
}

// common reads the fields that mean the same on every type that has them. What a mail
// is called lies in the object, or in its email where that is an open or a click.
func (r *reader) common() {
	e, d := r.event, r.data
	mail := r.within("email")
	e.MessageID = first(member{d, "email_id"}, member{mail, "id"})
	if e.MessageID == "" {
		e.MessageID = mail.Text("id")
	}
	if e.MessageID == "" && d.Peek("object") == "email" {
		e.MessageID = d.String("id")
	}
	e.Sender = provider.Address(first(member{d, "from"}, member{mail, "mail_from"}, member{mail, "from"}))
	e.Recipient = provider.Address(first(member{d, "to"}, member{mail, "rcpt_to"}, member{mail, "to"}, member{d, "email"}))
	e.SMTPMessageID = provider.SMTPMessageID(mail.String("message_id"))
	e.Subject = first(member{d, "subject"}, member{mail, "subject"})
	r.within("meta")
	meta := mail.Object("meta")
	r.objects = append(r.objects, meta)
	r.when()
	r.dialogue()
}

// member is a place where a text may be.
type member struct {
	of   jsondoc.Object
	name string
}

// first takes the first text there is, and leaves the others.
func first(places ...member) string {
	for _, m := range places {
		if text := m.of.String(m.name); text != "" {
			return text
		}
	}
	return ""
}

// when takes the time of what happened: a mail's created_at is when it was made, so it
// comes last.
func (r *reader) when() {
	for _, name := range []string{"unsubscribed_at", "resubscribed_at", "timestamp", "updated_at", "created_at"} {
		if r.event.OccurredAt = provider.TakeTime(r.data, name); !r.event.OccurredAt.IsZero() {
			return
		}
	}
}

// dialogue is what the recipient's server said.
func (r *reader) dialogue() {
	smtp := event.SMTP{Response: r.data.Prose("smtp_response")}
	read := smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = read.Code, read.Enhanced
	if code, ok := r.data.Int("smtp_code", 200, 599); ok {
		smtp.Code = code
	}
	r.data.TextIf("smtp_enhanced_code", func(text string) bool {
		ok := smtpcode.Enhanced(text)
		if ok {
			smtp.Enhanced = text
		}
		return ok
	})
	r.reply = smtpcode.Reply{Code: smtp.Code, Enhanced: smtp.Enhanced}
	if smtp != (event.SMTP{}) {
		r.event.SMTP = &smtp
	}
}

// bounced: "hard bounce", and not tried again; there is no reply to say why.
func (r *reader) bounced() {
	text := r.event.Reason
	if r.event.SMTP != nil {
		text = r.event.SMTP.Response
	}
	b := r.reply.Bounce(event.Hard, text)
	b.WillRetry = new(false)
	r.event.Bounce = &b
}

// told is why, in the words of an older webhook.
func (r *reader) told() {
	r.event.ProviderSubtype = r.data.String("status")
	r.event.Reason = r.data.Prose("details")
}

func (r *reader) hardFailed() {
	r.told()
	r.bounced()
}

// returned: the mail came back later, without a word on why.
func (r *reader) returned() {
	r.told()
	r.event.Bounce = &event.Bounce{Class: event.UndeterminedClass, Category: event.UndeterminedCategory, WillRetry: new(false)}
}

// heldBack: "your account could be blocked, limited or under review".
func (r *reader) heldBack() {
	r.told()
	r.event.Drop = &event.Drop{Reason: event.DropPolicy, Detail: r.event.Reason}
}

// rejected: the workspace may not send to this recipient yet.
func (r *reader) rejected() { r.event.Drop = &event.Drop{Reason: event.DropPolicy} }

func (r *reader) suppressed() { r.event.Drop = &event.Drop{Reason: event.DropSuppressed} }

// stopped: taken back by the sender, or held back for a reason that is not said.
func (r *reader) stopped() { r.event.Drop = &event.Drop{Reason: event.DropOther} }

func (r *reader) engaged() {
	d := r.data
	g := event.Engagement{
		URL:       cmp.Or(r.within("link").Prose("url"), d.Prose("url")),
		IP:        d.String("ip_address"),
		UserAgent: d.Prose("user_agent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// listed is an address on the suppression list; type says which kind of it.
func (r *reader) listed() {
	r.event.ProviderSubtype = r.data.String("type")
	r.event.Reason = r.data.Prose("reason")
}
