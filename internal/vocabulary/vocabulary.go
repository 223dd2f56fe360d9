// Package vocabulary reads the email events of senders that nobody has written a
// provider for: the usual words for what became of a message, and the usual names
// of what is known about it. Everything is a literal table; what no table knows
// stays in the metadata under the sender's own name.
//
// The data of an event may also be a canonical event, as `postrider forward` sends
// it. That comes out as it went in.
package vocabulary

import (
	"maps"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Envelope is what stands around the data of an event.
type Envelope struct {
	Word       string     // the sender's word for the type; may be empty around a canonical event
	Field      string     // where the word stands, for the dead letter of an event without one
	EventID    string     // the sender's id of the event, as sent
	NativeID   string     // what makes the event itself; "": what the item says
	OccurredAt event.Time // zero: the data may know
	// Subject is what the event is about, in the sender's terms: the message, where
	// nothing else names it.
	Subject string
	// Metadata is what else there is beside the item; nil for nothing. It is not changed.
	Metadata map[string]string
}

// Reader reads events. It is not changed after New and may be used concurrently.
type Reader struct {
	words   map[string]Meaning
	classes map[string]event.BounceClass
	drops   map[string]event.DropReason
}

// New makes a Reader.
func New() *Reader {
	return &Reader{words: words(), classes: classes(), drops: drops()}
}

// Read reads one event: item is all of it, of which the envelope was taken, and data
// is what it says; the two may be the same. Both compare names folded.
func (r *Reader) Read(env Envelope, item, data jsondoc.Object) provider.Result {
	one := reading{Reader: r, env: env, item: item, data: data}
	if IsCanonical(data) {
		return one.canonical()
	}
	return one.foreign()
}

// reading is one event while it is read.
type reading struct {
	*Reader

	env        Envelope
	item, data jsondoc.Object
	parts      []jsondoc.Object // of the data, whose rest is still to be kept
	event      event.Event
}

// part takes an object of the data, if it is there.
func (r *reading) part(name string) jsondoc.Object {
	o := r.data.Object(name)
	if !o.IsZero() {
		r.parts = append(r.parts, o)
	}
	return o
}

// rest is everything that was not taken, the outer before the inner.
func (r *reading) rest(dst map[string]string) map[string]string {
	dst = r.item.Rest(dst)
	if r.data != r.item {
		dst = r.data.Rest(dst)
	}
	for _, o := range r.parts {
		dst = o.Rest(dst)
	}
	return dst
}

// missing is the dead letter of an event without a type.
func (r *reading) missing() provider.Result {
	return provider.Result{Malformed: provider.MissingType(r.env.Field)}
}

// foreign reads the data of a sender of whom nothing is known but its words.
func (r *reading) foreign() provider.Result {
	e := &r.event
	word := r.env.Word
	if word == "" {
		return r.missing()
	}
	meaning := r.Meaning(word)
	e.Type, e.Direction, e.Family = meaning.Type, meaning.Direction, meaning.Type.Family()
	e.ProviderType, e.ProviderEventID, e.OccurredAt = word, r.env.EventID, r.env.OccurredAt
	r.when()
	r.message()
	r.texts()
	r.outcome(meaning)
	metadata := maps.Clone(r.env.Metadata)
	if s := r.env.Subject; s != "" {
		metadata = r.subject(s, metadata)
	}
	if custom := r.custom(); !custom.IsZero() {
		r.parts = append(r.parts, custom)
	}
	if e.Type == event.Unknown {
		e.Raw = r.item.Compact()
	}
	e.Metadata = disown(r.rest(metadata))
	return provider.Result{Event: *e, NativeID: r.env.NativeID}
}
