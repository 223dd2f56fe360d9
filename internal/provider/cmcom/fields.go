package cmcom

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	data   jsondoc.Object
	part   jsondoc.Object // the object in data that belongs to the type
	event  *event.Event
}

// item reads one webhook. It has no native id: its content is its identity.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row, known := p.rows[jsondoc.Fold(word)]
	if !known {
		row.typ = event.Unknown
	}
	data := o.Object("data")
	*e = event.Event{
		Type:            row.typ,
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: data.String("id"),
		OccurredAt:      provider.TakeTime(o, "createdAt"),
		MessageID:       o.String("messageId"),
		CustomerRef:     data.String("customerReference"),
		Recipient:       provider.Address(data.String("to")),
		Sender:          provider.Address(data.String("from")),
	}
	r := reader{parser: p, data: data, event: e}
	if row.detail != nil {
		row.detail(&r)
	}
	e.Family = e.Type.Family()
	e.Test = e.Test || simulated(e.Reason) || atSink(e.Recipient)
	if !known {
		e.Raw = o.Compact()
	}
	e.Metadata = r.part.Rest(data.Rest(o.Rest(nil)))
	p.respell(e.Metadata)
	return "", nil
}

// bounced reads data.bounce.
func (r *reader) bounced() {
	r.part = r.data.Object("bounce")
	typ, sub := r.part.String("type"), r.part.String("subType")
	b := r.parser.bounceOf(typ, sub)
	r.event.Bounce = new(b)
	r.event.ProviderSubtype = label(typ, sub)
	r.event.Reason = r.part.Prose("message")
	r.event.Test = integrationMode(sub)
	if b.WillRetry != nil && *b.WillRetry {
		r.event.Type = r.parser.retrying
	}
}

// label joins the two labels of a bounce.
func label(typ, sub string) string {
	if typ == "" || sub == "" {
		return typ + sub
	}
	return typ + "/" + sub
}

func (r *reader) suppressed() {
	r.part = r.data.Object("suppressed")
	r.event.Reason = r.part.Prose("message")
}

// unsubscribed: the kind of unsubscription has no place of its own and stays in
// the metadata.
func (r *reader) unsubscribed() {
	r.part = r.data.Object("unsubscribe")
	r.event.Reason = r.part.Prose("unsubscribeReason")
	r.event.Test = integrationMode(r.part.Peek("unsubscribeType"))
}

// failed has a list of messages, one a line of the reason. Any of them may say
// that it is a simulation.
func (r *reader) failed() {
	r.part = r.data.Object("failed")
	messages := r.part.Strings("messages")
	r.event.Reason = strings.Join(messages, "\n")
	for _, m := range messages {
		r.event.Test = r.event.Test || simulated(m)
	}
}

// integrationMode compares with "Integration Mode" in any spelling.
func integrationMode(word string) bool { return jsondoc.Fold(word) == "integrationmode" }

// simulated reports whether a message is one of integration mode's.
func simulated(message string) bool { return strings.HasPrefix(message, "Integration Mode:") }

// atSink reports whether an address is at the domain whose mail is accepted and
// thrown away.
func atSink(address string) bool {
	_, domain, ok := strings.Cut(address, "@")
	return ok && strings.EqualFold(domain, "sink.cm.com")
}
