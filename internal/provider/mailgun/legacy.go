package mailgun

import (
	"cmp"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// legacy reads the fields of the legacy form.
func (r *reader) legacy() {
	e, o := r.event, r.item
	e.ProviderEventID = o.String("token")
	dropSignature(o)
	e.Tags = append(provider.TakeTags(o, "tag"), provider.TakeTags(o, "X-Mailgun-Tag")...)
	r.legacyHeaders()
	for _, name := range []string{"Message-Id", "message-id"} {
		if id := provider.SMTPMessageID(o.Peek(name)); e.MessageID == "" || e.MessageID == id {
			e.MessageID = provider.SMTPMessageID(o.String(name))
		}
	}
	e.SMTPMessageID = e.MessageID
	r.status, r.client, r.place = o, o, o
	if e.Type == event.Bounced || e.Type == event.Dropped {
		r.smtp("error")
	}
}

// legacySignature is the field of a legacy form that no event has, not even one of a type
// nobody knows: it covers timestamp and token only, so that whoever has all three can
// sign what he likes. The current form has it outside of the event.
const legacySignature = "signature"

// dropSignature forgets what is one; what is none proves nothing and is kept.
func dropSignature(o jsondoc.Object) {
	o.TextIf(legacySignature, func(text string) bool {
		return len(text) == 64 && strings.Trim(text, "0123456789abcdefABCDEF") == ""
	})
}

// legacyHeaders looks into message-headers, a JSON array of pairs in a string, which
// stays in the metadata as it is.
func (r *reader) legacyHeaders() {
	var list []byte
	r.item.TextIf("message-headers", func(text string) bool {
		list = []byte(text)
		return false
	})
	doc, err := jsondoc.Parse(list)
	if err != nil {
		return
	}
	defer doc.Release()
	for _, pair := range doc.Root().Items() {
		if name, value, ok := header(pair); ok {
			r.legacyHeader(name, value)
		}
	}
}

// header returns one header: an array of its name and its text.
func header(pair jsondoc.Value) (name, value string, ok bool) {
	var both []string
	for _, v := range pair.Items() {
		both = append(both, plain(v))
	}
	if len(both) != 2 {
		return "", "", false
	}
	return strings.ToLower(both[0]), both[1], true
}

// plain is the text of a JSON string; "" for any other value.
func plain(v jsondoc.Value) string {
	doc, err := jsondoc.Parse([]byte(`{"v":` + string(v.Bytes()) + `}`))
	if err != nil {
		return ""
	}
	defer doc.Release()
	o, _ := doc.Root().Object(false)
	return o.Prose("v")
}

func (r *reader) legacyHeader(name, value string) {
	e := r.event
	switch name {
	case "message-id":
		if id := provider.SMTPMessageID(value); len(id) <= jsondoc.MaxShort {
			e.MessageID = id
		}
	case "from":
		if len(value) <= jsondoc.MaxShort {
			e.Sender = provider.Address(value)
		}
	case "subject":
		e.Subject = value
	}
}

// bounced: the legacy form reports hard bounces only.
func (r *reader) bounced() {
	r.event.Reason = cmp.Or(r.item.Prose("notification"), r.response())
	r.bounce(event.Hard, reason{})
	r.event.Bounce.WillRetry = new(false)
}

// dropped: "old" is a message that was tried for hours in vain, all others were not
// handed over.
func (r *reader) dropped() {
	word := r.item.String("reason")
	r.event.ProviderSubtype, r.event.Reason = word, r.item.Prose("description")
	why := r.reasons[word]
	if why.expired {
		r.bounce(event.Soft, why)
		r.event.Bounce.WillRetry = new(false)
		return
	}
	why.drop = cmp.Or(why.drop, event.DropOther)
	r.dropFor(why)
}
