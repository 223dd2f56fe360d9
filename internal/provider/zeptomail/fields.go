package zeptomail

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read: an entry of details, and what its message says.
type reader struct {
	detail jsondoc.Object
	event  *event.Event
}

// several reads one webhook: an event for each entry of details.
func (p *parser) several(o jsondoc.Object, _ provider.Place) []provider.Result {
	names := takeNames(o)
	if len(names) == 0 {
		return []provider.Result{{Malformed: provider.MissingType("event_name")}}
	}
	messages := list(o, "event_message")
	batch := o.Text("webhook_request_id")
	common := o.Rest(nil)
	if len(names) > 1 {
		common = with(common, "event_name", strings.Join(names, ","))
	}
	if len(messages) == 0 {
		messages = []jsondoc.Object{{}}
	}
	var out []provider.Result
	for i, message := range messages {
		m := readMessage(message)
		m.event.BatchID = batch
		m.rest = m.restOf(common)
		details := m.details()
		if len(out)+len(details) > jsondoc.MaxItems {
			return []provider.Result{{Malformed: &provider.Malformed{
				Reason: provider.ReasonTooManyItems, Detail: "the webhook has too many entries of details",
			}}}
		}
		for _, d := range details {
			out = append(out, provider.Result{Event: p.read(o, m, d, m.name(names, i, d))})
		}
	}
	if len(out) > 1 { // else the hash alone is the id
		for i := range out {
			out[i].NativeID = o.CanonicalHash() + "/" + strconv.Itoa(i)
		}
	}
	return out
}

// takeNames takes the names of the events: an array, or one name. Empty ones are none.
func takeNames(o jsondoc.Object) []string { return provider.TakeTags(o, "event_name") }

// list takes an array of objects, or an object in its place.
func list(o jsondoc.Object, name string) []jsondoc.Object {
	if one := o.Object(name); !one.IsZero() {
		return []jsondoc.Object{one}
	}
	return o.Objects(name)
}

// with puts a value in a map, made where it is nil.
func with(m map[string]string, name, value string) map[string]string {
	if m == nil {
		m = make(map[string]string)
	}
	m[name] = value
	return m
}

// message is what an event_message says of all its events.
type message struct {
	object, info jsondoc.Object
	data         []jsondoc.Object
	event        event.Event
	rest         map[string]string
}

// readMessage reads an event_message. Whom it was sent to and by whom stays for the
// metadata as well, since the names are there.
func readMessage(o jsondoc.Object) *message {
	m := &message{object: o, info: o.Object("email_info"), data: list(o, "event_data")}
	e := &m.event
	e.Direction = event.Outbound
	e.MessageID = o.Text("request_id")
	e.CustomerRef = m.info.Text("client_reference")
	e.Subject = m.info.Prose("subject")
	e.Tags = provider.TakeTags(m.info, "tag")
	if from := peek(m.info, "from"); len(from) == 1 {
		e.Sender = from[0]
	}
	if to := peek(m.info, "to"); len(to) == 1 {
		e.Recipient = to[0]
	} else {
		e.Recipients = to
	}
	return m
}

// peek returns the addresses of a member: an object with an address, or with one in
// email_address, or an array of such.
func peek(o jsondoc.Object, name string) (out []string) {
	v, ok := o.Member(name)
	if !ok {
		return nil
	}
	items := []jsondoc.Value{v}
	if v.Kind() == '[' {
		items = items[:0]
		for _, item := range v.Items() {
			items = append(items, item)
		}
	}
	for _, item := range items {
		entry, _ := item.Object(false)
		if inner, ok := entry.Member("email_address"); ok && inner.Kind() == '{' {
			entry, _ = inner.Object(false)
		}
		if address := provider.Address(entry.Peek("address")); address != "" {
			out = append(out, address)
		}
	}
	return out
}

// restOf is what nobody took of the message, below what is common to the webhook.
func (m *message) restOf(common map[string]string) map[string]string {
	return m.info.Rest(m.object.Rest(maps.Clone(common)))
}

// entry is one of details, and the event_data that it is in.
type entry struct{ data, detail jsondoc.Object }

// details returns the entries of all event_data; one without any for a message that
// has none.
func (m *message) details() (out []entry) {
	for _, data := range m.data {
		inner := list(data, "details")
		if len(inner) == 0 {
			inner = []jsondoc.Object{{}}
		}
		for _, d := range inner {
			out = append(out, entry{data, d})
		}
	}
	if len(out) == 0 {
		out = []entry{{}}
	}
	return out
}

// name is the name of an event: the webhook's where it has one; of several its object's,
// else that at the message's place.
func (m *message) name(names []string, place int, d entry) string {
	if len(names) == 1 {
		return names[0]
	}
	return cmp.Or(d.data.Peek("object"), names[min(place, len(names)-1)])
}

// read makes the event of one entry.
func (p *parser) read(o jsondoc.Object, m *message, d entry, word string) event.Event {
	row := p.rows.Of(jsondoc.Fold(word))
	e := m.event
	e.Type, e.Family, e.ProviderType = row.Type, row.Type.Family(), word
	e.OccurredAt = takeTime(d.detail)
	e.Reason = d.detail.Prose("reason")
	r := reader{d.detail, &e}
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = d.detail.Rest(d.data.Rest(maps.Clone(m.rest)))
	return e
}

// takeTime takes when it happened: a time with its zone, or milliseconds.
func takeTime(o jsondoc.Object) event.Time {
	for _, name := range []string{"time", "modified_time"} {
		if t := provider.TakeTime(o, name); !t.IsZero() {
			return t
		}
		if t := provider.TakeMillis(o, name); !t.IsZero() {
			return t
		}
	}
	return event.Time{}
}

func (r *reader) softBounce() { r.bounced(event.Soft) }
func (r *reader) hardBounce() { r.bounced(event.Hard) }

// bounced: the entry says who it was. The diagnostic message is the server's answer, the
// reason ZeptoMail's words.
func (r *reader) bounced(said event.BounceClass) {
	e := r.event
	if who := provider.Address(r.detail.String("bounced_recipient")); who != "" {
		e.Recipient, e.Recipients = who, nil
	}
	response := r.detail.Prose("diagnostic_message")
	reply := smtpcode.Read(response)
	if response != "" {
		e.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: response}
	}
	b := reply.Bounce(said, cmp.Or(response, e.Reason))
	if said == event.Hard {
		b.WillRetry = new(false)
	}
	e.Bounce = new(b)
}

// opened: only the first time is told.
func (r *reader) opened() { r.engaged(event.Engagement{First: new(true)}) }

func (r *reader) clicked() { r.engaged(event.Engagement{URL: r.detail.Prose("clicked_link")}) }

// engaged: browser, device, operating system and place say more than there are fields
// for, and stay for the metadata.
func (r *reader) engaged(g event.Engagement) {
	g.UserAgent = r.detail.Prose("user_agent")
	g.IP = r.detail.String("ip_address")
	g.Country = provider.PeekIn(r.detail, "ip_location_info", "country_code")
	g.Client = provider.PeekIn(r.detail, "email_client", "name")
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

func (r *reader) complaint() { r.event.Complaint = &event.Complaint{Type: "abuse"} }
