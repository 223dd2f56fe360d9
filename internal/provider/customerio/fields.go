package customerio

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	data  jsondoc.Object
	event *event.Event
}

// item reads one webhook.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := takeType(o)
	if word == "" {
		return "", provider.MissingType("metric")
	}
	row := p.rows.Of(word)
	*e = event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: o.String("event_id"),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
	}
	r := reader{data: o.Object("data"), event: e}
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if row.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = r.data.Rest(o.Rest(nil))
	return e.ProviderEventID, nil
}

// takeType returns the name of an event as the page has it: of its object type and
// its metric, or of the event_type of the first payloads.
func takeType(o jsondoc.Object) string {
	metric := o.String("metric")
	if metric == "" {
		return o.String("event_type")
	}
	if object := o.String("object_type"); object != "" {
		return object + "_" + metric
	}
	return metric
}

// common reads the fields that mean the same on every event that has them.
func (r *reader) common() {
	r.event.MessageID = r.data.String("delivery_id")
	r.event.Recipient = provider.Address(r.data.String("recipient"))
	if r.event.Recipient == "" {
		r.event.Recipient = provider.Address(r.data.String("email_address"))
	}
	if r.event.Recipient == "" && strings.HasPrefix(r.event.ProviderType, "customer_") {
		r.event.Recipient = provider.Address(provider.PeekIn(r.data, "identifiers", "email"))
	}
	r.event.Subject = r.data.Prose("subject")
}

// failure reads why a message did not get on. The message is the other server's, or
// that of the delivery provider.
func (r *reader) failure() {
	r.event.Reason = r.data.Prose("failure_message")
	reply := smtpcode.Read(r.event.Reason)
	if reply != (smtpcode.Reply{}) {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: r.event.Reason}
	}
}

// bounced: Customer.io says neither for how long nor why: the reply does.
func (r *reader) bounced() {
	r.failure()
	b := smtpcode.Read(r.event.Reason).Bounce(event.UndeterminedClass, r.event.Reason)
	r.event.Bounce = &b
}

// dropped: the person is on the suppression list.
func (r *reader) dropped() {
	r.failure()
	r.event.Drop = &event.Drop{Reason: event.DropSuppressed, Detail: r.event.Reason}
}

// undeliverable: why is in the words, if anywhere.
func (r *reader) undeliverable() {
	r.failure()
	r.event.Drop = &event.Drop{Reason: event.DropOther, Detail: r.event.Reason}
}

// engaged reads an open or a click.
func (r *reader) engaged() {
	g := event.Engagement{URL: r.data.Prose("href"), Bot: r.data.Bool("machine")}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}
