package mapping

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one item while it is read.
type reader struct {
	m       *Mapping
	at      provider.Place
	objects []jsondoc.Object // by their place in the tree; zero where not opened, or not there
	opened  []bool
	used    []jsondoc.Field // members that a field took
	request *request
	env     *environment // nil until an expression needs it
	blind   bool         // the item is too long for expressions

	event      *event.Event
	outcome    outcome // of the word
	said       outcome // of the item itself
	smtp       event.SMTP
	detail     string
	hint       event.BounceCategory
	complaint  event.Complaint
	engagement event.Engagement
}

// leftOver is told of the members of an item that no field took.
type leftOver func(names []string)

// read reads one item; nothing where it is none to publish.
func (m *Mapping) read(o jsondoc.Object, at provider.Place, q *request, note leftOver) []provider.Result {
	var res provider.Result
	r := &reader{
		m: m, at: at, request: q, event: &res.Event,
		objects: make([]jsondoc.Object, len(m.tree.branches)), opened: make([]bool, len(m.tree.branches)),
	}
	r.objects[0], r.opened[0] = o, true
	if m.skip != nil && r.holds(*m.skip) {
		return nil
	}
	if !r.first(m.word, (*reader).setWord) {
		res.Malformed = provider.MissingType(m.typeName())
		return []provider.Result{res}
	}
	r.decide()
	if r.outcome.skip {
		return nil
	}
	r.fill()
	r.finish()
	if res.NativeID = r.identity(); res.NativeID == "" && len(m.spec.Without) > 0 {
		res.NativeID, res.Derived = o.CanonicalHashExcept(m.spec.Without...), true
	}
	r.rest(note)
	return []provider.Result{res}
}

func (r *reader) setWord(v value) bool {
	return short(func(r *reader) *string { return &r.event.ProviderType })(r, v)
}

// typeName names the member where the event type belongs; of several the last one.
func (m *Mapping) typeName() string {
	last := m.word[len(m.word)-1]
	p := last.member
	if last.program != nil {
		if len(last.program.carries) == 0 {
			return "type"
		}
		p = last.program.carries[len(last.program.carries)-1].place
	}
	name := p.name
	for b := m.tree.branches[p.object]; b.parent >= 0; b = m.tree.branches[b.parent] {
		name = b.name + "." + name
	}
	return name
}

// decide finds what the word means.
func (r *reader) decide() {
	r.slot(slotSubtype, r.sources(slotSubtype))
	r.outcome = r.means()
	r.event.Type = cmp.Or(r.outcome.typ, event.Unknown)
	r.event.Family = r.event.Type.Family()
	r.event.Direction = cmp.Or(r.outcome.direction, event.Outbound)
	r.slot(slotDirection, r.sources(slotDirection))
}

// means is the outcome: that of the first rule that holds, else that of the word with
// its sub-type, else that of the word.
func (r *reader) means() outcome {
	for _, rule := range r.m.rules {
		if r.holds(rule.when) {
			return rule.outcome
		}
	}
	word, subtype := r.event.ProviderType, r.event.ProviderSubtype
	if subtype != "" {
		if o, ok := r.m.types[r.m.key(word)+"/"+r.m.key(subtype)]; ok {
			return o
		}
	}
	return r.m.types[r.m.key(word)]
}

// fill reads the fields.
func (r *reader) fill() {
	for i, s := range r.m.slots {
		if i < slotEarly || s.only != "" && s.only != r.event.Type {
			continue
		}
		r.slot(i, r.sources(i))
	}
}

// sources are those of a field for an event of this type.
func (r *reader) sources(i int) []source {
	for _, key := range []string{r.m.key(r.event.ProviderType), r.m.key(string(r.event.Type))} {
		if own, ok := r.m.perType[key]; ok && len(own[i]) > 0 {
			return own[i]
		}
	}
	return r.m.fields[i]
}

func (r *reader) slot(i int, sources []source) { r.first(sources, r.m.slots[i].set) }

// first gives a field the first value that fits. A member that says the same again is
// taken as well.
func (r *reader) first(sources []source, set taker) bool {
	var got value
	for i := range sources {
		v := r.value(&sources[i])
		switch {
		case v.kind == none:
		case got.kind == none && set(r, v):
			got = v
			r.use(&sources[i], v)
		case got.kind != none && v.equal(got):
			r.use(&sources[i], v)
		}
	}
	return got.kind != none
}

// value is what a source gives; members stay where they are.
func (r *reader) value(s *source) value {
	if s.program != nil {
		if env := r.environment(); env != nil {
			return resultValue(s.program.run(env))
		}
		return value{}
	}
	f, ok := r.find(s.member)
	if !ok {
		return value{}
	}
	return fieldValue(f)
}

// holds reports whether a condition is true.
func (r *reader) holds(s source) bool {
	v := r.value(&s)
	return v.kind == boolean && v.text == "true"
}

// use marks the members that a value came from, as far as it holds all that they say.
func (r *reader) use(s *source, v value) {
	if s.program == nil {
		if f, ok := r.find(s.member); ok {
			r.used = append(r.used, f)
		}
		return
	}
	for _, c := range s.program.carries {
		if f, ok := r.find(c.place); ok && c.held(v, f) {
			r.used = append(r.used, f)
		}
	}
}

// held reports whether a result holds all that a member says.
func (c *carry) held(v value, f jsondoc.Field) bool {
	switch f.Kind() {
	case '{':
		return false
	case '[':
		return holdsAll(v, f) && (!c.whole || slices.Equal(v.list, f.Strings()))
	case '"':
		if !c.whole {
			return v.holds(f.Text())
		}
	}
	return f.Text() != "" && (v.text == f.Text() || slices.Contains(v.list, f.Text()))
}

// holdsAll reports whether a value holds every text of a list.
func holdsAll(v value, f jsondoc.Field) bool {
	items := f.Strings()
	return len(items) > 0 && !slices.ContainsFunc(items, func(s string) bool { return !v.holds(s) })
}

// find returns a member.
func (r *reader) find(p place) (jsondoc.Field, bool) { return r.open(p.object).Find(p.name) }

// open returns an object on the way to members, whose own members count from then on.
func (r *reader) open(i int) jsondoc.Object {
	if !r.opened[i] {
		b := r.m.tree.branches[i]
		r.objects[i], r.opened[i] = r.open(b.parent).Object(b.name), true
	}
	return r.objects[i]
}

// environment is what expressions see; nil where the item is too long.
func (r *reader) environment() *environment {
	if r.env != nil || r.blind {
		return r.env
	}
	if r.objects[0].Len() > maxItem {
		r.blind = true
		return nil
	}
	r.env = &environment{
		Item: r.objects[0].Any(), Index: r.at.Index,
		Outer: r.request.envelope(r.m.outer, r.at), Headers: r.request.headers(r.at), Query: r.request.query(r.at),
	}
	return r.env
}

// finish derives what the fields say together.
func (r *reader) finish() {
	e := r.event
	e.Test = e.Test || r.outcome.test
	reply := smtpcode.Read(r.smtp.Response)
	r.smtp.Code, r.smtp.Enhanced = cmp.Or(r.smtp.Code, reply.Code), cmp.Or(r.smtp.Enhanced, reply.Enhanced)
	if r.smtp != (event.SMTP{}) {
		e.SMTP = &r.smtp
	}
	said := r.outcome
	if o, ok := r.m.subtypes[jsondoc.Fold(e.ProviderSubtype)]; ok && e.ProviderSubtype != "" {
		said.adopt(&o)
		e.Test = e.Test || o.test
	}
	said.adopt(&r.said)
	switch e.Type { //nolint:exhaustive // the others have nothing of their own
	case event.Bounced:
		e.Bounce = r.bounce(&said)
	case event.Dropped:
		e.Drop = &event.Drop{Reason: cmp.Or(said.reason, event.DropOther), Detail: r.detail}
	case event.Complained:
		if r.complaint != (event.Complaint{}) {
			e.Complaint = &r.complaint
		}
	}
	if r.engagement != (event.Engagement{}) {
		e.Engagement = &r.engagement
	}
}

// bounce is the class and category that were said, and what the codes say beside.
func (r *reader) bounce(said *outcome) *event.Bounce {
	reply := smtpcode.Reply{Code: r.smtp.Code, Enhanced: r.smtp.Enhanced}
	b := reply.Bounce(said.class, cmp.Or(r.smtp.Response, r.event.Reason))
	if r.hint != "" && slices.Contains([]event.BounceCategory{event.Generic, event.Transient, event.UndeterminedCategory}, b.Category) {
		b.Category = r.hint
	}
	b.Category, b.WillRetry = cmp.Or(said.category, b.Category), said.retry
	if reply.Enhanced == "" {
		b.CodeAssumed = said.assumed
	}
	return &b
}

// rest puts into the metadata what no field took.
func (r *reader) rest(note leftOver) {
	e := r.event
	if e.Type == event.Unknown {
		e.Raw = without(r.objects[0].Compact(), r.m.hidden, r.m.spec.Fold)
	}
	for i := range r.m.metadata {
		r.named(&r.m.metadata[i])
	}
	for i := range r.m.ignored {
		r.use(&r.m.ignored[i], r.value(&r.m.ignored[i]))
	}
	for _, f := range r.used {
		f.Take()
	}
	for i, b := range r.m.tree.branches {
		if b.forced {
			r.open(i)
		}
	}
	for i, o := range r.objects {
		before := len(e.Metadata)
		known := names(note, e.Metadata)
		e.Metadata = o.Rest(e.Metadata)
		if note != nil && !r.m.tree.branches[i].forced && len(e.Metadata) > before {
			note(added(known, e.Metadata))
		}
	}
}

// named gives an entry of the metadata its value.
func (r *reader) named(n *named) {
	v := r.value(&n.source)
	if v.kind == none || v.kind == list || len(v.text) > event.MaxValue {
		return
	}
	if r.event.Metadata == nil {
		r.event.Metadata = make(map[string]string)
	}
	r.event.Metadata[n.name] = v.text
	r.use(&n.source, v)
}

// identity is the native id; "" where the item's content is it.
func (r *reader) identity() string {
	if r.m.spec.DeriveID {
		return ""
	}
	if len(r.m.id) == 0 {
		return r.event.ProviderEventID
	}
	for i := range r.m.id {
		s := &r.m.id[i]
		v := r.value(s)
		if v.kind != text && v.kind != number || len(v.text) > jsondoc.MaxShort {
			continue
		}
		if s.program != nil && !s.program.own && r.at.Count > 1 {
			return v.text + "/" + strconv.Itoa(r.at.Index) // what the items of a request share tells none apart
		}
		return v.text
	}
	return ""
}
