package vocabulary

import (
	"cmp"
	"maps"
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// Names in the metadata of what a canonical event was before it came here: its first
// id, provider and source, however many receivers it went through since.
const (
	OriginID       = "origin_id"
	OriginProvider = "origin_provider"
	OriginSource   = "origin_source"
)

// IsCanonical reports whether an object is a canonical event.
func IsCanonical(o jsondoc.Object) bool {
	return o.Peek("schema") == event.Schema && eventID(o.Peek("id"))
}

// eventID reports whether a text is the id of a canonical event.
func eventID(s string) bool { return len(s) == 32 && hex(s) }

func hex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// canonical reads a canonical event as what it was. Its identity is its first id: by
// whichever way and however often it comes, it is one event, also after it went
// round in a circle. Its ids tell that two of them are the same, whatever was added
// on the way; that is what Derived says.
func (r *reading) canonical() provider.Result {
	e, d := &r.event, r.data
	metadata := maps.Clone(r.env.Metadata)
	if metadata == nil {
		metadata = make(map[string]string)
	}
	custom := d.Object("metadata")
	if id := r.env.EventID; id != "" && id != d.Peek("id") {
		metadata["id"] = id
	}
	id := r.origin(custom, metadata)
	if !r.kind(metadata) {
		return r.missing()
	}
	d.String("schema")
	e.ProviderSubtype, e.ProviderEventID = d.String("provider_subtype"), d.String("provider_event_id")
	if e.OccurredAt = provider.TakeTime(d, "occurred_at"); e.OccurredAt.IsZero() {
		e.OccurredAt = r.env.OccurredAt
	}
	r.message()
	e.RecipientHash = valid(d, "recipient_hash", func(text string) bool { return len(text) == 64 && hex(text) })
	e.Reason = d.Prose("reason")
	if b := d.Bool("test"); b != nil {
		e.Test = *b
	}
	r.details()
	r.raw()
	if s := r.env.Subject; s != "" {
		metadata = r.subject(s, metadata)
	}
	if !custom.IsZero() {
		metadata = custom.Rest(metadata)
	}
	if metadata = r.rest(metadata); len(metadata) > 0 {
		e.Metadata = metadata
	}
	return provider.Result{Event: *e, NativeID: id, Derived: true}
}

// origin returns the event's first id, and notes what it was before where it came
// straight from its first receiver. Only a receiver that reads canonical events writes
// such a note; in what any other provider says, it is whatever the sender of a mail
// called so, and two events of the mail have it alike.
func (r *reading) origin(custom jsondoc.Object, metadata map[string]string) string {
	if id := custom.Peek(OriginID); eventID(id) && relayed(r.data.Peek("provider")) {
		metadata[OriginID] = custom.String(OriginID)
		return id // the metadata says the rest, and goes on saying it
	}
	id := r.data.String("id")
	metadata[OriginID] = id
	for name, member := range map[string]string{OriginProvider: "provider", OriginSource: "source"} {
		if s := r.data.String(member); s != "" {
			metadata[name] = s
		}
	}
	return id
}

// relayed reports whether a provider's events may have been canonical before.
func relayed(providerID string) bool {
	return providerID == "cloudevents" || providerID == "standard_webhooks"
}

// disown takes the name of the note that canonical events carry from what somebody
// else's event has under it.
func disown(metadata map[string]string) map[string]string {
	if id, there := metadata[OriginID]; there {
		delete(metadata, OriginID)
		name := "item." + OriginID
		for metadata[name] != "" {
			name = "item." + name
		}
		metadata[name] = id
	}
	return metadata
}

// kind reads what the event is; false if it does not say. The envelope's word is kept
// where it says something else.
func (r *reading) kind(metadata map[string]string) bool {
	e, d := &r.event, r.data
	word := d.String("type")
	if word == "" {
		word = r.env.Word
	}
	if word == "" {
		return false
	}
	m := r.Meaning(word)
	if t := event.Type(word); t.Valid() {
		m.Type = t
	}
	m.Direction = cmp.Or(valid(d, "direction", m.Type.Allowed), m.Direction)
	if !m.Type.Allowed(m.Direction) {
		m.Type = event.Unknown
	}
	e.Type, e.Direction, e.Family = m.Type, m.Direction, m.Type.Family()
	valid(d, "family", func(f event.Family) bool { return f == e.Family })
	if e.ProviderType = d.String("provider_type"); e.ProviderType == "" {
		e.ProviderType = word
	}
	for _, said := range []string{r.env.Word, word} {
		if !usual(said, e.Type) && said != e.ProviderType {
			metadata["type"] = said
		}
	}
	return true
}

// usual reports whether a word says a type as postrider itself does, or nothing.
func usual(word string, t event.Type) bool {
	word = strings.TrimPrefix(strings.TrimPrefix(word, "email."), "inbound.")
	return word == "" || strings.TrimSuffix(word, ".v1") == string(t)
}

// details reads the objects that only some types have.
func (r *reading) details() {
	e := &r.event
	if smtp := readSMTP(r.part("smtp")); smtp != (event.SMTP{}) {
		e.SMTP = &smtp
	}
	if o := r.part("bounce"); !o.IsZero() || e.Type == event.Bounced {
		e.Bounce = new(readBounce(o))
	}
	if o := r.part("drop"); !o.IsZero() || e.Type == event.Dropped {
		e.Drop = new(readDrop(o))
	}
	if t := r.part("complaint").String("type"); t != "" {
		e.Complaint = &event.Complaint{Type: t}
	}
	var g event.Engagement
	if o := r.part("engagement"); !o.IsZero() {
		fill(&g, o)
	}
	if g != (event.Engagement{}) {
		e.Engagement = &g
	}
}

// valid takes a text that may stand where it stands; "" for none.
func valid[T ~string](o jsondoc.Object, name string, ok func(T) bool) (taken T) {
	o.TextIf(name, func(text string) bool {
		if !ok(T(text)) {
			return false
		}
		taken = T(text)
		return true
	})
	return taken
}

// readBounce reads the canonical form.
func readBounce(o jsondoc.Object) event.Bounce {
	return event.Bounce{
		Class:       cmp.Or(valid(o, "class", event.BounceClass.Valid), event.UndeterminedClass),
		Category:    valid(o, "category", event.BounceCategory.Valid),
		CodeAssumed: valid(o, "code_assumed", smtpcode.Enhanced),
		WillRetry:   o.Bool("will_retry"),
	}
}

// readDrop reads the canonical form.
func readDrop(o jsondoc.Object) event.Drop {
	return event.Drop{Reason: cmp.Or(valid(o, "reason", event.DropReason.Valid), event.DropOther), Detail: o.Prose("detail")}
}

// raw keeps the item that nobody knew, or that is not known here.
func (r *reading) raw() {
	if r.event.Type != event.Unknown {
		return
	}
	if o := r.data.Object("raw"); !o.IsZero() {
		r.event.Raw = o.Compact()
		return
	}
	r.event.Raw = r.item.Compact()
}
