package jsondoc

import (
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Object reads the members of an object by name and kind. What a reader took is
// gone from Rest; a member of another kind than asked for is not taken, so that
// a wrong-typed field is still found there. The zero Object has no members.
//
// Strings are parts of the document's text: keeping one keeps the whole body.
type Object struct {
	doc  *Doc
	at   uint32
	fold bool
	path string // names from the item down to this object, joined by dots
}

// Object returns a reader of an item, names compared as they are or, with fold,
// with case, spaces, '_' and '-' left out; ok is false if it is no object.
func (v Value) Object(fold bool) (o Object, ok bool) {
	n := v.doc.nodes[v.at]
	if n.kind != '{' {
		return Object{}, false
	}
	return Object{doc: v.doc, at: v.at, fold: fold}, true
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
	nodes, tag, folded := o.doc.nodes, tagOf(name), uint32(0)
	for i, end := o.at+1, nodes[o.at].next; i < end; i = nodes[i+1].next {
		n := &nodes[i]
		if n.tag != tag && n.tag != 0 && !o.fold || !n.eligible(nodes[i+1].kind, kinds) {
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

// eligible reports whether a name may be looked up, and its value is of one of the kinds.
func (n *node) eligible(kind Kind, kinds string) bool {
	if n.flags&(taken|shadowed) != 0 || n.end-n.start > maxName {
		return false
	}
	for i := range len(kinds) {
		if kinds[i] == byte(kind) {
			return true
		}
	}
	return false
}

// take marks a member as taken and returns its value's node.
func (o Object) take(name uint32) uint32 {
	o.doc.nodes[name].flags |= taken
	return name + 1
}

// text returns the value of a string node, the text of any other scalar.
func (o Object) text(i uint32) string {
	n := &o.doc.nodes[i]
	switch {
	case n.kind != '"':
		return shared(o.doc.src[n.start:n.end])
	case n.flags&coded == 0:
		return shared(o.doc.src[n.start+1 : n.end-1])
	}
	return shared(o.doc.decoded(i))
}

// shared is bytes as a string, without a copy. The bytes are a document's text,
// which never changes (Parse asks for that, and nothing here writes to it), or were
// decoded out of it for this string alone. The copy was a tenth of what reading a
// batch cost, and most of the memory.
func shared(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
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
	out := o.texts(i + 1)
	if out == nil {
		return nil
	}
	o.take(i)
	if len(out) == 0 {
		return nil
	}
	return out
}

// texts returns the strings of an array that holds nothing else, of up to MaxProse
// bytes in all; nil if it is none.
func (o Object) texts(i uint32) []string {
	list := Value{o.doc, i}
	size := 0
	for _, item := range list.Items() {
		if item.Kind() != '"' {
			return nil
		}
		if size += o.doc.valueLen(item.at) + 1; size > MaxProse {
			return nil
		}
	}
	out := o.doc.room.list(list.Len())
	for _, item := range list.Items() {
		out = append(out, o.text(item.at))
	}
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
	inner.path = o.below(i)
	inner.at = o.take(i)
	return inner
}

// Member returns a member's value without taking it; false if there is none.
func (o Object) Member(name string) (Value, bool) {
	i := o.find(name, `{["0tfn`)
	return Value{o.doc, i + 1}, i != 0
}

// Embedded takes a string that is itself a JSON object or array, such as the
// Message of an SNS notification, and returns it as a document of its own, to be
// released; false if there is none. A string that is no such thing is not taken.
func (o Object) Embedded(name string) (*Doc, bool) {
	i := o.find(name, `"`)
	if i == 0 {
		return nil, false
	}
	doc, err := Parse([]byte(o.text(i + 1)))
	if err != nil {
		return nil, false
	}
	doc.room = o.doc.room
	if kind := doc.Root().Kind(); kind != '{' && kind != '[' {
		doc.Release()
		return nil, false
	}
	o.take(i)
	return doc, true
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
	nodes, alone := o.doc.nodes, len(dst) == 0 // names of one object differ: those that do not are shadowed
	for i := o.at + 1; i < nodes[o.at].next; i = nodes[i+1].next {
		if nodes[i].flags&(taken|shadowed) != 0 {
			continue
		}
		text := o.restText(i + 1)
		if text == "" {
			continue
		}
		if dst == nil {
			dst = o.doc.room.members()
		}
		name := o.text(i)
		if !alone {
			name = o.freeName(dst, name)
		}
		dst[name] = text
	}
	return dst
}

// restText returns a value as metadata text; "" for none.
func (o Object) restText(i uint32) string {
	switch o.doc.nodes[i].kind {
	case 'n':
		return ""
	case '{', '[':
		return o.doc.compact(i)
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

// CompactExcept is Compact without the members of these names, such as a signature
// that stands beside what it signs.
func (o Object) CompactExcept(names ...string) []byte {
	dst, nodes := []byte{'{'}, o.doc.nodes
	for i := o.at + 1; i < nodes[o.at].next; i = nodes[i+1].next {
		if slices.Contains(names, string(o.doc.decoded(i))) {
			continue
		}
		dst = append(o.doc.appendCompact(appendComma(dst, len(dst)-1), i), ':')
		dst = o.doc.appendCompact(dst, i+1)
	}
	return append(dst, '}')
}

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
