package lettermint

import (
	"slices"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	data    jsondoc.Object
	reply   smtpcode.Reply
	event   *event.Event
	objects []jsondoc.Object // whose rest is metadata, outer ones first
}

// within reads an object of data. An empty one may be written [], and is nothing then.
func (r *reader) within(name string) jsondoc.Object {
	if v, ok := r.data.Member(name); ok && v.Kind() == '[' && v.Len() == 0 {
		r.data.Strings(name)
	}
	o := r.data.Object(name)
	r.objects = append(r.objects, o)
	return o
}

// common reads the fields that mean the same on every type that has them.
func (r *reader) common() {
	e, d := r.event, r.data
	e.MessageID = d.String("message_id")
	e.Sender = provider.Address(r.within("from").String("email"))
	e.Subject = d.Prose("subject")
	e.Reason = d.Prose("reason")
	if e.Recipient = provider.Address(d.String("recipient")); e.Recipient == "" {
		provider.TakeRecipients(d, "to", e)
	}
	r.within("metadata")
	r.tags()
	r.response()
}

// tags: one tag, or several of them, that are no longer than labels are.
func (r *reader) tags() {
	all := []string{r.data.String("tag")}
	if v, ok := r.data.Member("tags"); ok && len(v.Bytes()) <= jsondoc.MaxShort {
		all = append(all, r.data.Strings("tags")...)
	}
	for _, tag := range all {
		if tag != "" && !slices.Contains(r.event.Tags, tag) {
			r.event.Tags = append(r.event.Tags, tag)
		}
	}
}

// response is what the recipient's server said.
func (r *reader) response() {
	o := r.within("response")
	smtp := event.SMTP{Response: o.Prose("content")}
	read := smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = read.Code, read.Enhanced
	if code, ok := o.Int("status_code", 200, 599); ok {
		smtp.Code = code
	}
	o.TextIf("enhanced_status_code", func(text string) bool {
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

// said is what the server said, or else why Lettermint thinks it did.
func (r *reader) said() string {
	if r.event.SMTP != nil && r.event.SMTP.Response != "" {
		return r.event.SMTP.Response
	}
	return r.event.Reason
}

func (r *reader) hard() { r.event.Bounce = new(r.reply.Bounce(event.Hard, r.said())) }

// soft: whether it is tried again is not said.
func (r *reader) soft() { r.event.Bounce = new(r.reply.Bounce(event.Soft, r.said())) }

// canceled: taken back by the sender before its time.
func (r *reader) canceled() { r.dropped(event.DropOther) }

func (r *reader) suppressed() { r.dropped(event.DropSuppressed) }

// policy: the score and what it is made of stay in the metadata.
func (r *reader) policy() { r.dropped(dropReason(r.event.Reason)) }

func (r *reader) dropped(reason event.DropReason) {
	r.event.Drop = &event.Drop{Reason: reason, Detail: r.event.Reason}
}

// engaged: what makes Lettermint take a client for a bot stays in the metadata.
func (r *reader) engaged() {
	d := r.data
	g := event.Engagement{
		URL:       d.Prose("destination_url"),
		UserAgent: d.Prose("user_agent"),
		Client:    d.String("client_name"),
		Bot:       r.within("bot").Bool("detected"),
		First:     d.Bool("first_open"),
	}
	if g.First == nil {
		g.First = d.Bool("first_click")
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// replied: who answered is whom the mail went to. The answer stays in the metadata.
func (r *reader) replied() {
	if v, ok := r.data.Member("auto_reply"); ok && r.event.Recipient == "" {
		o, _ := v.Object(false)
		r.event.Recipient = provider.Address(o.Peek("sender"))
	}
}

// listed is an address on the suppression list, where it is one.
func (r *reader) listed() {
	if r.data.Peek("type") == "email" {
		r.event.Recipient = provider.Address(r.data.String("value"))
	}
}
