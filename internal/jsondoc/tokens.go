package jsondoc

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient are the tokenizer's options: duplicates are judged here, and invalid
// UTF-8 is replaced rather than refused.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// position is how far into src the tokenizer has read.
func (d *Doc) position() uint32 {
	return uint32(d.dec.InputOffset()) + uint32(d.skip) //nolint:gosec // parse has checked that src is shorter
}

// tokens reads token by token until the first value is complete: what the scanner
// has not taken, to say what is wrong with it and where.
func (d *Doc) tokens() error {
	d.nodes, d.duplicates = d.nodes[:0], 0
	d.buf = *bytes.NewBuffer(d.src[d.skip:])
	d.dec.Reset(&d.buf, lenient...)
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
	n.flags |= spaced // perhaps; nobody has looked
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
	if kind == '"' {
		if text := raw[1 : len(raw)-1]; isCoded(text) {
			n.flags = coded
		} else {
			n.tag = tagOf([]byte(text))
		}
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

// isCoded reports whether the text between a string's quotes differs from its value.
func isCoded(raw []byte) bool {
	for i, c := range raw {
		if c == '\\' {
			return true
		}
		if c >= utf8.RuneSelf {
			return bytes.IndexByte(raw[i:], '\\') >= 0 || !utf8.Valid(raw[i:])
		}
	}
	return false
}
