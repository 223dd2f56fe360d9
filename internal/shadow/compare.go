package shadow

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
)

// Fields of differences that are none of an event.
const (
	FieldProof   = "proof"       // accepted by one, refused by the other
	FieldMissing = "missing"     // an item of the live reading that the shadow does not have
	FieldExtra   = "extra"       // an item that only the shadow has
	FieldDead    = "dead_letter" // an event for one, a dead letter for the other, or for another reason
)

// Difference is one thing that the shadow has otherwise. Values are redacted.
type Difference struct {
	Item   int    `json:"item"`             // place among the items, from 0; -1: the request
	Field  string `json:"field"`            // of the event, as in its JSON, or one of the words above
	Live   string `json:"live,omitempty"`   // "" is absent
	Shadow string `json:"shadow,omitempty"` // "" is absent
}

// label is the field without names that senders choose.
func (d *Difference) label() string {
	if strings.HasPrefix(d.Field, "metadata.") {
		return "metadata"
	}
	return d.Field
}

// findings are what one comparison found: the first differences, and how many of each
// field there are. A body may hold more of them than anybody wants to keep.
type findings struct {
	first  []Difference
	counts map[string]int64 // by label
	total  int
}

func (f *findings) add(d Difference) {
	if f.counts == nil {
		f.counts = make(map[string]int64)
	}
	f.counts[d.label()]++
	if f.total++; f.total <= maxDifferences {
		f.first = append(f.first, d)
	}
}

// onlyIDs reports whether there are differences, and all of them are of ids.
func (f *findings) onlyIDs() bool { return f.total > 0 && f.counts["id"] == int64(f.total) }

// item is one item of a reading: an event, or why it is none.
type item struct {
	event *event.Event
	dead  string
	body  uint64 // hash of the bytes that it was read from
}

func (i item) String() string {
	if i.event == nil {
		return "dead letter: " + i.dead
	}
	return "event: " + string(i.event.Direction) + " " + string(i.event.Type)
}

// items puts events and dead letters in the order of the payload.
func (m masker) items(o *normalize.Output) []item {
	out := make([]item, 0, len(o.Events)+len(o.DeadLetters))
	dead := o.DeadLetters
	add := func(d *normalize.DeadLetter) {
		out = append(out, item{dead: d.Reason, body: maphash.Bytes(m.seed, d.Item)})
	}
	for i := range o.Events {
		for ; len(dead) > 0 && dead[0].Index < o.Events[i].Index; dead = dead[1:] {
			add(&dead[0])
		}
		out = append(out, item{event: &o.Events[i].Event, body: maphash.Bytes(m.seed, o.Events[i].Body)})
	}
	for i := range dead {
		add(&dead[i])
	}
	return out
}

// compare finds the differences of two readings, item by item. Items of the same bytes
// belong together, so that one that is left out does not shift those behind it; where
// the readings cut the payload otherwise, their places tell.
func (m masker) compare(live, other *normalize.Output, into *findings) {
	a, b := m.items(live), m.items(other)
	inA, inB := bodies(a), bodies(b) // of what is to come
	for i, j := 0, 0; i < len(a) || j < len(b); {
		missing, extra := j >= len(b), i >= len(a)
		if !missing && !extra {
			alone, lone := inB[a[i].body] == 0, inA[b[j].body] == 0 // without an item of its bytes in the other
			missing, extra = alone && !lone, lone && !alone
		}
		switch {
		case missing:
			into.add(Difference{Item: i, Field: FieldMissing, Live: a[i].String()})
		case extra:
			into.add(Difference{Item: j, Field: FieldExtra, Shadow: b[j].String()})
		default:
			m.pair(i, a[i], b[j], into)
		}
		if !extra {
			inA[a[i].body]--
			i++
		}
		if !missing {
			inB[b[j].body]--
			j++
		}
	}
}

// bodies counts the items of each body.
func bodies(list []item) map[uint64]int {
	counts := make(map[uint64]int, len(list))
	for _, it := range list {
		counts[it.body]++
	}
	return counts
}

// pair compares two items.
func (m masker) pair(i int, a, b item, into *findings) {
	switch {
	case a.event != nil && b.event != nil:
		m.events(i, a.event, b.event, into)
	case a.event != b.event || a.dead != b.dead:
		into.add(Difference{Item: i, Field: FieldDead, Live: a.String(), Shadow: b.String()})
	}
}

// events finds the fields in which two events differ, in the order of their names.
func (m masker) events(i int, live, other *event.Event, into *findings) {
	a, b := live.AppendJSON(nil), other.AppendJSON(nil)
	if bytes.Equal(a, b) {
		return
	}
	before, after := make(map[string]string), make(map[string]string)
	flatten("", a, before)
	flatten("", b, after)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] && !givenBySource(name) {
			into.add(Difference{Item: i, Field: bounded(name), Live: m.value(name, before[name]), Shadow: m.value(name, after[name])})
		}
	}
}

// givenBySource reports whether a field says where an event came in, which a shadow
// that stands for another provider is bound to have otherwise.
func givenBySource(name string) bool { return name == "provider" }

// flatten notes the members of an object under their paths. Objects within it are
// the event's own details and its metadata; raw is one value.
func flatten(path string, text []byte, into map[string]string) {
	var members map[string]json.RawMessage
	if path == "raw" || json.Unmarshal(text, &members) != nil {
		into[path] = string(text)
		return
	}
	for name, value := range members {
		at := strings.TrimPrefix(path+"."+name, ".")
		if path == "metadata" {
			into[at] = string(value)
			continue
		}
		flatten(at, value, into)
	}
}
