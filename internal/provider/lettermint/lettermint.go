// Package lettermint reads the event webhooks of Lettermint.
//
// Pages: https://lettermint.co/docs/platform/webhooks/events (payloads),
// https://lettermint.co/docs/platform/webhooks/signing. Scheduled mail, automatic
// replies, suppressions, opens and clicks are described by Lettermint's own package for
// Laravel only: https://github.com/lettermint/lettermint-laravel (src/Webhooks).
//
// One JSON object a request, {id, event, timestamp, context, data}. What to know:
//   - The time was called created_at once, on the older page.
//   - message.created names all recipients of a request, the other types one.
//   - An empty object is written [], as PHP does.
//   - message.auto_replied is about a mail of ours: its recipient's machine answered.
package lettermint

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Lettermint.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "lettermint",
		Title:  "Lettermint",
		Doc:    "https://lettermint.co/docs/platform/webhooks/events",
		Mapper: 1,
		Auth:   "lettermint",
		Policy: provider.Policy{
			Busy: 503,
			// Their packages refuse what was signed more than 300 s ago, late tries included.
			SignsEachAttempt: true,
			Retries:          "exponential back-off, for how long is not documented; any 2xx is success",
		},
		Types:     table().Directed(direction),
		Identity:  "`id`",
		MaxEvents: 1,
		Handshake: "`webhook.test` is answered and published nowhere",
		New:       provider.WithoutOptions("lettermint", newParser),
		Samples:   samples,
	}
}

// inbound is the one type of inbound mail.
const inbound = "message.inbound"

// table maps Lettermint's types. Its test event is missing: it is about nothing.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "message.created", Type: event.Queued},
		{Name: "message.scheduled", Type: event.Queued},
		{Name: "message.rescheduled", Type: event.Queued},
		{Name: "message.released", Type: event.Queued},
		{Name: "message.canceled", Type: event.Dropped, Detail: (*reader).canceled},
		{Name: "message.sent", Type: event.Sent},
		{Name: "message.delivered", Type: event.Delivered},
		{Name: "message.hard_bounced", Type: event.Bounced, Detail: (*reader).hard},
		{Name: "message.soft_bounced", Type: event.Bounced, Detail: (*reader).soft},
		{Name: "message.spam_complaint", Type: event.Complained},
		{Name: "message.failed", Type: event.Failed},
		{Name: "message.suppressed", Type: event.Dropped, Detail: (*reader).suppressed},
		{Name: "message.policy_rejected", Type: event.Dropped, Detail: (*reader).policy},
		{Name: "message.unsubscribed", Type: event.Unsubscribed},
		{Name: "message.opened", Type: event.Opened, Detail: (*reader).engaged},
		{Name: "message.clicked", Type: event.Clicked, Detail: (*reader).engaged},
		{Name: "message.auto_replied", Type: event.Autoresponded, Detail: (*reader).replied},
		{Name: inbound, Type: event.Received},
		{Name: "suppression.added", Type: event.Suppressed, Detail: (*reader).listed},
		{Name: "suppression.removed", Type: event.Unknown, Detail: (*reader).listed},
	}
}

// testEvent is what the button in the dashboard sends.
const testEvent = "webhook.test"

func direction(word string) event.Direction {
	if word == inbound {
		return event.Inbound
	}
	return event.Outbound
}

// parser holds the table by name.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{rows: table().ByName()}
	return provider.Reading{Several: p.item}
}

// item reads one webhook; the test event is nothing to publish.
func (p *parser) item(o jsondoc.Object, _ provider.Place) []provider.Result {
	word := o.String("event")
	switch word {
	case "":
		return []provider.Result{{Malformed: provider.MissingType("event")}}
	case testEvent:
		return nil
	}
	row := p.rows.Of(word)
	e := event.Event{
		Type:            row.Type,
		Family:          row.Type.Family(),
		Direction:       direction(word),
		ProviderType:    word,
		ProviderEventID: o.String("id"),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = provider.TakeTime(o, "created_at")
	}
	r := reader{data: o.Object("data"), event: &e, objects: []jsondoc.Object{o}}
	r.objects = append(r.objects, o.Object("context"), r.data)
	r.common()
	if row.Detail != nil {
		row.Detail(&r)
	}
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(r.objects...)
	return []provider.Result{{Event: e, NativeID: e.ProviderEventID}}
}

// dropReason tells from the words which of its filters refused a message.
func dropReason(words string) event.DropReason {
	if strings.Contains(strings.ToLower(words), "spam") {
		return event.DropSpam
	}
	return event.DropPolicy
}
