package vocabulary

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// enhanced takes the first of several members that is an enhanced status code.
func enhanced(o jsondoc.Object, names ...string) (code string) {
	for _, name := range names {
		if o.TextIf(name, func(text string) bool { code = text; return smtpcode.Enhanced(text) }) {
			return code
		}
	}
	return ""
}

// number takes the first of several members that is a whole number in a range.
func number(o jsondoc.Object, low, high int, names ...string) int {
	for _, name := range names {
		if n, ok := o.Int(name, low, high); ok {
			return n
		}
	}
	return 0
}

// readSMTP reads the canonical form.
func readSMTP(o jsondoc.Object) event.SMTP {
	return event.SMTP{
		Code: number(o, 200, 599, "code"), Enhanced: enhanced(o, "enhanced"), Response: o.Prose("response"),
		MX: o.String("mx"), Remote: o.String("remote"), Attempt: number(o, 1, 1<<20, "attempt"),
	}
}

// outcome reads what only some types have.
func (r *reading) outcome(m Meaning) {
	e := &r.event
	reply := smtpcode.Read(e.SMTP.Response)
	if e.SMTP.Code == 0 {
		e.SMTP.Code = reply.Code
	}
	if e.SMTP.Enhanced == "" {
		e.SMTP.Enhanced = reply.Enhanced
	}
	switch e.Type { //nolint:exhaustive // the others have nothing more
	case event.Bounced:
		r.bounce(m.Class)
	case event.Dropped:
		r.drop(m.Drop)
	case event.Complained:
		if t := first(r.data, "complaint_type", "feedback_type", "complaint_feedback_type"); t != "" {
			e.Complaint = &event.Complaint{Type: t}
		}
	case event.Opened, event.Clicked, event.Unsubscribed:
		r.engagement()
	}
	if *e.SMTP == (event.SMTP{}) {
		e.SMTP = nil
	}
}

// bounce reads why a message came back. What the sender calls it is worth more than
// the codes, and the word of the type more than the data.
func (r *reading) bounce(said event.BounceClass) {
	e, o := &r.event, r.part("bounce")
	kind := first(o, "type", "class")
	if kind == "" {
		kind = first(r.data, "bounce_type", "bounce_class", "bounce_classification")
	}
	sub := first(o, "sub_type", "category")
	if sub == "" {
		sub = first(r.data, "bounce_sub_type", "bounce_category")
	}
	if e.Reason == "" {
		e.Reason = prose(o, "message", "reason", "description")
	}
	e.ProviderSubtype = strings.Trim(kind+"/"+sub, "/")
	if kind == "" || sub == "" {
		e.ProviderSubtype = kind + sub
	}
	if said == "" {
		said = r.classes[jsondoc.Fold(kind)]
	}
	text := e.SMTP.Response
	if text == "" {
		text = e.Reason
	}
	b := smtpcode.Reply{Code: e.SMTP.Code, Enhanced: e.SMTP.Enhanced}.Bounce(said, text)
	if c := event.BounceCategory(strings.ToLower(sub)); c.Valid() {
		b.Category = c
	}
	b.WillRetry = flag(o, "will_retry")
	if b.WillRetry == nil {
		b.WillRetry = flag(r.data, "will_retry")
	}
	e.Bounce = &b
}

// drop reads why a message was not handed over.
func (r *reading) drop(said event.DropReason) {
	e := &r.event
	d := event.Drop{Reason: said, Detail: e.Reason}
	for _, name := range []string{"drop_reason", "reject_reason", "rejection_reason"} {
		r.data.TextIf(name, func(text string) bool {
			known, ok := r.drops[jsondoc.Fold(text)]
			if ok && d.Reason == "" {
				d.Reason = known
				return true
			}
			return false
		})
	}
	if d.Reason == "" {
		d.Reason = r.drops[jsondoc.Fold(e.Reason)]
	}
	if d.Reason == "" {
		d.Reason = event.DropOther
	}
	e.Drop = &d
}

// engagement reads who opened or clicked, and what.
func (r *reading) engagement() {
	var g event.Engagement
	for _, name := range []string{"engagement", "click", "open"} {
		if o := r.part(name); !o.IsZero() {
			fill(&g, o)
		}
	}
	fill(&g, r.data)
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// fill takes what an engagement does not say yet.
func fill(g *event.Engagement, o jsondoc.Object) {
	for _, f := range []struct {
		to    *string
		names []string
	}{
		{&g.URL, []string{"url", "link", "clicked_url", "click_url", "target_url", "href"}},
		{&g.IP, []string{"ip", "ip_address", "ip_addr", "client_ip"}},
		{&g.UserAgent, []string{"user_agent", "ua"}},
		{&g.Country, []string{"country", "country_code"}},
		{&g.Client, []string{"client", "email_client", "client_name"}},
	} {
		if *f.to == "" {
			*f.to = engaged(o, f.names)
		}
	}
	if g.Bot == nil {
		g.Bot = flag(o, "bot", "is_bot", "machine_open")
	}
	if g.First == nil {
		g.First = flag(o, "first", "first_open", "first_click")
	}
}

// engaged takes a link or a user agent, which may be long, or a short text; nothing
// that is longer than its field may be.
func engaged(o jsondoc.Object, names []string) string {
	switch names[0] {
	case "url", "user_agent":
		return prose(o, names...)
	}
	return first(o, names...)
}
