package mapping

import (
	"maps"
	"slices"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// Explanation is what became of one request.
type Explanation struct {
	Results  []Explained
	Envelope []string // members of the envelopes around items, at which nothing looks, in order
	Skipped  int      // items that are nothing to publish
}

// Explained is what became of one item.
type Explained struct {
	provider.Result
	// Unmapped are the names of the metadata that no key of the mapping asked for, in
	// order.
	Unmapped []string
}

// Explain parses a request as Parse does, and tells what the mapping left.
func (m *Mapping) Explain(v webhook.Verified) Explanation {
	var out Explanation
	var unmapped [][]string
	envelope, looked := make(map[string]bool), jsondoc.Object{}
	reading, q := m.reading, &request{}
	reading.Several = func(o jsondoc.Object, at provider.Place) []provider.Result {
		var names []string
		if at.Outer != looked { // thousands of items share one
			looked = at.Outer
			m.envelope(envelope, at.Around)
		}
		results := m.read(o, at, q, func(left []string) { names = append(names, left...) })
		if len(results) == 0 {
			out.Skipped++
			return nil
		}
		slices.Sort(names)
		unmapped = append(unmapped, names)
		return results
	}
	for _, r := range reading.Read(v.Request()) {
		e := Explained{Result: r}
		if r.Malformed == nil || r.Malformed.Reason == provider.ReasonMissingType && r.Index >= 0 {
			e.Unmapped, unmapped = unmapped[0], unmapped[1:]
		}
		out.Results = append(out.Results, e)
	}
	out.Envelope = slices.Sorted(maps.Keys(envelope))
	return out
}

// envelope adds the members around the items, which no event has.
func (m *Mapping) envelope(names map[string]bool, around []jsondoc.Object) {
	for i, outer := range around {
		inner := m.reading.Within[len(around)-1-i] // what lies between it and the items
		for name := range outer.Any() {
			if name != inner && !slices.Contains(m.outer, name) {
				names[name] = true
			}
		}
	}
}

// names returns a copy of the names that there are, where somebody wants to know.
func names(note leftOver, metadata map[string]string) map[string]string {
	if note == nil {
		return nil
	}
	return maps.Clone(metadata)
}

// added lists the names that known does not have.
func added(known, metadata map[string]string) []string {
	var list []string
	for name := range metadata {
		if _, there := known[name]; !there {
			list = append(list, name)
		}
	}
	return list
}
