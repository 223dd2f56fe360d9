package jsondoc

import (
	"bytes"
	"errors"
	"math"
	"sync"
)

// pool keeps documents between webhooks; it holds no state but memory.
var pool = sync.Pool{New: func() any { return new(Doc) }}

// bom is UTF-8's byte order mark.
const bom = "\xef\xbb\xbf"

// keepNodes bounds what a pooled document may hold on to, about 1 MiB.
const keepNodes = 64 << 10

// Parse reads body, which must not change any more: strings that are read from the
// document are parts of it. The error is an *Error.
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
	d.body, d.src, d.duplicates, d.room = nil, nil, 0, nil
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
	if err := d.begin(); err != nil {
		return err
	}
	d.reserve()
	if d.scan() {
		return nil
	}
	if err := d.tokens(); err != nil {
		return err
	}
	return d.atEnd()
}

// begin refuses what holds no value or is too long for the nodes.
func (d *Doc) begin() error {
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
	return nil
}

// reserve makes room for as many nodes as a webhook of this length has, at most
// keepNodes of them.
func (d *Doc) reserve() {
	if n := min(len(d.src)/10+16, keepNodes); cap(d.nodes) < n {
		d.nodes = make([]node, 0, n)
	}
}

// count is the number of nodes, and the index of the next one.
func (d *Doc) count() uint32 {
	return uint32(len(d.nodes)) //nolint:gosec // at most MaxValues
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

// fewMembers is up to where comparing each name with each is cheaper than a map.
const fewMembers = 24

// shadowDuplicates marks the names that come again later in the object.
func (d *Doc) shadowDuplicates(f frame) {
	if f.items/2 > fewMembers {
		d.shadowMany(f)
		return
	}
	var names [fewMembers]uint32
	count, seen := 0, uint64(0) // the tags of names, a bit each
	for i := f.at + 1; i < d.count(); i = d.nodes[i+1].next {
		tag := d.nodes[i].tag
		if tag == 0 {
			d.shadowMany(f) // decodes each name once only
			return
		}
		bit := uint64(1) << ((tag ^ tag>>6 ^ tag>>11) & 63)
		if seen&bit != 0 {
			d.shadowSame(names[:count], i)
		}
		seen |= bit
		names[count] = i
		count++
	}
}

// shadowSame hides those of the earlier names that are equal to that of a node.
func (d *Doc) shadowSame(earlier []uint32, name uint32) {
	tag := d.nodes[name].tag
	for _, e := range earlier {
		if d.nodes[e].tag == tag && bytes.Equal(d.unquoted(e), d.unquoted(name)) {
			d.shadow(e)
		}
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
