// Package cloudevents reads email events of any sender that speaks CloudEvents 1.0
// over HTTP, another postrider among them.
//
// Pages: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
// (attributes), formats/json-format.md, bindings/http-protocol-binding.md (structured,
// batched and binary mode) and http-webhook.md (authorization, validation) beside it.
//
// What to know:
//   - The specification says how an event travels, and nothing about email: what the
//     type and the data mean is read by the usual words and names, see package
//     vocabulary. A sender with other words is served by a mapping.
//   - An event is its source and its id, which the specification makes unique together.
//   - In binary mode the attributes are headers, percent-encoded, and the body is the data.
//   - Data in base64 is read where it is JSON.
package cloudevents

import (
	"bytes"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Definition returns what the bridge knows of CloudEvents.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "cloudevents",
		Title:  "CloudEvents",
		Doc:    "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md",
		Mapper: 1,
		Auth:   "bearer",
		Policy: provider.Policy{
			Stops:   []int{410},
			Retries: "not documented: the specification leaves it to the sender, who has to heed `Retry-After` of a 429 and to stop after a 410",
		},
		Types:     types(),
		Identity:  "`source` and `id`; the first id of an event that another postrider sends",
		MaxEvents: 0,
		Handshake: "`OPTIONS` with `WebHook-Request-Origin` is answered with `WebHook-Allowed-Origin`",
		Probes:    []string{"OPTIONS"},
		New:       provider.WithoutOptions("cloudevents", newParser),
		Samples:   samples,
	}
}

// types are the words of postrider itself. Others are known too: see package vocabulary.
func types() []provider.TypeInfo { return vocabulary.Types(word) }

// word is what postrider calls a route in the attribute type.
func word(r event.Route) string {
	if r.Direction == event.Inbound {
		return "email.inbound." + string(r.Type) + ".v1"
	}
	return "email." + string(r.Type) + ".v1"
}

type parser struct{ words *vocabulary.Reader }

// newParser makes the parser of any source.
func newParser() provider.Parser {
	return &parser{words: vocabulary.New()}
}

// Parse implements provider.Parser.
func (p *parser) Parse(v webhook.Verified) []provider.Result {
	req := v.Request()
	if binary(&req) && len(bytes.TrimSpace(req.Body)) == 0 {
		req.Body = []byte("{}") // an event without data is an event
	}
	return provider.Reading{Fold: true, Several: p.item}.Read(req)
}
