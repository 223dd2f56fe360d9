package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Reading is how a provider's requests are read. Whatever shape they come in, what
// Item gets is one object; and every provider also takes its objects alone or in
// an array, which is how an item out of a dead letter comes back.
type Reading struct {
	Tolerant bool // forgive trailing commas
	Fold     bool // compare names with case, spaces, '_' and '-' left out

	// Forms says that a body may be a form (urlencoded, or multipart; the query of a
	// GET has become the body): a form is one object whose members are its fields, all
	// strings, arrays of strings where a field repeats.
	Forms bool
	// Field names the one field of a form that holds all there is, as JSON; what else
	// the form holds is not read. It goes with Forms.
	Field string
	// Lines says that a body may be JSON Lines. A line that cannot be read harms no other.
	Lines bool
	// Within names the way from an envelope to its items, such as events_by_user,
	// events: each a member with an array of them, or with the only one. An object
	// without the first is an item.
	Within []string

	// Item reads one object into e, which is zero, and returns its native id; "" means that the
	// object's canonical hash is the identity. What e holds is of no interest
	// where there is a Malformed.
	Item func(o jsondoc.Object, at Place, e *event.Event) (nativeID string, m *Malformed)
	// Several stands in for Item where an object may be about several recipients: it
	// returns a Result with Event and NativeID, or Malformed, for each, in a stable
	// order. An object may also be nothing to publish.
	Several func(o jsondoc.Object, at Place) []Result
}

// Place is where an item stands.
type Place struct {
	Request *webhook.Request
	Index   int // of the items of the request, from 0
	Count   int // items of the request
	// Outer is the innermost envelope that Within led through; zero without one. Its
	// other items have it too, so look at members with Peek and Member.
	Outer jsondoc.Object
	// Around are all envelopes, Outer first and the body's own object last.
	Around []jsondoc.Object

	memory *Memory // of the results; nil for a place that was made up
}

// HeaderID is the native id of an item whose id stands in a request header, as
// webhook-id does; "" if it is not there. The items of a batch share the header:
// their places tell them apart.
func (p Place) HeaderID(name string) string {
	id := p.Request.Header.Get(name)
	if id == "" || p.Count == 1 {
		return id
	}
	return id + "/" + strconv.Itoa(p.Index)
}

// Read judges a request: one object, or several of them, each alone and in order.
// It is how every provider begins its Parse.
func (r Reading) Read(req webhook.Request) []Result { return r.ReadIn(new(Memory), req) }

// ReadIn is Read with results that are valid until m's Reset.
func (r Reading) ReadIn(m *Memory, req webhook.Request) []Result {
	m.request = req
	text, malformed := r.json(&m.request)
	if malformed != nil {
		return []Result{{Item: req.Body, Index: -1, Malformed: malformed}}
	}
	doc, err := r.parse(text)
	if err == nil {
		defer doc.Release()
		doc.Use(&m.room)
		return r.document(m, doc)
	}
	if lines := r.lines(text, err); lines != nil {
		return r.eachLine(m, lines)
	}
	return []Result{{Item: req.Body, Index: -1, Malformed: unreadable(err)}}
}

// parse reads one JSON text.
func (r Reading) parse(text []byte) (*jsondoc.Doc, error) {
	if r.Tolerant {
		return jsondoc.ParseTolerant(text) //nolint:wrapcheck // unreadable says what it means
	}
	return jsondoc.Parse(text) //nolint:wrapcheck // as above
}

// document judges all items of a document.
func (r Reading) document(m *Memory, doc *jsondoc.Doc) []Result {
	items := m.items[:0]
	root := doc.Root()
	switch root.Kind() {
	case '{':
		items = r.unwrap(items, root, nil, r.Within)
	case '[':
		items = slices.Grow(items, root.Len())
		for _, v := range root.Items() {
			items = r.unwrap(items, v, nil, r.Within)
		}
	default:
		return []Result{{Item: root.Bytes(), Index: -1, Malformed: &Malformed{
			ReasonNotAnObject, "the body is neither an object nor an array of objects",
		}}}
	}
	m.items = items
	out := r.judge(m)
	if len(out) > 0 {
		out[0].DuplicateNames = doc.Duplicates()
	}
	return out
}

// tooMany is what becomes of a body with more items, or events, than the bound: the
// bound of one array does not bound arrays within arrays, lines, or recipients.
func tooMany(req *webhook.Request) []Result {
	return []Result{{Item: req.Body, Index: -1, Malformed: &Malformed{
		ReasonTooManyItems, fmt.Sprintf("the body has more than %d items", jsondoc.MaxItems),
	}}}
}

// found is an item and the envelopes around it, the innermost first.
type found struct {
	value  jsondoc.Value
	around []jsondoc.Object
}

// unwrap adds the items below a value: itself, or those of its envelope.
func (r Reading) unwrap(dst []found, v jsondoc.Value, around []jsondoc.Object, within []string) []found {
	if len(within) == 0 {
		return append(dst, found{v, around})
	}
	if len(dst) > jsondoc.MaxItems {
		return dst // that is too many already
	}
	o, _ := v.Object(r.Fold)
	inner, ok := o.Member(within[0])
	switch {
	case ok && inner.Kind() == '[':
		shared := append([]jsondoc.Object{o}, around...)
		for _, item := range inner.Items() {
			dst = r.unwrap(dst, item, shared, within[1:])
		}
		return dst
	case ok && inner.Kind() == '{':
		return r.unwrap(dst, inner, append([]jsondoc.Object{o}, around...), within[1:])
	}
	return append(dst, found{v, around})
}

// judge judges items in order.
func (r Reading) judge(m *Memory) []Result {
	items, req := m.items, &m.request
	if len(items) > jsondoc.MaxItems {
		return tooMany(req)
	}
	clear(m.results) // those of the line before
	out := slices.Grow(m.results[:0], len(items))
	for i := range items {
		it := &items[i]
		at := Place{Request: req, Index: i, Count: len(items), Around: it.around, memory: m}
		if len(it.around) > 0 {
			at.Outer = it.around[0]
		}
		if r.Several != nil {
			out = r.several(out, it.value, at)
			if m.results = out; len(out) > jsondoc.MaxItems {
				return tooMany(req)
			}
			continue
		}
		out = out[:len(out)+1] // which is zero
		m.results = out        // also where the parser panics: Reset then knows what to clear
		r.item(&out[len(out)-1], it.value, at)
	}
	return out
}

// item judges one value.
func (r Reading) item(out *Result, v jsondoc.Value, at Place) {
	out.Index, out.Item = at.Index, v.Bytes()
	o, ok := v.Object(r.Fold)
	if !ok {
		out.Malformed = notAnObject(at.Index)
		return
	}
	out.Compact = !v.Spaced()
	out.NativeID, out.Malformed = r.Item(o, at, &out.Event)
	out.settle(o)
}

// several judges one value that may be several events. Each has a place of its
// own among the results.
func (r Reading) several(out []Result, v jsondoc.Value, at Place) []Result {
	o, ok := v.Object(r.Fold)
	if !ok {
		return append(out, Result{Index: len(out), Item: v.Bytes(), Malformed: notAnObject(at.Index)})
	}
	for _, res := range r.Several(o, at) {
		res.Index, res.Item, res.Compact = len(out), v.Bytes(), !v.Spaced()
		res.settle(o)
		out = append(out, res)
	}
	return out
}

// settle leaves nothing of an event where there is none, and gives an event
// without id of its own the hash of what it says.
func (r *Result) settle(o jsondoc.Object) {
	switch {
	case r.Malformed != nil:
		r.NativeID, r.Event = "", event.Event{}
	case r.NativeID == "":
		r.NativeID, r.Derived = o.CanonicalHash(), true
	}
}

func notAnObject(index int) *Malformed {
	return &Malformed{ReasonNotAnObject, fmt.Sprintf("item %d is no object", index)}
}

// unreadable turns jsondoc's error into a reason.
func unreadable(err error) *Malformed {
	reason, detail := ReasonInvalidJSON, err.Error()
	if e, ok := errors.AsType[*jsondoc.Error](err); ok {
		detail = fmt.Sprintf("the body is %s, at byte %d", e.Problem, e.Offset)
		switch e.Problem {
		case jsondoc.Empty:
			reason, detail = ReasonEmptyBody, "the body is empty"
		case jsondoc.Syntax:
		case jsondoc.TooDeep:
			reason = ReasonTooDeep
		case jsondoc.TooMany:
			reason = ReasonTooManyItems
		}
	}
	return &Malformed{reason, detail}
}

// MissingType is the dead letter of an object without a string (or with an
// empty one) where the event type belongs; field names that place.
func MissingType(field string) *Malformed {
	return &Malformed{ReasonMissingType, fmt.Sprintf("no text of 1 to %d bytes in the field %s", jsondoc.MaxShort, field)}
}

// Parse implements Parser: a Reading is all that most providers need for one.
func (r Reading) Parse(v webhook.Verified) []Result { return r.Read(v.Request()) }

// ParseIn implements Recycling.
func (r Reading) ParseIn(m *Memory, v webhook.Verified) []Result { return r.ReadIn(m, v.Request()) }

// WithoutOptions is the New of a provider whose sources have no options.
func WithoutOptions(id string, parser func() Parser) func(options map[string]string) (Parser, error) {
	return func(options map[string]string) (Parser, error) {
		if err := NoOptions(id, options); err != nil {
			return nil, err
		}
		return parser(), nil
	}
}

// NoOptions refuses any option, for providers that have none.
func NoOptions(id string, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		return fmt.Errorf("%s: option %q is unknown: this provider has no options", id, name)
	}
	return nil
}
