package sweego

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
	reply   smtpcode.Reply
	event   *event.Event
	objects []jsondoc.Object // whose rest is metadata
}

// within reads an object of the webhook.
func (r *reader) within(name string) jsondoc.Object {
	o := r.data.Object(name)
	r.objects = append(r.objects, o)
	return o
}

// common reads the fields that mean the same on every type that has them. An SMS has
// no mail address.
func (r *reader) common() {
	e, o := r.event, r.data
	e.MessageID = o.String("swg_uid")
	if e.BatchID = o.String("transaction_id"); e.BatchID == "" {
		e.BatchID = r.within("headers").String("x-transaction-id")
	} else {
		r.within("headers")
	}
	if o.Peek("channel") != "sms" {
		e.Recipient = provider.Address(o.String("recipient"))
	}
	e.Subject = o.Prose("subject")
	r.tags("campaign_tags")
	r.tags("campaign_tag")
	r.dialogue()
}

// tags are one label, or an array of them, that are no longer than labels are.
func (r *reader) tags(name string) {
	if v, ok := r.data.Member(name); ok && len(v.Bytes()) <= jsondoc.MaxShort {
		r.event.Tags = append(r.event.Tags, provider.TakeTags(r.data, name)...)
	}
}

// dialogue is what the recipient's server said, at the end of a line of Sweego's log.
func (r *reader) dialogue() {
	smtp := event.SMTP{Response: said(r.data.Peek("details"))}
	read := smtpcode.Read(smtp.Response)
	smtp.Code, smtp.Enhanced = read.Code, read.Enhanced
	if code, ok := r.data.Int("response_code", 200, 599); ok {
		smtp.Code = code
	}
	r.data.TextIf("status", func(text string) bool {
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

// said is the reply in brackets at the end of a line: "… id=<…> (452 quota exceeded)".
func said(line string) string {
	inner, ok := strings.CutSuffix(line, ")")
	if !ok {
		return ""
	}
	for {
		_, rest, found := strings.Cut(inner, " (")
		if !found {
			return ""
		}
		if smtpcode.Read(rest).Code != 0 {
			return rest
		}
		inner = rest
	}
}

func (r *reader) soft() { r.bounced(event.Soft) }

func (r *reader) hard() { r.bounced(event.Hard) }

// bounced: whether it is tried again is not said.
func (r *reader) bounced(class event.BounceClass) {
	r.event.Reason = r.data.Prose("details")
	text := ""
	if r.event.SMTP != nil {
		text = r.event.SMTP.Response
	}
	r.event.Bounce = new(r.reply.Bounce(class, text))
}

func (r *reader) clicked() { r.engaged(r.within("click")) }

func (r *reader) opened() { r.engaged(r.within("open")) }

// engaged: "Human / Proxy open", so what is a proxy's is no human's.
func (r *reader) engaged(o jsondoc.Object) {
	g := event.Engagement{
		URL:       o.Prose("url"),
		IP:        o.String("ip_address"),
		UserAgent: o.Prose("user_agent"),
		Bot:       o.Bool("proxy"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// received: people are objects here. All recipients stay in the metadata; one is the
// event's too.
func (r *reader) received() {
	r.event.Sender = provider.Address(r.within("from_").String("email"))
	if v, ok := r.data.Member("to"); ok && v.Len() == 1 {
		for _, one := range v.Items() {
			to, _ := one.Object(false)
			r.event.Recipient = provider.Address(to.Peek("email"))
		}
	}
}
