package jsondoc

import (
	"strconv"
	"strings"
)

// Field is a member that was found and is not taken yet: who has several uses for
// it looks first and takes it once.
type Field struct {
	object Object
	name   uint32 // node of its name
}

// Find returns the first member of a name that is not taken; false if there is none.
func (o Object) Find(name string) (Field, bool) {
	i := o.find(name, `{["0tfn`)
	return Field{o, i}, i != 0
}

// Kind returns the kind of the member's value.
func (f Field) Kind() Kind { return f.object.doc.nodes[f.name+1].kind }

// Text returns a string's value, the text of any other scalar, and compact JSON of
// an object or array; "" for null.
func (f Field) Text() string { return f.object.restText(f.name + 1) }

// Strings returns an array that holds nothing but strings, of up to MaxProse bytes in
// all; nil if it is none.
func (f Field) Strings() []string {
	return f.object.texts(f.name + 1)
}

// Take takes the member.
func (f Field) Take() { f.object.take(f.name) }

// Any returns a copy of a value in Go's types: map[string]any, []any, string, bool,
// nil, int for a number that is one, float64 for a number with a fraction or an
// exponent, and the number's text where it fits neither: no digit of a whole number is
// lost.
func (v Value) Any() any {
	d, n := v.doc, v.doc.nodes[v.at]
	switch n.kind {
	case '{':
		m := make(map[string]any)
		for i := v.at + 1; i < n.next; i = d.nodes[i+1].next {
			if d.nodes[i].flags&shadowed == 0 {
				m[string(d.decoded(i))] = Value{d, i + 1}.Any()
			}
		}
		return m
	case '[':
		list := []any{}
		for _, item := range v.Items() {
			list = append(list, item.Any())
		}
		return list
	case '"':
		return string(d.decoded(v.at))
	case 'n':
		return nil
	case 't', 'f':
		return n.kind == 't'
	default:
		return number(string(d.src[n.start:n.end]))
	}
}

// Any returns a copy of the object in Go's types, members that were taken included.
func (o Object) Any() map[string]any {
	m, _ := Value{o.doc, o.at}.Any().(map[string]any)
	return m
}

func number(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") {
		return f
	}
	return text
}

// Len returns how many bytes the object's text has.
func (o Object) Len() int {
	if o.doc == nil {
		return 0
	}
	n := o.doc.nodes[o.at]
	return int(n.end - n.start)
}
