package jsondoc

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// scanner fills a document's nodes in one pass. It takes nothing that the
// tokenizer of Parse's slow path would refuse (FuzzScan holds them against each
// other), and says of anything else only that it is not for it: what exactly is
// wrong, and where, is the tokenizer's to say. Plain JSON is read several times as
// fast as token by token, which is the larger part of reading a webhook.
type scanner struct {
	d     *Doc
	text  []byte
	pos   int
	space int // just behind the last white space that was passed over
}

// scan reads all of the text; false if the tokenizer has to.
func (d *Doc) scan() bool {
	s := scanner{d: d, text: d.src, pos: d.skip}
	if !s.value(0) {
		return false
	}
	s.next()
	return s.pos == len(s.text)
}

// next returns the next byte that is no white space without passing over it; 0 at
// the end of the text, where no byte of JSON is 0.
func (s *scanner) next() byte {
	if s.pos < len(s.text) {
		if c := s.text[s.pos]; c > ' ' {
			return c
		}
	}
	return s.skipSpace()
}

func (s *scanner) skipSpace() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.space = s.pos + 1
		default:
			return c
		}
	}
	return 0
}

// pass passes over c, if it comes next.
func (s *scanner) pass(c byte) bool {
	if s.next() != c {
		return false
	}
	s.pos++
	return true
}

// value reads any value.
func (s *scanner) value(depth int) bool {
	switch c := s.next(); c {
	case '"':
		return s.str(depth, false)
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case 't':
		return s.literal("true", depth)
	case 'f':
		return s.literal("false", depth)
	case 'n':
		return s.literal("null", depth)
	default:
		return s.number(depth)
	}
}

// open begins an object or array and returns its node.
func (s *scanner) open(kind Kind, depth int) (at uint32, ok bool) {
	if depth == MaxDepth {
		return 0, false
	}
	at = s.d.count()
	n := s.add(kind, depth)
	if n == nil {
		return 0, false
	}
	n.flags, n.tag = 0, 0 // the rest is known at the end
	s.pos++
	s.d.frames[depth] = frame{at: at}
	return at, true
}

// end ends the object or array at a node, whose last byte comes next.
func (s *scanner) end(at uint32) bool {
	s.pos++
	n := &s.d.nodes[at]
	n.end, n.next = s.offset(s.pos), s.d.count()
	if s.space > int(n.start) {
		n.flags |= spaced
	}
	return true
}

func (s *scanner) object(depth int) bool {
	at, ok := s.open('{', depth)
	if !ok {
		return false
	}
	if s.next() == '}' {
		return s.end(at)
	}
	for {
		if s.next() != '"' || !s.str(depth+1, true) || !s.pass(':') || !s.value(depth+1) {
			return false
		}
		switch s.next() {
		case ',':
			s.pos++
		case '}':
			s.end(at)
			s.d.shadowDuplicates(s.d.frames[depth])
			return true
		default:
			return false
		}
	}
}

func (s *scanner) array(depth int) bool {
	at, ok := s.open('[', depth)
	if !ok {
		return false
	}
	if s.next() == ']' {
		return s.end(at)
	}
	for s.value(depth + 1) {
		switch s.next() {
		case ',':
			s.pos++
		case ']':
			return s.end(at)
		default:
			return false
		}
	}
	return false
}

// leaf adds a value without others in it that ends at end.
func (s *scanner) leaf(kind Kind, end, depth int, flags uint8, tag uint16) bool {
	n := s.add(kind, depth)
	if n == nil {
		return false
	}
	n.end, n.next, n.flags, n.tag = s.offset(end), s.d.count(), flags, tag
	s.pos = end
	return true
}

// add adds a node that begins here; nil beyond the bounds. It is filled where it lies: a
// node made elsewhere and copied field by field is waited for.
func (s *scanner) add(kind Kind, depth int) *node {
	d, at := s.d, len(s.d.nodes)
	if at >= MaxValues {
		return nil
	}
	if depth > 0 {
		f := &d.frames[depth-1]
		f.items++
		if f.items > MaxItems && d.nodes[f.at].kind == '[' {
			return nil
		}
	}
	if at == cap(d.nodes) {
		d.nodes = slices.Grow(d.nodes, 1)
	}
	d.nodes = d.nodes[:at+1]
	n := &d.nodes[at]
	n.start, n.kind = s.offset(s.pos), kind
	return n
}

// offset is a place in the text.
func (s *scanner) offset(i int) uint32 { return uint32(i) } //nolint:gosec // parse has checked that the text is shorter

func (s *scanner) literal(word string, depth int) bool {
	end := s.pos + len(word)
	if end > len(s.text) || string(s.text[s.pos:end]) != word {
		return false
	}
	return s.leaf(Kind(word[0]), end, depth, 0, 0)
}

// str reads the string that comes next: a member's name, or a value.
func (s *scanner) str(depth int, name bool) bool {
	end, escaped, ascii := s.stringEnd(s.pos + 1)
	if end < 0 {
		return false
	}
	raw, flags, tag := s.text[s.pos+1:end], uint8(0), uint16(0)
	if escaped || !ascii && !utf8.Valid(raw) {
		flags = coded
	} else if name {
		tag = tagOf(raw)
	}
	return s.leaf('"', end+1, depth, flags, tag)
}

// Eight bytes at a time: a bit pattern with one bit, or one byte, eight times.
const (
	lows   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = lows * '"'
	slants = lows * '\\'
	blanks = lows * ' '
)

// special marks, in the highest bit of each, the bytes of a word that are no plain
// text of a string: a quote, a backslash, a control character, no ASCII. The lowest
// mark is exact; one above it may be wrong, where a subtraction borrowed.
func special(word uint64) uint64 {
	q, b := word^quotes, word^slants
	return ((q-lows)&^q | (b-lows)&^b | (word-blanks)&^word | word) & highs
}

// stringEnd returns where the quote stands that ends the string whose text begins at
// i, -1 if it is none of JSON.
func (s *scanner) stringEnd(i int) (end int, escaped, ascii bool) {
	ascii = true
	for text := s.text; ; {
		if i+8 <= len(text) {
			marks := special(binary.LittleEndian.Uint64(text[i:]))
			if marks == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marks) >> 3
		}
		if i >= len(text) {
			return -1, false, false
		}
		switch c := text[i]; {
		case c == '"':
			return i, escaped, ascii
		case c == '\\':
			if i = escapeEnd(text, i); i < 0 {
				return -1, false, false
			}
			escaped = true
		case c < ' ':
			return -1, false, false
		default:
			ascii = ascii && c < utf8.RuneSelf
			i++
		}
	}
}

// escapeEnd returns the end of the escape at i; -1 if it is none.
func escapeEnd(text []byte, i int) int {
	if i+1 >= len(text) {
		return -1
	}
	switch text[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if i+6 <= len(text) && hexDigits(text[i+2:i+6]) {
			return i + 6
		}
	}
	return -1
}

func hexDigits(text []byte) bool {
	for _, c := range text {
		if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// number reads the number that comes next (RFC 8259, section 6).
func (s *scanner) number(depth int) bool {
	i, text := s.pos, s.text
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i = digitsEnd(text, i); i < 0 {
		return false
	}
	if i < len(text) && text[i] == '.' {
		if i = digitsEnd(text, i+1); i < 0 {
			return false
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i = exponentEnd(text, i+1); i < 0 {
			return false
		}
	}
	return s.leaf('0', i, depth, 0, 0)
}

func exponentEnd(text []byte, i int) int {
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	return digitsEnd(text, i)
}

// digitsEnd returns the end of the digits at i; -1 if there is none.
func digitsEnd(text []byte, i int) int {
	from := i
	for i < len(text) && digit(text[i]) {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// tagOf is what names are compared by first: a few bits of their text, in the same
// time for any length. It is 0 for names that have to be decoded before they can be
// compared, and for no other.
func tagOf[T string | []byte](name T) uint16 {
	n := len(name)
	if n == 0 {
		return 1
	}
	t := uint16(n)<<11 ^ uint16(name[0]) ^ uint16(name[n-1])<<4 ^ uint16(name[n/2])<<7 //nolint:gosec // bits, no number
	return max(t, 1)
}
