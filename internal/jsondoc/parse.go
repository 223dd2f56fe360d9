package jsondoc

import (
	"bytes"
	"errors"
	"math"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient are the tokenizer's options: duplicates are judged here, and invalid
// UTF-8 is replaced rather than refused.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// pool keeps documents between webhooks; it holds no state but memory.
var pool = sync.Pool{New: func() any { return new(Doc) }}

// bom is UTF-8's byte order mark.
const bom = "\xef\xbb\xbf"

// keepNodes bounds what a pooled document may hold on to, about 1 MiB.
const keepNodes = 64 << 10

// Parse reads body, which must not change until Release. The error is an *Error.
func Parse(body []byte) (*Doc, error) {
	d, ok := pool.Get().(*Doc)
	if !ok {
		d = new(Doc)
	}
	d.body, d.src = body, body
	if err := d.parse(); err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

// ParseTolerant reads body like Parse; where that finds a syntax error it reads
// once more without the commas that stand before a closing bracket. Offsets are
// the same in both readings.
func ParseTolerant(body []byte) (*Doc, error) {
	d, err := Parse(body)
	if e, ok := errors.AsType[*Error](err); !ok || e.Problem != Syntax {
		return d, err
	}
	blanked, found := blankTrailingCommas(body)
	if !found {
		return nil, err
	}
	again, errAgain := Parse(blanked)
	if errAgain != nil {
		return nil, errAgain
	}
	again.body = body
	return again, nil
}

// Release gives the document's memory back. Values and Objects of it must not
// be used any more; strings and bytes they returned stay valid.
func (d *Doc) Release() {
	d.body, d.src, d.duplicates = nil, nil, 0
	d.buf = bytes.Buffer{}
	if cap(d.nodes) > keepNodes {
		d.nodes = nil
	}
	if cap(d.text) > keepNodes {
		d.text = nil
	}
	if cap(d.order) > keepNodes {
		d.order = nil
	}
	pool.Put(d)
}

// frame is an object or array that is still open.
type frame struct {
	at    uint32 // its node
	items uint32 // nodes directly inside: items, or names and values
}

// parse fills the nodes from src.
func (d *Doc) parse() error {
	d.nodes, d.duplicates, d.skip = d.nodes[:0], 0, 0
	if len(d.src) > math.MaxUint32 {
		return &Error{TooMany, 0}
	}
	if bytes.HasPrefix(d.src, []byte(bom)) {
		d.skip = len(bom)
	}
	if len(bytes.TrimLeft(d.src[d.skip:], space)) == 0 {
		return &Error{Empty, 0}
	}
	d.buf = *bytes.NewBuffer(d.src[d.skip:])
	d.dec.Reset(&d.buf, lenient...)
	if err := d.scan(); err != nil {
		return err
	}
	return d.atEnd()
}

// space is JSON's white space.
const space = " \t\r\n"

// atEnd refuses anything but white space behind the one value.
func (d *Doc) atEnd() error {
	rest := bytes.TrimLeft(d.src[d.nodes[0].end:], space)
	if len(rest) > 0 {
		return &Error{Syntax, int64(len(d.src) - len(rest))}
	}
	return nil
}

// position is how far into src the tokenizer has read.
func (d *Doc) position() uint32 {
	return uint32(d.dec.InputOffset()) + uint32(d.skip) //nolint:gosec // parse has checked that src is shorter
}

// count is the number of nodes, and the index of the next one.
func (d *Doc) count() uint32 {
	return uint32(len(d.nodes)) //nolint:gosec // at most MaxValues
}

// scan reads tokens until the first value is complete.
func (d *Doc) scan() error {
	depth := 0
	for {
		var err error
		switch kind := d.dec.PeekKind(); kind {
		case '{', '[':
			depth, err = d.enter(kind, depth)
		case '}', ']':
			depth, err = d.leave(depth)
		default:
			err = d.scalar(kind, depth)
		}
		if err != nil || depth == 0 {
			return err
		}
	}
}

// enter begins an object or array.
func (d *Doc) enter(kind Kind, depth int) (int, error) {
	if _, err := d.dec.ReadToken(); err != nil {
		return depth, d.syntax(err)
	}
	n := node{start: d.position() - 1, kind: kind}
	if depth == MaxDepth {
		return depth, &Error{TooDeep, int64(n.start)}
	}
	if err := d.add(n, depth); err != nil {
		return depth, err
	}
	d.frames[depth] = frame{at: d.count() - 1}
	return depth + 1, nil
}

// leave ends the innermost object or array.
func (d *Doc) leave(depth int) (int, error) {
	if _, err := d.dec.ReadToken(); err != nil {
		return depth, d.syntax(err)
	}
	f := d.frames[depth-1]
	n := &d.nodes[f.at]
	n.end, n.next = d.position(), d.count()
	if n.kind == '{' {
		d.shadowDuplicates(f)
	}
	return depth - 1, nil
}

// scalar reads a string, number or literal; a name where the object wants one.
func (d *Doc) scalar(kind Kind, depth int) error {
	raw, err := d.dec.ReadValue()
	if err != nil {
		return d.syntax(err)
	}
	end := d.position()
	n := node{start: end - uint32(len(raw)), end: end, next: d.count() + 1, kind: kind} //nolint:gosec // a part of src
	if kind == '"' && isCoded(raw[1:len(raw)-1]) {
		n.flags = coded
	}
	return d.add(n, depth)
}

// add appends a node within the bounds.
func (d *Doc) add(n node, depth int) error {
	if len(d.nodes) >= MaxValues {
		return &Error{TooMany, int64(n.start)}
	}
	if depth > 0 {
		f := &d.frames[depth-1]
		f.items++
		if f.items > MaxItems && d.nodes[f.at].kind == '[' {
			return &Error{TooMany, int64(n.start)}
		}
	}
	d.nodes = append(d.nodes, n)
	return nil
}

// syntax turns the tokenizer's error into one that quotes nothing.
func (d *Doc) syntax(err error) error {
	at := int64(d.position())
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = s.ByteOffset + int64(d.skip)
	}
	return &Error{Syntax, at}
}

// fewMembers is up to where comparing each name with each is cheaper than a map.
const fewMembers = 24

// shadowDuplicates marks the names that come again later in the object.
func (d *Doc) shadowDuplicates(f frame) {
	if f.items/2 > fewMembers {
		d.shadowMany(f)
		return
	}
	var names [fewMembers]uint32
	count := 0
	for i := f.at + 1; i < d.count(); i = d.nodes[i+1].next {
		if d.nodes[i].flags&coded != 0 {
			d.shadowMany(f) // decodes each name once only
			return
		}
		for _, earlier := range names[:count] {
			if bytes.Equal(d.unquoted(earlier), d.unquoted(i)) {
				d.shadow(earlier)
			}
		}
		names[count] = i
		count++
	}
}

// shadowMany does the same for objects with many members or with escapes in
// their names.
func (d *Doc) shadowMany(f frame) {
	last := make(map[string]uint32, f.items/2)
	for i := f.at + 1; i < d.count(); i = d.nodes[i+1].next {
		name := string(d.decoded(i))
		if earlier, found := last[name]; found {
			d.shadow(earlier)
		}
		last[name] = i
	}
}

// shadow hides a member behind a later one, once.
func (d *Doc) shadow(name uint32) {
	if d.nodes[name].flags&shadowed == 0 {
		d.nodes[name].flags |= shadowed
		d.duplicates++
	}
}
