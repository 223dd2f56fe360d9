package elasticemail

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	data   jsondoc.Object
	event  *event.Event
}

// item reads one event.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("status")
	if word == "" {
		return "", provider.MissingType("status")
	}
	row := p.rows.Of(jsondoc.Fold(word))
	*e = event.Event{Type: row.Type, Direction: event.Outbound, ProviderType: word}
	r := reader{parser: p, data: o, event: e}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Family = e.Type.Family()
	e.Metadata = o.Rest(nil)
	return "", nil
}

// common reads what all events have. The transaction is a call of their API, which
// may have had many recipients; older notifications have no other key.
func (r *reader) common() {
	e, d := r.event, r.data
	e.OccurredAt = takeTime(d)
	e.BatchID = d.Text("transaction")
	if e.MessageID = d.Text("messageid"); e.MessageID == "" {
		e.MessageID = e.BatchID
	}
	e.Recipient = provider.Address(d.String("to"))
	e.Sender = provider.Address(d.String("from"))
	e.Subject = d.Prose("subject")
	e.CustomerRef = d.Text("postback")
}

// takeTime takes a time in UTC, written in any of the ways that are in use with them.
func takeTime(d jsondoc.Object) event.Time {
	if t := provider.TakeTime(d, "date"); !t.IsZero() {
		return t
	}
	return provider.TakeTimeAs(d, "date", "1/2/2006 3:04:05 PM", "2006-01-02 15:04:05", "2006-01-02T15:04:05")
}

// engaged: a click has a link.
func (r *reader) engaged() {
	g := event.Engagement{URL: r.data.Prose("target"), IP: r.data.String("ip"), UserAgent: r.data.Prose("useragent")}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// failed: the category tells what was refused from what was not sent.
func (r *reader) failed() {
	e := r.event
	e.ProviderSubtype = r.data.String("category")
	f, known := r.parser.categories[jsondoc.Fold(e.ProviderSubtype)]
	if !known {
		f = r.parser.categories["unknown"]
	}
	e.Type = f.typ
	switch f.typ { //nolint:exhaustive // the table has no others
	case event.Bounced:
		e.Bounce = &event.Bounce{Class: f.class, Category: f.category, CodeAssumed: f.code, WillRetry: new(false)}
	case event.Dropped:
		e.Drop = &event.Drop{Reason: f.drop, Detail: e.ProviderSubtype}
	}
}
