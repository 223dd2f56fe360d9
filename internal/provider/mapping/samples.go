package mapping

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/mapspec"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// samples makes one webhook for every word of the table of types, out of the ways to
// members: it has what the mapping reads, and nothing else. A mapping that reads its
// words by expressions only has none.
func (m *Mapping) samples() []provider.Sample {
	word, ok := way(m.spec.Type)
	if !ok {
		return nil
	}
	var list []provider.Sample
	for _, key := range slices.Sorted(maps.Keys(m.spec.Types)) {
		typ, subtype, _ := strings.Cut(key, "/")
		if o := m.types[m.key(key)]; o.skip {
			continue
		}
		item := make(map[string]any)
		for _, s := range m.sampled(subtype) {
			if names, ok := way(s.from); ok && s.value != "" {
				put(item, names, s.value)
			}
		}
		put(item, word, typ)
		body, err := json.Marshal(item)
		if err != nil {
			continue // a map of texts is never refused
		}
		list = append(list, provider.Sample{Name: jsondoc.Fold(key), ProviderType: typ, Body: string(body)})
	}
	return list
}

// sampled is a member of a sample: where it is read from, and what it holds.
type sampled struct {
	from  mapspec.Sources
	value string
}

func (m *Mapping) sampled(subtype string) []sampled {
	f := &m.spec.Fields
	return []sampled{
		{f.Recipient, "{{recipient}}"},
		{f.Sender, "{{sender}}"},
		{f.MessageID, "{{uuid2}}"},
		{cmp.Or(first(m.spec.ID), first(f.ProviderEventID)).sources(), "{{uuid}}"},
		{f.ProviderSubtype, subtype},
		{f.OccurredAt, m.sampleTime()},
	}
}

// first is the first source of several; "" where there is none.
func first(s mapspec.Sources) one {
	if len(s) == 0 {
		return ""
	}
	return one(s[0])
}

// one is a single source.
type one string

func (o one) sources() mapspec.Sources {
	if o == "" {
		return nil
	}
	return mapspec.Sources{string(o)}
}

// sampleTime is a time as the mapping reads it; "" where only a layout tells.
func (m *Mapping) sampleTime() string {
	switch {
	case len(m.spec.TimeAs) == 0, slices.Contains(m.spec.TimeAs, "unix"):
		return "{{unix}}"
	case slices.Contains(m.spec.TimeAs, "rfc3339"):
		return "{{time}}"
	case slices.Contains(m.spec.TimeAs, "millis"):
		return "{{unix}}000"
	}
	return ""
}

// way returns the names of the first source that is a way to a member.
func way(sources mapspec.Sources) ([]string, bool) {
	for _, s := range sources {
		if strings.HasPrefix(strings.TrimSpace(s), "=") {
			continue
		}
		if names, err := splitPath(s); err == nil {
			return names, true
		}
	}
	return nil, false
}

// put sets a member of an object, and makes the objects on the way to it.
func put(o map[string]any, names []string, value string) {
	for _, name := range names[:len(names)-1] {
		inner, ok := o[name].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			o[name] = inner
		}
		o = inner
	}
	o[names[len(names)-1]] = value
}

// vocabulary lists the words that the table has, each with each type once, by name.
func (m *Mapping) vocabulary() []provider.TypeInfo {
	var list []provider.TypeInfo
	for _, key := range slices.Sorted(maps.Keys(m.spec.Types)) {
		word, _, _ := strings.Cut(key, "/")
		o := m.types[m.key(key)]
		row := provider.TypeInfo{ProviderType: word, Type: o.typ, Direction: cmp.Or(o.direction, event.Outbound)}
		if !o.skip && !slices.Contains(list, row) {
			list = append(list, row)
		}
	}
	return list
}
