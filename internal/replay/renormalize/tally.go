package renormalize

import (
	"cmp"
	"maps"
	"slices"

	"github.com/postrider/postrider/internal/replay"
)

// maxFields bounds how many fields are told of one type; names of metadata are the
// provider's, and there may be many.
const maxFields = 100

// otherFields stands for the fields beyond.
const otherFields = "(other fields)"

// tally gathers what changes, by type and field.
type tally struct{ types map[string]*typeTally }

type typeTally struct {
	replay.TypeDiff

	fields map[string]*replay.FieldDiff
}

func (t *tally) of(typ string) *typeTally {
	if t.types == nil {
		t.types = map[string]*typeTally{}
	}
	if t.types[typ] == nil {
		t.types[typ] = &typeTally{TypeDiff: replay.TypeDiff{Type: typ}, fields: map[string]*replay.FieldDiff{}}
	}
	return t.types[typ]
}

// field counts a changed field, and shows the first change of each.
func (t *typeTally) field(path, id, old, now string) {
	name := label(path)
	f := t.fields[name]
	if f == nil {
		if len(t.fields) >= maxFields {
			name, old, now = otherFields, "", ""
		}
		if f = t.fields[name]; f == nil {
			f = &replay.FieldDiff{Field: name, ID: id, Old: example(name, old), New: example(name, now)}
			t.fields[name] = f
		}
	}
	f.Count++
}

// list is all of it, in the order of the names.
func (t *tally) list() (out []replay.TypeDiff) {
	for _, typ := range slices.Sorted(maps.Keys(t.types)) {
		d := t.types[typ].TypeDiff
		for _, f := range t.types[typ].fields {
			d.Fields = append(d.Fields, *f)
		}
		slices.SortFunc(d.Fields, func(a, b replay.FieldDiff) int { return cmp.Compare(a.Field, b.Field) })
		out = append(out, d)
	}
	return out
}
