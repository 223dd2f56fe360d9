// Package mapping reads the webhooks of any provider by a declaration instead of
// code: which members of a JSON or form body are which canonical fields, and what
// the provider's words mean. docs/mapping.md is its reference.
//
// Most of a mapping is ways to members ("data.to") and tables of words. Where those
// do not do, an expression does, in the language of github.com/expr-lang/expr, which
// operators know from filters. jq would be better known, but it is bounded by a
// deadline only: whether a request is an event would depend on how busy the machine
// is, and its compile errors mostly have no position. Here an expression is bounded
// by what it says: no loop within a loop over the same data, no ranges, no patterns
// that a request brings, no text made of texts without a bound. Its cost is linear
// in the item, whatever is sent.
//
// As the built-in providers, a mapping loses nothing: what no field takes is in the
// metadata, a value of the wrong kind stays there, and what an expression only looks
// at stays as well.
//
//	outcome.go     what a word means: "bounced hard mailbox_full"
//	path.go        the ways to members
//	expression.go  expressions and their bounds
//	slots.go       the canonical fields and what each takes
//	read.go        one item
//	request.go     what the items of a request share
//	functions.go   what expressions may call
//	raw.go         an item without what is ignored
//	explain.go     what became of each member
package mapping

import (
	"cmp"
	"fmt"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// ID is the provider id of sources that declare their mapping.
const ID = "mapping"

// Mapping is a compiled mapping: a provider.Parser, safe for concurrent use.
type Mapping struct {
	spec    *mapspec.Spec
	reading provider.Reading

	skip  *source
	word  []source
	types map[string]outcome
	rules []rule

	subtypes, classes, categories, reasons map[string]outcome

	id       []source
	fields   slots
	perType  map[string]slots
	metadata []named
	ignored  []source
	hidden   [][]string // ways to members that the raw item of an unknown event is without

	tree  tree
	slots []slot   // of every field
	outer []string // members of envelopes that expressions look at
	uses  []Use
}

// rule is an outcome that a condition decides.
type rule struct {
	when    source
	outcome outcome
}

// named is an entry of the metadata that has a name of its own.
type named struct {
	name   string
	source source
}

// Compile makes the parser that a declaration describes. Where there are problems
// there is no parser; they are all of them.
func Compile(spec *mapspec.Spec) (*Mapping, []Problem) {
	c := &compiler{spec: spec, m: &Mapping{spec: spec, tree: newTree()}}
	c.compile()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return c.m, nil
}

// Definition is what the bridge knows of the provider that is mapped: beside what the
// declaration says, nothing of its retries is known.
func (m *Mapping) Definition() provider.Definition {
	d := Definition()
	d.Title, d.Mapper = cmp.Or(m.spec.Title, d.Title), max(1, m.spec.Version)
	d.Methods, d.Probes = m.spec.Methods, m.spec.Probes
	d.Forms, d.Lines = m.reading.Forms, m.reading.Lines
	d.Types, d.Samples = m.vocabulary(), m.samples
	d.New = func(options map[string]string) (provider.Parser, error) {
		return m, provider.NoOptions(ID, options)
	}
	return d
}

// Definition is what is known of the provider `mapping` without a declaration: enough
// to name it, but New fails.
func Definition() provider.Definition {
	return provider.Definition{
		ID:       ID,
		Title:    "the mapped provider",
		Doc:      "https://github.com/postrider/postrider/blob/main/docs/mapping.md",
		Mapper:   1,
		Auth:     "hmac",
		Policy:   provider.Policy{Busy: 503, Retries: "not documented"},
		Identity: "`id` of the mapping, else its `provider_event_id`, else derived",
		New: func(map[string]string) (provider.Parser, error) {
			return nil, fmt.Errorf("%s: the source has no mapping", ID)
		},
		Samples: func() []provider.Sample { return nil },
	}
}

// Uses lists the headers and parameters that expressions look at.
func (m *Mapping) Uses() []Use { return m.uses }

// Parse implements provider.Parser.
func (m *Mapping) Parse(v webhook.Verified) []provider.Result {
	reading, q := m.reading, &request{}
	reading.Several = func(o jsondoc.Object, at provider.Place) []provider.Result {
		return m.read(o, at, q, nil)
	}
	return reading.Read(v.Request())
}

// key is the form in which words of the table of types are compared.
func (m *Mapping) key(word string) string {
	if m.spec.Fold {
		return jsondoc.Fold(word)
	}
	return word
}
