package resend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	data   jsondoc.Object
	event  *event.Event
	inner  []jsondoc.Object // objects within data
}

// within reads an object of data; what nobody takes of it is metadata.
func (r *reader) within(name string) jsondoc.Object {
	o := r.data.Object(name)
	r.inner = append(r.inner, o)
	return o
}

// common reads the fields that mean the same on every type that has them.
func (r *reader) common() {
	e, d := r.event, r.data
	e.MessageID = d.String("email_id")
	e.SMTPMessageID = provider.SMTPMessageID(d.String("message_id"))
	e.BatchID = d.String("broadcast_id")
	e.Sender = provider.Address(d.String("from"))
	e.Subject = d.Prose("subject")
	provider.TakeRecipients(d, "to", e)
	e.Test = e.Direction == event.Outbound && simulated(e)
	r.tags()
}

// simulated reports whether a mail went to nobody but Resend's test addresses, which
// may have a label: delivered+label@resend.dev
// (https://resend.com/docs/dashboard/emails/send-test-emails).
func simulated(e *event.Event) bool {
	people := e.Recipients
	if e.Recipient != "" {
		people = []string{e.Recipient}
	}
	for _, address := range people {
		local, domain, _ := strings.Cut(strings.ToLower(address), "@")
		name, _, _ := strings.Cut(local, "+")
		if domain != "resend.dev" || !slices.Contains([]string{"delivered", "bounced", "complained", "suppressed"}, name) {
			return false
		}
	}
	return len(people) > 0
}

// tags are pairs, written as an object or as an array of {name, value}: a label each,
// "name=value". Ones that are longer than labels are stay for the metadata.
func (r *reader) tags() {
	if v, ok := r.data.Member("tags"); !ok || len(v.Bytes()) > jsondoc.MaxShort {
		return
	}
	for _, tag := range r.data.Objects("tags") {
		r.inner = append(r.inner, tag)
		if name, value := tag.Text("name"), tag.Text("value"); name+value != "" {
			r.event.Tags = append(r.event.Tags, name+"="+value)
		}
	}
	for name, value := range r.data.Object("tags").Rest(nil) {
		r.event.Tags = append(r.event.Tags, name+"="+value)
	}
	slices.Sort(r.event.Tags)
}

// bounced: the labels decide the class, and why where they say it; the server's
// replies do else.
func (r *reader) bounced() {
	e, o := r.event, r.within("bounce")
	typ, sub := o.String("type"), o.String("subType")
	e.ProviderSubtype = strings.Trim(typ+"/"+sub, "/")
	e.Reason = o.Prose("message")
	response := strings.Join(o.Strings("diagnosticCode"), "\n")
	reply := smtpcode.Read(response)
	if response != "" {
		e.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: response}
	}
	row, known := r.parser.subTypes[subKey{typ, sub}]
	if row.dropped || !known && strings.Contains(e.Reason, "suppressed sending") {
		e.Type = event.Dropped
		e.Drop = &event.Drop{Reason: event.DropSuppressed, Detail: e.Reason}
		return
	}
	b := reply.Bounce(cmp.Or(r.parser.classes[typ], event.UndeterminedClass), response)
	if known && (row.specific || response == "") {
		b.Category = row.category
		if reply.Enhanced == "" {
			b.CodeAssumed = row.code
		}
	}
	e.Bounce = &b
}

// clicked: the click's own time stays in the metadata; the event's is the outer one.
func (r *reader) clicked() {
	o := r.within("click")
	g := event.Engagement{URL: o.Prose("link"), IP: o.String("ipAddress"), UserAgent: o.Prose("userAgent")}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

func (r *reader) failed() { r.event.Reason = r.within("failed").Prose("reason") }

// suppressed: the address is on the suppression list, so nothing was sent.
func (r *reader) suppressed() {
	o := r.within("suppressed")
	r.event.ProviderSubtype = o.String("type")
	r.event.Reason = o.Prose("message")
	r.event.Drop = &event.Drop{Reason: event.DropSuppressed, Detail: r.event.Reason}
}

// address of what is no mail.
func (r *reader) address() {
	if r.event.Recipient == "" {
		r.event.Recipient = provider.Address(r.data.String("email"))
	}
}

// listed is an address on the suppression list; origin says why: bounce, complaint or
// manual.
func (r *reader) listed() {
	r.address()
	r.event.ProviderSubtype = r.data.String("origin")
}
