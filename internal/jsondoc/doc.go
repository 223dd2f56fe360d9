// Package jsondoc reads one JSON document once and answers every question a
// provider's parser has about it: fields by name and kind, what nobody asked
// for, the bytes of an item, and a canonical form to hash.
//
// The text is read in one pass into one flat slice of nodes; what that pass does not
// take is read by jsontext (the tokenizer of Go's encoding/json/v2), which says what
// is wrong. Nothing is decoded until it is asked for, and a string without escapes
// is a part of the body, so that a small event costs a handful of allocations.
//
// What a hostile sender may do is bounded: nesting (MaxDepth), values in all
// (MaxValues) and items of an array (MaxItems). Tolerated, because real senders
// do it: a UTF-8 byte order mark, invalid UTF-8 in strings (read as U+FFFD) and
// duplicate names (the last wins and the others are counted).
//
// A document belongs to one goroutine: taking a field marks it as taken.
package jsondoc

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// The bounds of a document.
const (
	MaxDepth  = 64      // objects and arrays inside each other
	MaxValues = 500_000 // values in all, names of members counted too
	MaxItems  = 10_000  // items of any one array
)

// Problem is why a text is no document.
type Problem uint8

// The problems.
const (
	Empty   Problem = iota + 1 // no bytes but white space
	Syntax                     // not JSON
	TooDeep                    // nested beyond MaxDepth
	TooMany                    // more than MaxValues values or MaxItems items
)

// String names the problem in words.
func (p Problem) String() string {
	switch p {
	case Empty:
		return "empty"
	case Syntax:
		return "not JSON"
	case TooDeep:
		return fmt.Sprintf("nested deeper than %d", MaxDepth)
	case TooMany:
		return fmt.Sprintf("larger than %d values or %d items of an array", MaxValues, MaxItems)
	}
	return "unknown problem"
}

// Error says why a text is no document and where. It holds nothing of the text.
type Error struct {
	Problem Problem
	Offset  int64 // bytes from the start of the text
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("jsondoc: %s at byte %d", e.Problem, e.Offset)
}

// Kind is a value's kind by the first byte of its text: '{', '[', '"', '0' for
// a number, 't', 'f' or 'n'.
type Kind = jsontext.Kind

// The flags of a node.
const (
	coded    = 1 << iota // a string whose text is not its value: escapes or invalid UTF-8
	shadowed             // a member's name that comes again later in the same object
	taken                // a member's name whose value a reader took
	spaced               // an object or array with white space between its tokens, perhaps
)

// node is one value, or one member's name; a name is followed by its value.
type node struct {
	start, end uint32 // its text
	next       uint32 // index of the node behind it and all it holds
	tag        uint16 // of a member's name: see tagOf
	kind       Kind
	flags      uint8
}

// Doc is a parsed document. Release it when everything of interest was read.
type Doc struct {
	body       []byte // as received
	src        []byte // what the nodes point into: body, or body with trailing commas blanked
	nodes      []node
	duplicates int
	room       *Room // nil: maps and lists are made anew

	skip   int // length of the byte order mark, which the tokenizer does not see
	dec    jsontext.Decoder
	buf    bytes.Buffer
	text   []byte   // scratch: canonical form
	order  []uint32 // scratch: names to sort
	frames [MaxDepth]frame
}

// Duplicates returns how many members were hidden by a later one of the same name.
func (d *Doc) Duplicates() int { return d.duplicates }

// Repaired reports whether trailing commas were dropped to make the text JSON.
func (d *Doc) Repaired() bool { return len(d.body) > 0 && &d.src[0] != &d.body[0] }

// Root returns the document's one value.
func (d *Doc) Root() Value { return Value{doc: d} }

// Value is one value of a document.
type Value struct {
	doc *Doc
	at  uint32
}

// Kind returns the value's kind.
func (v Value) Kind() Kind { return v.doc.nodes[v.at].kind }

// Bytes returns the value's bytes within the body as received. They are shared,
// not copied, and stay valid after Release.
func (v Value) Bytes() []byte {
	n := v.doc.nodes[v.at]
	return v.doc.body[n.start:n.end:n.end]
}

// Len returns the number of an array's items; 0 for any other kind.
func (v Value) Len() int {
	n := 0
	for range v.Items() {
		n++
	}
	return n
}

// Items yields the items of an array in order; nothing for any other kind.
func (v Value) Items() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.Kind() != '[' {
			return
		}
		i, end := v.at+1, v.doc.nodes[v.at].next
		for n := 0; i < end; n++ {
			if !yield(n, Value{v.doc, i}) {
				return
			}
			i = v.doc.nodes[i].next
		}
	}
}

// unquoted returns what stands between a string's quotes.
func (d *Doc) unquoted(i uint32) []byte {
	n := &d.nodes[i]
	return d.src[n.start+1 : n.end-1]
}

// decoded returns a string node's value; allocated only where it is coded.
func (d *Doc) decoded(i uint32) []byte {
	if n := &d.nodes[i]; n.flags&coded != 0 {
		return decode(d.src[n.start:n.end])
	}
	return d.unquoted(i)
}

// decode returns the value of a quoted string, each invalid byte and each lone
// surrogate as U+FFFD. The tokenizer has checked the syntax; what it reports
// here is the invalid UTF-8 that it replaces.
func decode(quoted []byte) []byte {
	out, _ := jsontext.AppendUnquote(nil, quoted)
	return out
}

// valueLen is the length of a string's value.
func (d *Doc) valueLen(i uint32) int {
	if d.nodes[i].flags&coded != 0 {
		return len(d.decoded(i))
	}
	return len(d.unquoted(i))
}
