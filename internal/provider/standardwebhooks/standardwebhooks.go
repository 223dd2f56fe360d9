// Package standardwebhooks reads email events of any sender that follows Standard
// Webhooks, another postrider among them.
//
// Page: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
// (also https://www.standardwebhooks.com).
//
// One JSON object a request, {type, timestamp, data}. What to know:
//   - The specification says how a webhook is signed and roughly how it looks, and
//     nothing about email: what the type and the data mean is read by the usual words
//     and names, see package vocabulary. A sender with other words is served by a mapping.
//   - An event is its header webhook-id (svix-id at senders that use Svix's older names),
//     which is signed and the same on every retry.
//   - The timestamp in the body is that of the event; the header webhook-timestamp is
//     that of the attempt, and only the proof looks at it.
//   - Where there is no object data, the members beside the type are the data.
package standardwebhooks

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
	"github.com/postrider/postrider/pkg/event"
)

// Definition returns what the bridge knows of Standard Webhooks.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "standard_webhooks",
		Title:  "Standard Webhooks",
		Doc:    "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Mapper: 1,
		Auth:   "standard_webhooks",
		Policy: provider.Policy{
			Stops:            []int{410},
			SignsEachAttempt: true,
			Retries:          "not documented: the specification recommends retries over several days after anything but a 2xx, and leaves it to the sender",
		},
		Types:     types(),
		Identity:  "header `webhook-id` (or `svix-id`); the first id of an event that another postrider sends",
		MaxEvents: 1,
		New:       provider.WithoutOptions("standard_webhooks", newParser),
		Samples:   samples,
	}
}

// types are the words of the usual senders. Others are known too: see package vocabulary.
func types() []provider.TypeInfo { return vocabulary.Types(word) }

// word is what a route is called.
func word(r event.Route) string {
	if r.Direction == event.Inbound && r.Type != event.Received {
		return "email.inbound." + string(r.Type)
	}
	return "email." + string(r.Type)
}

type parser struct{ words *vocabulary.Reader }

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{words: vocabulary.New()}
	return provider.Reading{Fold: true, Several: p.item}
}

// item reads one webhook; one that is a canonical event itself has no envelope.
func (p *parser) item(o jsondoc.Object, at provider.Place) []provider.Result {
	if vocabulary.IsCanonical(o) {
		return []provider.Result{p.words.Read(vocabulary.Envelope{Field: "type"}, o, o)}
	}
	env := vocabulary.Envelope{Word: o.String("type"), Field: "type"}
	env.NativeID, env.EventID = at.StandardID()
	for _, name := range []string{"timestamp", "created_at", "time"} {
		if env.OccurredAt = provider.TakeTime(o, name); !env.OccurredAt.IsZero() {
			break
		}
	}
	data := o.Object("data")
	if data.IsZero() {
		data = o
	}
	return []provider.Result{p.words.Read(env, o, data)}
}
