package provider

import (
	"bytes"
	"errors"
	"slices"

	"github.com/postrider/postrider/internal/jsondoc"
)

// lines returns the lines of a text that is no JSON, where it is JSON Lines: there
// are several that are not blank, and the first is an object, or all begin as one and
// one is. nil if it is not. The error is why it is no JSON.
func (r Reading) lines(text []byte, err error) [][]byte {
	if e, ok := errors.AsType[*jsondoc.Error](err); !r.Lines || !ok || e.Problem != jsondoc.Syntax {
		return nil
	}
	var out [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	if len(out) < 2 || !r.object(out[0]) && !r.objects(out) {
		return nil
	}
	return out
}

// object reports whether a line is an object.
func (r Reading) object(line []byte) bool {
	doc, err := r.parse(line)
	if err != nil {
		return false
	}
	defer doc.Release()
	return doc.Root().Kind() == '{'
}

// objects reports whether all lines begin as an object does, and one is an object: no
// JSON text that was cut off or spoilt is that, however it is laid out.
func (r Reading) objects(lines [][]byte) bool {
	for _, line := range lines {
		if !bytes.HasPrefix(bytes.TrimPrefix(line, []byte(byteOrderMark)), []byte("{")) {
			return false
		}
	}
	return slices.ContainsFunc(lines[:min(len(lines), jsondoc.MaxItems)], r.object)
}

// eachLine judges each line alone.
func (r Reading) eachLine(m *Memory, lines [][]byte) []Result {
	var out []Result
	for _, line := range lines {
		if len(out) > jsondoc.MaxItems {
			break
		}
		for _, res := range r.line(m, line) {
			res.Index = len(out)
			out = append(out, res)
		}
	}
	if len(out) > jsondoc.MaxItems {
		return tooMany(&m.request)
	}
	return out
}

// line judges one line.
func (r Reading) line(m *Memory, line []byte) []Result {
	doc, err := r.parse(line)
	if err != nil {
		return []Result{{Item: line, Malformed: unreadable(err)}}
	}
	defer doc.Release()
	doc.Use(&m.room)
	return r.document(m, doc)
}
