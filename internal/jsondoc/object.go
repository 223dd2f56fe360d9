package jsondoc

import (
	"strconv"
	"strings"
)

// Object reads the members of an object by name and kind. What a reader took is
// gone from Rest; a member of another kind than asked for is not taken, so that
// a wrong-typed field is still found there. The zero Object has no members.
//
// Strings share one copy of the item's text: keeping one keeps the item.
type Object struct {
	doc  *Doc
	at   uint32
	item string // copy of the text of the item this object belongs to
	base uint32 // where that text starts in the document
	path string // names from the item down to this object, joined by dots
	fold bool
}

// Object returns a reader of an item, names compared as they are or, with fold,
// with case, spaces, '_' and '-' left out; ok is false if it is no object.
func (v Value) Object(fold bool) (o Object, ok bool) {
	n := v.doc.nodes[v.at]
	if n.kind != '{' {
		return Object{}, false
	}
	text := string(v.doc.src[n.start:n.end])
	return Object{doc: v.doc, at: v.at, item: text, base: n.start, fold: fold}, true
}

// IsZero reports whether there is no such object.
func (o Object) IsZero() bool { return o.doc == nil }

// maxName is the longest name that a member is looked up by, as written with
// its escapes. Longer ones are not compared, which bounds what a lookup costs.
const maxName = 256

// find returns the name node of the first member not yet taken that is called
// so and is of one of the kinds; one spelled exactly so goes before one that is
// only equal by folding. 0 (never a name) if there is none.
func (o Object) find(name, kinds string) uint32 {
	if o.doc == nil {
		return 0
	}
	nodes, folded := o.doc.nodes, uint32(0)
	for i := o.at + 1; i < nodes[o.at].next; i = nodes[i+1].next {
		n := &nodes[i]
		if n.flags&(taken|shadowed) != 0 || n.end-n.start > maxName || strings.IndexByte(kinds, byte(nodes[i+1].kind)) < 0 {
			continue
		}
		spelled := o.doc.decoded(i)
		if string(spelled) == name {
			return i
		}
		if o.fold && folded == 0 && equalFold(spelled, name) {
			folded = i
		}
	}
	return folded
}

// take marks a member as taken and returns its value's node.
func (o Object) take(name uint32) uint32 {
	o.doc.nodes[name].flags |= taken
	return name + 1
}

// text returns the value of a string node, the text of any other scalar.
func (o Object) text(i uint32) string {
	n := o.doc.nodes[i]
	switch {
	case n.kind != '"':
		return o.item[n.start-o.base : n.end-o.base]
	case n.flags&coded == 0:
		return o.item[n.start-o.base+1 : n.end-o.base-1]
	}
	return string(o.doc.decoded(i))
}

// How long a string may be to be taken, in bytes. What is longer is no id,
// address or text that a canonical field is made for, and is left to Rest.
const (
	MaxShort = 2_000  // String, Text, Peek
	MaxProse = 65_536 // Prose
)

// String takes a string of up to MaxShort bytes; "" if there is none.
func (o Object) String(name string) string { return o.scalar(name, `"`, MaxShort) }

// Text takes a string, or a number as its text, of up to MaxShort bytes.
func (o Object) Text(name string) string { return o.scalar(name, `"0`, MaxShort) }

// Prose takes a string of up to MaxProse bytes: free text, a link, a reply.
func (o Object) Prose(name string) string { return o.scalar(name, `"`, MaxProse) }

// Peek returns what String would take, without taking it.
func (o Object) Peek(name string) string {
	i := o.find(name, `"`)
	if i == 0 {
		return ""
	}
	text := o.text(i + 1)
	if len(text) > MaxShort {
		return ""
	}
	return text
}

func (o Object) scalar(name, kinds string, limit int) string {
	i := o.find(name, kinds)
	if i == 0 {
		return ""
	}
	text := o.text(i + 1)
	if len(text) > limit {
		return ""
	}
	o.take(i)
	return text
}

// Bool takes a boolean; nil if there is none.
func (o Object) Bool(name string) *bool {
	i := o.find(name, "tf")
	if i == 0 {
		return nil
	}
	return new(o.doc.nodes[o.take(i)].kind == 't')
}

// TextIf offers a string, or a number as its text, and takes it if keep says so.
func (o Object) TextIf(name string, keep func(text string) bool) bool {
	i := o.find(name, `"0`)
	if i == 0 || !keep(o.text(i+1)) {
		return false
	}
	o.take(i)
	return true
}

// Int takes a whole number between low and high, sent as a number or a string.
func (o Object) Int(name string, low, high int) (n int, ok bool) {
	ok = o.TextIf(name, func(text string) bool {
		got, err := strconv.Atoi(text)
		n = got
		return err == nil && low <= got && got <= high
	})
	if !ok {
		return 0, false
	}
	return n, true
}

// Strings takes an array that holds nothing but strings, of up to MaxProse bytes
// in all.
func (o Object) Strings(name string) []string {
	i := o.find(name, "[")
	if i == 0 {
		return nil
	}
	var out []string
	size := 0
	for _, item := range (Value{o.doc, i + 1}).Items() {
		if item.Kind() != '"' {
			return nil
		}
		text := o.text(item.at)
		if size += len(text) + 1; size > MaxProse {
			return nil
		}
		out = append(out, text)
	}
	o.take(i)
	return out
}

// Object takes an object to read it member by member; its own Rest tells what
// was left of it. The zero Object if there is none.
func (o Object) Object(name string) Object {
	i := o.find(name, "{")
	if i == 0 {
		return Object{}
	}
	inner := o
	inner.path = o.text(i)
	if o.path != "" {
		inner.path = o.path + "." + inner.path
	}
	inner.at = o.take(i)
	return inner
}

// Rest adds every member not taken to dst, made where it is nil, and returns it:
// strings as they are, numbers and booleans as their text, objects and arrays as
// compact JSON, under the sender's own name. null and "" are no values.
//
// Where dst has that name already, the name is qualified by the object's path
// ("data.reason"), again and again until it is free: nothing is lost. Read the
// outer object's Rest before the inner one's.
func (o Object) Rest(dst map[string]string) map[string]string {
	if o.doc == nil {
		return dst
	}
	nodes := o.doc.nodes
	for i := o.at + 1; i < nodes[o.at].next; i = nodes[i+1].next {
		if nodes[i].flags&(taken|shadowed) != 0 {
			continue
		}
		text := o.restText(i + 1)
		if text == "" {
			continue
		}
		if dst == nil {
			dst = make(map[string]string)
		}
		dst[o.freeName(dst, o.text(i))] = text
	}
	return dst
}

// restText returns a value as metadata text; "" for none.
func (o Object) restText(i uint32) string {
	switch o.doc.nodes[i].kind {
	case 'n':
		return ""
	case '{', '[':
		return string(o.doc.appendCompact(nil, i))
	default:
		return o.text(i)
	}
}

// freeName returns name, qualified until dst does not have it.
func (o Object) freeName(dst map[string]string, name string) string {
	path := o.path
	if path == "" {
		path = "item"
	}
	for {
		if _, there := dst[name]; !there {
			return name
		}
		name = path + "." + name
	}
}

// Compact returns the object's JSON without white space: valid JSON, every
// member as sent and in the order sent, invalid UTF-8 replaced by U+FFFD.
func (o Object) Compact() []byte { return o.doc.appendCompact(nil, o.at) }

// Fold returns s in the form by which names are compared when folding: ASCII
// letters lower-cased, spaces and tabs, '_' and '-' left out.
func Fold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if c, skip := foldByte(s[i]); !skip {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// equalFold reports whether a and b are equal after Fold, without making either.
func equalFold(a []byte, b string) bool {
	j := 0
	for i := range a {
		c, skip := foldByte(a[i])
		if skip {
			continue
		}
		d, more := nextFolded(b, &j)
		if !more || c != d {
			return false
		}
	}
	_, more := nextFolded(b, &j)
	return !more
}

// nextFolded returns the next byte of s that counts and moves i past it.
func nextFolded(s string, i *int) (c byte, ok bool) {
	for *i < len(s) {
		b, skip := foldByte(s[*i])
		*i++
		if !skip {
			return b, true
		}
	}
	return 0, false
}

// foldByte lower-cases a letter and tells what does not count.
func foldByte(c byte) (folded byte, skip bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + ('a' - 'A'), false
	case c == ' ', c == '\t', c == '_', c == '-':
		return 0, true
	}
	return c, false
}
