package mapping

import (
	"bytes"
	"encoding/json"

	"github.com/postrider/postrider/internal/jsondoc"
)

// without returns a compact JSON object without the members to which ways lead, such as
// a proof that stands beside what it proves.
func without(text []byte, ways [][]string, fold bool) []byte {
	if len(ways) == 0 {
		return text
	}
	in := json.NewDecoder(bytes.NewReader(text))
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return text // a list or a text has no such members
	}
	out := []byte{'{'}
	for in.More() {
		var value json.RawMessage
		t, err := in.Token()
		name, ok := t.(string)
		if err != nil || !ok || in.Decode(&value) != nil {
			return []byte("{}") // never: the item was read before
		}
		below, gone := follow(ways, name, fold)
		if gone {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendName(out, name), ':'), without(value, below, fold)...)
	}
	return append(out, '}')
}

// follow returns what is left of the ways that begin with a name; gone reports whether
// one of them ends there.
func follow(ways [][]string, name string, fold bool) (below [][]string, gone bool) {
	for _, w := range ways {
		if w[0] != name && (!fold || jsondoc.Fold(w[0]) != jsondoc.Fold(name)) {
			continue
		}
		if len(w) == 1 {
			return nil, true
		}
		below = append(below, w[1:])
	}
	return below, false
}

// appendName appends a name as JSON.
func appendName(dst []byte, name string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(name) //nolint:errchkjson // a text is never refused
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
