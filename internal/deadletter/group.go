package deadletter

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Kind is what letters of one group have in common.
type Kind struct {
	Reason   string `json:"reason"`
	Stage    string `json:"stage"`
	Provider string `json:"provider"`
	Source   string `json:"source"`
	Mapper   int    `json:"mapper"`
}

// KindOf is the kind of a letter.
func KindOf(l *Letter) Kind {
	return Kind{Reason: l.Reason, Stage: l.Stage, Provider: l.Provider, Source: l.Source, Mapper: l.Mapper}
}

// Group counts the letters of one kind.
type Group struct {
	Kind

	Open      int       `json:"open"`
	Redriven  int       `json:"redriven"`
	Dismissed int       `json:"dismissed"`
	First     time.Time `json:"first"` // when the requests came
	Last      time.Time `json:"last"`
}

// Groups counts letters by kind. The zero value is ready.
type Groups struct{ byKind map[Kind]*Group }

// Add counts a letter; how says in what way it is resolved, "" that it is open.
func (g *Groups) Add(l *Letter, how How) {
	if g.byKind == nil {
		g.byKind = make(map[Kind]*Group)
	}
	kind := KindOf(l)
	group := g.byKind[kind]
	if group == nil {
		group = &Group{Kind: kind, First: l.Time, Last: l.Time}
		g.byKind[kind] = group
	}
	switch how {
	case Redriven:
		group.Redriven++
	case Dismissed:
		group.Dismissed++
	default:
		group.Open++
	}
	if l.Time.Before(group.First) {
		group.First = l.Time
	}
	if l.Time.After(group.Last) {
		group.Last = l.Time
	}
}

// List returns the groups in the order of reason, stage, provider, source and
// mapper.
func (g *Groups) List() []*Group {
	return slices.SortedFunc(maps.Values(g.byKind), func(a, b *Group) int { return Compare(a.Kind, b.Kind) })
}

// Compare orders kinds.
func Compare(a, b Kind) int {
	return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Provider, b.Provider),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.Mapper, b.Mapper))
}
