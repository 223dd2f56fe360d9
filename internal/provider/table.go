package provider

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// Row is one event type of a provider: what it is called here, and how what it has
// beyond the fields of all types is read, by a method of the provider's reader R.
type Row[R any] struct {
	Name   string     // the provider's word
	Type   event.Type // canonical type
	Detail func(*R)   // nil for nothing more
}

// Table maps a provider's types, in the order of its page.
type Table[R any] []Row[R]

// Types is the provider's vocabulary, all of it outbound.
func (t Table[R]) Types() []TypeInfo {
	return t.Directed(func(string) event.Direction { return event.Outbound })
}

// Directed is the vocabulary of a provider whose words tell the direction.
func (t Table[R]) Directed(direction func(word string) event.Direction) []TypeInfo {
	out := make([]TypeInfo, len(t))
	for i, r := range t {
		out[i] = TypeInfo{ProviderType: r.Name, Type: r.Type, Direction: direction(r.Name)}
	}
	return out
}

// ByName returns the rows by the provider's word for them.
func (t Table[R]) ByName() Rows[R] { return t.by(func(word string) string { return word }) }

// Folded returns the rows by the folded word (see jsondoc.Fold).
func (t Table[R]) Folded() Rows[R] { return t.by(jsondoc.Fold) }

func (t Table[R]) by(key func(word string) string) Rows[R] {
	rows := make(Rows[R], len(t))
	for _, r := range t {
		rows[key(r.Name)] = r
	}
	return rows
}

// Rows are a table's rows by their words.
type Rows[R any] map[string]Row[R]

// Of returns the row of a word; that of a word nobody knows is event.Unknown.
func (r Rows[R]) Of(word string) Row[R] {
	row, known := r[word]
	if !known {
		row.Type = event.Unknown
	}
	return row
}
