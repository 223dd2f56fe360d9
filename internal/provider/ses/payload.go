package ses

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// maxListed is how many recipients a mail, and so a record, may have
// (https://docs.aws.amazon.com/ses/latest/dg/quotas.html).
const maxListed = 50

// reader is one record while it is read.
type reader struct {
	*parser
	data   jsondoc.Object // the member with what only this type has
	mail   jsondoc.Object
	common jsondoc.Object   // headers
	inner  []jsondoc.Object // of several whom the record may be about
	event  event.Event      // what holds for every recipient
	listed []listed         // whom it is about, where the record says it
}

// listed is a recipient whom the record is about.
type listed struct {
	address string
	about   jsondoc.Object     // what is said of this one; zero for nothing
	finish  func(*event.Event) // reads it; nil for nothing
}

// results makes the events of a record.
func (p *parser) results(rec record) []provider.Result {
	o := rec.object
	word := o.String("eventType")
	if word == "" {
		word = o.String("notificationType")
	}
	if word == "" {
		word = p.names[rec.name]
	}
	switch word {
	case "":
		return []provider.Result{{Malformed: provider.MissingType("eventType or notificationType")}}
	case "AmazonSnsSubscriptionSucceeded": // a topic was set for notifications
		return nil
	}
	r := reader{parser: p, event: event.Event{ProviderType: word, Direction: event.Outbound, BatchID: rec.id}}
	r.read(o)
	id, derived := rec.id, rec.id == ""
	if derived {
		id = o.CanonicalHash()
	}
	out := r.each(id)
	for i := range out {
		out[i].Derived = derived
	}
	return out
}

// read reads what holds for every recipient.
func (r *reader) read(o jsondoc.Object) {
	row, known := r.rows[jsondoc.Fold(r.event.ProviderType)]
	if !known {
		row.typ = event.Unknown
	}
	e := &r.event
	e.Type = row.typ
	r.mail = o.Object("mail")
	r.common = r.mail.Object("commonHeaders")
	r.data = o.Object(row.member)
	e.OccurredAt = provider.TakeTime(r.data, "timestamp")
	if e.OccurredAt.IsZero() && (e.Type == event.Sent || e.Type == event.Dropped || e.Type == event.Failed) {
		e.OccurredAt = provider.TakeTime(r.mail, "timestamp") // they are about the sending itself
	}
	e.MessageID = r.mail.String("messageId")
	e.SMTPMessageID = provider.SMTPMessageID(r.common.String("messageId"))
	e.Subject = r.common.Prose("subject")
	e.Sender = provider.Address(r.mail.String("source"))
	if row.detail != nil {
		row.detail(r)
	}
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	r.destination()
	tags := r.tags()
	e.Metadata = provider.Metadata(append([]jsondoc.Object{o, r.mail, r.common, r.data}, r.inner...)...)
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		e.Metadata = put(e.Metadata, "mail.tags.", name, tags[name])
	}
}

// destination is everybody whom the mail went to: whom the event is about where the
// record does not say better.
func (r *reader) destination() {
	if len(r.event.Recipients) > 0 {
		return
	}
	if len(r.listed) == 0 {
		provider.TakeRecipients(r.mail, "destination", &r.event)
		return
	}
	var all event.Event
	if v, ok := r.mail.Member("destination"); ok && len(r.listed) == 1 && v.Len() == 1 {
		for _, item := range v.Items() {
			if string(item.Bytes()) == strconv.Quote(r.listed[0].address) {
				provider.TakeRecipients(r.mail, "destination", &all)
			}
		}
	}
}

// tags takes the message tags, SES's own ("ses:…") and the sender's: a tag has a list
// of values, of which there is one as a rule.
func (r *reader) tags() map[string]string {
	tags := r.mail.Object("tags")
	out := tags.Rest(nil)
	for name := range out {
		if values := tags.Strings(name); len(values) == 1 && values[0] != "" {
			out[name] = values[0]
		}
	}
	return out
}

// put adds a value under its name, or a longer one where that is taken.
func put(dst map[string]string, prefix, name, value string) map[string]string {
	if dst == nil {
		dst = make(map[string]string)
	}
	for dst[name] != "" {
		name = prefix + name
	}
	dst[name] = value
	return dst
}

// each makes an event for each recipient listed, or one for all. The id of a recipient
// who is listed again has the place in the list, too.
func (r *reader) each(id string) []provider.Result {
	if len(r.listed) == 0 {
		r.event.Test = simulated(r.event.Recipient)
		return []provider.Result{{Event: r.event, NativeID: id}}
	}
	out := make([]provider.Result, len(r.listed))
	seen := make(map[string]bool, len(r.listed))
	for i, one := range r.listed {
		res := &out[i]
		res.Event = r.event
		res.Event.Recipient = provider.Address(one.address)
		res.Event.Test = simulated(res.Event.Recipient)
		res.Event.Metadata = maps.Clone(r.event.Metadata)
		if one.finish != nil {
			one.finish(&res.Event)
		}
		res.Event.Metadata = one.about.Rest(res.Event.Metadata)
		for res.NativeID = id + "/" + one.address; seen[res.NativeID]; {
			res.NativeID += "/" + strconv.Itoa(i)
		}
		seen[res.NativeID] = true
	}
	return out
}

// simulated reports whether a recipient is of the mailbox simulator
// (https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html).
func simulated(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return strings.EqualFold(domain, "simulator.amazonses.com")
}

// list takes a list of objects, each with an emailAddress. It stays for the metadata
// where one has none, or where there are more than a mail may have.
func (r *reader) list(name string, finish func(about jsondoc.Object, e *event.Event)) {
	v, ok := r.data.Member(name)
	if !ok || v.Len() == 0 || v.Len() > maxListed {
		return
	}
	for _, item := range v.Items() {
		o, _ := item.Object(false)
		if o.Peek("emailAddress") == "" {
			return
		}
	}
	for _, about := range r.data.Objects(name) {
		one := listed{address: about.String("emailAddress"), about: about}
		if finish != nil {
			one.finish = func(e *event.Event) { finish(about, e) }
		}
		r.listed = append(r.listed, one)
	}
}

// bounced: SES has given up, after the last attempt where it was a soft bounce. On a
// suppression list it never began.
func (r *reader) bounced() {
	e := &r.event
	kind, sub := r.data.String("bounceType"), r.data.String("bounceSubType")
	e.ProviderSubtype = strings.Trim(kind+"/"+sub, "/")
	e.ProviderEventID = r.data.String("feedbackId")
	means, known := r.bounces[e.ProviderSubtype]
	if !known {
		means = r.bounces[kind]
	}
	remote := ""
	if means.dropped != "" {
		e.Type = event.Dropped
	} else {
		remote = r.data.String("remoteMtaIp")
	}
	finish := func(about jsondoc.Object, e *event.Event) { means.apply(about, remote, e) }
	if r.list("bouncedRecipients", finish); len(r.listed) == 0 {
		finish(jsondoc.Object{}, e)
	}
}

// apply says of one recipient what a bounce means.
func (m verdict) apply(about jsondoc.Object, remote string, e *event.Event) {
	if m.dropped != "" { // nobody refused it: the words are SES's own
		e.Reason = about.Prose("diagnosticCode")
		e.Drop = &event.Drop{Reason: m.dropped, Detail: e.Reason}
		return
	}
	b := refusal(about, remote, e).Bounce(m.class, e.Reason)
	if m.category != "" {
		b.Category = m.category
	}
	b.WillRetry = new(false)
	e.Bounce = &b
}

// refusal reads what the delivery report says of a recipient.
func refusal(about jsondoc.Object, remote string, e *event.Event) smtpcode.Reply {
	e.Reason = about.Prose("diagnosticCode")
	reply := smtpcode.Read(e.Reason)
	about.TextIf("status", func(status string) bool {
		if !smtpcode.Enhanced(status) {
			return false
		}
		reply.Enhanced = status
		return true
	})
	s := event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: e.Reason, Remote: remote}
	if s != (event.SMTP{}) {
		e.SMTP = &s
	}
	return reply
}

// complained: "may have submitted the complaint", as the page says of who is listed, so
// that of several nobody can say who has. On the suppression list there was no complaint
// but an earlier one: it was not sent to those listed.
func (r *reader) complained() {
	e := &r.event
	e.ProviderSubtype = r.data.String("complaintSubType")
	e.ProviderEventID = r.data.String("feedbackId")
	if e.ProviderSubtype == "OnAccountSuppressionList" {
		e.Type, e.Drop = event.Dropped, &event.Drop{Reason: event.DropSuppressed}
	}
	if kind := r.data.String("complaintFeedbackType"); kind != "" {
		e.Complaint = &event.Complaint{Type: kind}
	}
	r.list("complainedRecipients", nil)
	if e.Type == event.Complained && len(r.listed) > 1 {
		r.suspected()
	}
}

// suspected makes one event of a list of whom one is meant.
func (r *reader) suspected() {
	for _, one := range r.listed {
		r.event.Recipients = append(r.event.Recipients, provider.Address(one.address))
		r.inner = append(r.inner, one.about)
	}
	r.listed = nil
}

// delivered lists addresses alone.
func (r *reader) delivered() {
	s := event.SMTP{Response: r.data.Prose("smtpResponse"), Remote: r.data.String("remoteMtaIp")}
	reply := smtpcode.Read(s.Response)
	s.Code, s.Enhanced = reply.Code, reply.Enhanced
	if s != (event.SMTP{}) {
		r.event.SMTP = &s
	}
	var who event.Event
	if v, ok := r.data.Member("recipients"); !ok || v.Len() > maxListed {
		return
	}
	provider.TakeRecipients(r.data, "recipients", &who)
	if who.Recipient != "" {
		who.Recipients = []string{who.Recipient}
	}
	for _, address := range who.Recipients {
		r.listed = append(r.listed, listed{address: address})
	}
}

// rejected: "Bad content" is a virus, and the only reason that the page knows.
func (r *reader) rejected() {
	e := &r.event
	e.Reason = r.data.Prose("reason")
	drop := event.Drop{Reason: event.DropOther, Detail: e.Reason}
	if e.Reason == "Bad content" {
		drop.Reason = event.DropVirus
	}
	e.Drop = &drop
}

// engaged is an open or a click.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.data.Prose("link"),
		IP:        r.data.String("ipAddress"),
		UserAgent: r.data.Prose("userAgent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// failed: the template could not be rendered.
func (r *reader) failed() { r.event.Reason = r.data.Prose("errorMessage") }

// delayed: SES goes on trying until expirationTime.
func (r *reader) delayed() {
	r.event.ProviderSubtype = r.data.String("delayType")
	r.list("delayedRecipients", func(about jsondoc.Object, e *event.Event) { refusal(about, "", e) })
}

// subscription: whoever opted out of anything has unsubscribed; who only opted in, to
// a topic or again to all mail, has subscribed. The preferences stay in the metadata.
func (r *reader) subscription() {
	r.event.ProviderSubtype = r.data.String("source")
	before, after := r.preferences("oldTopicPreferences"), r.preferences("newTopicPreferences")
	in, out := before.none && !after.none, after.none
	for topic, status := range after.topics {
		changed := before.topics[topic] != status
		in = in || changed && status == "optin"
		out = out || changed && status == "optout"
	}
	if in && !out {
		r.event.Type = event.Subscribed
	}
}

// preferences are a contact's, of a list.
type preferences struct {
	none   bool              // no mail at all
	topics map[string]string // status by topic, folded
}

func (r *reader) preferences(name string) (p preferences) {
	v, ok := r.data.Member(name)
	o, _ := detailObject(v, ok)
	none, ok := o.Member("unsubscribeAll")
	p.none = ok && none.Kind() == 't'
	topics, ok := o.Member("topicSubscriptionStatus")
	if !ok {
		return p
	}
	p.topics = make(map[string]string, topics.Len())
	for _, item := range topics.Items() {
		topic, _ := item.Object(false)
		p.topics[topic.Peek("topicName")] = jsondoc.Fold(topic.Peek("subscriptionStatus"))
	}
	return p
}
