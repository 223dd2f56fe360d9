package provider

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// Reading is how a provider's JSON is read.
type Reading struct {
	Tolerant bool // forgive trailing commas
	Fold     bool // compare names with case, spaces, '_' and '-' left out

	// Item reads one object into e and returns its native id; "" means that the
	// object's canonical hash is the identity. What e holds is of no interest
	// where there is a Malformed.
	Item func(item jsondoc.Object, e *event.Event) (nativeID string, m *Malformed)
}

// Items judges a JSON body: one object, or an array of them, each alone and in
// order. It is how every built-in provider with a JSON body begins its Parse.
func (r Reading) Items(body []byte) []Result {
	parse := jsondoc.Parse
	if r.Tolerant {
		parse = jsondoc.ParseTolerant
	}
	doc, err := parse(body)
	if err != nil {
		return []Result{{Item: body, Index: -1, Malformed: unreadable(err)}}
	}
	defer doc.Release()
	out := r.values(doc.Root())
	if len(out) > 0 {
		out[0].DuplicateNames = doc.Duplicates()
	}
	return out
}

// values judges the document's value or, if that is an array, its items.
func (r Reading) values(root jsondoc.Value) []Result {
	switch root.Kind() {
	case '{':
		out := make([]Result, 1)
		r.item(&out[0], 0, root)
		return out
	case '[':
		out := make([]Result, root.Len())
		for i, v := range root.Items() {
			r.item(&out[i], i, v)
		}
		return out
	}
	return []Result{{Item: root.Bytes(), Index: -1, Malformed: &Malformed{
		ReasonNotAnObject, "the body is neither an object nor an array of objects",
	}}}
}

// item judges one value.
func (r Reading) item(out *Result, index int, v jsondoc.Value) {
	out.Index, out.Item = index, v.Bytes()
	o, ok := v.Object(r.Fold)
	if !ok {
		out.Malformed = &Malformed{ReasonNotAnObject, fmt.Sprintf("item %d is no object", index)}
		return
	}
	out.NativeID, out.Malformed = r.Item(o, &out.Event)
	switch {
	case out.Malformed != nil:
		out.NativeID, out.Event = "", event.Event{}
	case out.NativeID == "":
		out.NativeID, out.Derived = o.CanonicalHash(), true
	}
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

// NoOptions refuses any option, for providers that have none.
func NoOptions(id string, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		return fmt.Errorf("%s: option %q is unknown: this provider has no options", id, name)
	}
	return nil
}
