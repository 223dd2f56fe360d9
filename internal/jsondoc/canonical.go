package jsondoc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendCanonical appends the one form that all spellings of the same value
// share: no white space, members sorted by name (as bytes of UTF-8), of members
// with the same name the last, strings escaped only where JSON demands it.
// Numbers stay as they were written, since 1.0 and 1 may mean different things
// to the sender and no float holds them all.
func (v Value) AppendCanonical(dst []byte) []byte { return v.doc.appendCanonical(dst, v.at) }

// CanonicalHash returns the SHA-256 of the object's canonical form in hex: the
// identity of an event whose sender gave it none.
func (o Object) CanonicalHash() string {
	o.doc.text = o.doc.appendCanonical(o.doc.text[:0], o.at)
	sum := sha256.Sum256(o.doc.text)
	return hex.EncodeToString(sum[:])
}

// CanonicalHashExcept is CanonicalHash without the members of these names, such as
// what a sender changes from one attempt to the next.
func (o Object) CanonicalHashExcept(names ...string) string {
	nodes, hidden := o.doc.nodes, make([]uint32, 0, len(names))
	for i := o.at + 1; i < nodes[o.at].next; i = nodes[i+1].next {
		if nodes[i].flags&shadowed == 0 && slices.Contains(names, string(o.doc.decoded(i))) {
			nodes[i].flags |= shadowed
			hidden = append(hidden, i)
		}
	}
	defer func() {
		for _, i := range hidden {
			nodes[i].flags &^= shadowed
		}
	}()
	return o.CanonicalHash()
}

func (d *Doc) appendCanonical(dst []byte, i uint32) []byte {
	switch n := d.nodes[i]; n.kind {
	case '{':
		return d.appendSorted(dst, i)
	case '[':
		dst = append(dst, '[')
		for k, item := range (Value{d, i}).Items() {
			dst = appendComma(dst, k)
			dst = d.appendCanonical(dst, item.at)
		}
		return append(dst, ']')
	case '"':
		return d.appendString(dst, i)
	default:
		return append(dst, d.src[n.start:n.end]...)
	}
}

// appendSorted appends an object. The names to sort lie on a stack that nested
// objects go on growing.
func (d *Doc) appendSorted(dst []byte, i uint32) []byte {
	from := len(d.order)
	for k := i + 1; k < d.nodes[i].next; k = d.nodes[k+1].next {
		if d.nodes[k].flags&shadowed == 0 {
			d.order = append(d.order, k)
		}
	}
	to := len(d.order)
	slices.SortFunc(d.order[from:], func(a, b uint32) int { return bytes.Compare(d.decoded(a), d.decoded(b)) })
	dst = append(dst, '{')
	for k := from; k < to; k++ {
		dst = appendComma(dst, k-from)
		dst = append(d.appendString(dst, d.order[k]), ':')
		dst = d.appendCanonical(dst, d.order[k]+1)
	}
	d.order = d.order[:from]
	return append(dst, '}')
}

// appendString appends a string with the fewest escapes. A string without
// escapes in valid UTF-8 has them already.
func (d *Doc) appendString(dst []byte, i uint32) []byte {
	n := d.nodes[i]
	if n.flags&coded == 0 {
		return append(dst, d.src[n.start:n.end]...)
	}
	dst, _ = jsontext.AppendQuote(dst, d.decoded(i)) // decoded is valid UTF-8: no error
	return dst
}

// appendCompact appends a value as it was written but for white space and
// invalid UTF-8.
func (d *Doc) appendCompact(dst []byte, i uint32) []byte {
	n := d.nodes[i]
	text := d.src[n.start:n.end]
	var closing byte
	switch n.kind {
	case '{':
		closing = '}'
	case '[':
		closing = ']'
	default:
		if n.flags&coded != 0 && !utf8.Valid(text) {
			text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
		}
		return append(dst, text...)
	}
	dst = append(dst, byte(n.kind))
	for k, count := i+1, 0; k < n.next; k, count = d.nodes[k].next, count+1 {
		if n.kind == '{' && count%2 == 1 {
			dst = append(dst, ':')
		} else {
			dst = appendComma(dst, count)
		}
		dst = d.appendCompact(dst, k)
	}
	return append(dst, closing)
}

// compact returns an object or array as appendCompact writes it.
func (d *Doc) compact(i uint32) string {
	if d.plain(i) {
		return shared(d.src[d.nodes[i].start:d.nodes[i].end])
	}
	return shared(d.appendCompact(nil, i))
}

// plain reports whether an object or array is its own compact form: there is no white
// space between its tokens, and no string with what may have to be replaced.
func (d *Doc) plain(i uint32) bool {
	n := d.nodes[i]
	if n.flags&spaced != 0 {
		return false
	}
	for _, inner := range d.nodes[i+1 : n.next] {
		if inner.flags&coded != 0 {
			return false
		}
	}
	return true
}

// Spaced reports whether there may be white space between the tokens of an object or
// array: false means that it is as short as it can be written without changing a token.
func (v Value) Spaced() bool { return v.doc.nodes[v.at].flags&spaced != 0 }

// appendComma separates all items but the first.
func appendComma(dst []byte, index int) []byte {
	if index == 0 {
		return dst
	}
	return append(dst, ',')
}
