package mailomat

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	payload jsondoc.Object
	reply   smtpcode.Reply
	event   *event.Event
	objects []jsondoc.Object // whose rest is metadata, outer ones first
}

// within reads an object of another.
func (r *reader) within(o jsondoc.Object, name string) jsondoc.Object {
	inner := o.Object(name)
	r.objects = append(r.objects, inner)
	return inner
}

// common reads the fields that mean the same on every type that has them.
func (r *reader) common() {
	e := r.event
	headers := r.within(r.within(r.payload, "message"), "headers")
	e.Sender = provider.Address(headers.String("from"))
	e.Subject = headers.Prose("subject")
	e.Reason = r.payload.Prose("reason")
	r.dialogue()
}

// dialogue is what the recipient's server said.
func (r *reader) dialogue() {
	status := r.within(r.payload, "delivery-status")
	remote := r.within(status, "remote")
	smtp := event.SMTP{
		Response: status.Prose("message"),
		MX:       remote.String("mx"),
		Remote:   remote.String("ip"),
	}
	smtp.Attempt, _ = status.Int("attempt-nr", 1, 1_000_000)
	read := smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = read.Code, read.Enhanced
	if code, ok := status.Int("code", 200, 599); ok {
		smtp.Code = code
	}
	status.TextIf("enhanced-code", func(text string) bool {
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

// said makes the server's words the reason where Mailomat gives none of its own.
func (r *reader) said() {
	if r.event.Reason == "" && r.event.SMTP != nil {
		r.event.Reason = r.event.SMTP.Response
	}
}

// bounced: failed "perm"anently.
func (r *reader) bounced() {
	r.said()
	b := r.reply.Bounce(event.Hard, r.event.Reason)
	b.WillRetry = new(false)
	r.event.Bounce = &b
}

func (r *reader) dropped() {
	r.event.Drop = &event.Drop{Reason: dropReason(r.event.Reason), Detail: r.event.Reason}
}

func (r *reader) engaged() {
	client := r.within(r.payload, "client")
	g := event.Engagement{
		URL:       r.payload.Prose("url"),
		IP:        client.String("ip"),
		UserAgent: client.Prose("user-agent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}
