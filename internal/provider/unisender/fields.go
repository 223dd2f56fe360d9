package unisender

import (
	"cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	data   jsondoc.Object // event_data, or the item where that stands for it
	info   jsondoc.Object // delivery_info
	reply  smtpcode.Reply
	event  *event.Event
}

// item reads one event of either form.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) *provider.Malformed {
	word := o.String("event_name")
	if word == "" {
		return provider.MissingType("event_name")
	}
	r := reader{parser: p, data: o.Object("event_data"), event: e}
	nested := !r.data.IsZero()
	if !nested {
		r.data = o
	}
	if word == emailStatus {
		if word = r.data.String("status"); word == "" {
			return provider.MissingType("status")
		}
	}
	row := p.rows.Of(word)
	*e = event.Event{Type: row.Type, Direction: event.Outbound, ProviderType: word}
	custom := r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.CompactExcept("auth")
	}
	e.Family = e.Type.Family()
	o.TextIf("auth", digest)
	e.Metadata = o.Rest(nil)
	if nested {
		e.Metadata = r.data.Rest(e.Metadata)
	}
	e.Metadata = owner(at.Outer, custom.Rest(r.info.Rest(e.Metadata)))
	return nil
}

// digest reports whether a text is a proof of theirs, which is nothing to publish.
func digest(text string) bool {
	if len(text) != 32 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// owner adds whose event it is, which the envelope says, to the metadata; the
// sender's own words go first.
func owner(outer jsondoc.Object, metadata map[string]string) map[string]string {
	for _, name := range []string{"user_id", "project_id", "project_name"} {
		outer.TextIf(name, func(text string) bool {
			if _, there := metadata[name]; there || text == "" || len(text) > jsondoc.MaxShort {
				return false
			}
			if metadata == nil {
				metadata = make(map[string]string)
			}
			metadata[name] = text
			return false // the envelope's other events have it, too
		})
	}
	return metadata
}

// common reads what events have in common and returns the sender's own metadata.
func (r *reader) common() jsondoc.Object {
	e, d := r.event, r.data
	e.MessageID = d.Text("job_id")
	e.Recipient = provider.Address(d.String("email"))
	e.OccurredAt = takeTime(d, "event_time")
	e.Reason = d.Prose("comment")
	r.info = d.Object("delivery_info")
	e.ProviderSubtype = r.info.String("delivery_status")
	response := r.info.Prose("destination_response")
	r.reply = smtpcode.Read(response)
	if response != "" {
		e.SMTP = &event.SMTP{Code: r.reply.Code, Enhanced: r.reply.Enhanced, Response: response}
		if e.Type != event.Delivered {
			e.Reason = cmp.Or(e.Reason, response)
		}
	}
	return d.Object("metadata")
}

// takeTime takes a time in UTC, which it does not say.
func takeTime(o jsondoc.Object, name string) event.Time {
	return provider.TakeTimeAs(o, name, "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05")
}

// response is the reply text; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// engaged: a click has a link, and both have a client if it was recognised.
func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.data.Prose("url"),
		IP:        r.info.String("ip"),
		UserAgent: r.info.Prose("user_agent"),
		Country:   r.info.String("country_code"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}

// softBounced will be tried again. Its delivery status, err_will_retry, says no more:
// the response tells why.
func (r *reader) softBounced() {
	b := r.reply.Bounce(event.Soft, r.response())
	b.WillRetry = new(true)
	r.event.Bounce, r.event.Type = &b, r.parser.retrying
}

// failed: the delivery status tells a refusal of the remote server from a message
// that was not sent. Without one it is a bounce, as its name says.
func (r *reader) failed() {
	f, known := r.parser.failures[r.event.ProviderSubtype]
	if !known {
		f.typ = event.Bounced
	}
	r.event.Type = f.typ
	switch f.typ { //nolint:exhaustive // the table has no others
	case event.Dropped:
		r.event.Drop = &event.Drop{Reason: f.drop, Detail: r.event.Reason}
	case event.Bounced:
		b := r.reply.Bounce(event.Hard, r.response())
		b.Category = cmp.Or(f.category, b.Category)
		if r.reply.Enhanced == "" {
			b.CodeAssumed = f.code
		}
		b.WillRetry = new(false)
		r.event.Bounce = &b
	}
}

// blocked: the time of the block is that of the event.
func (r *reader) blocked() { r.event.OccurredAt = takeTime(r.data, "block_time") }
