package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// span is where a value stands in a body.
type span struct {
	from, to int
}

// errNotOnce says that a body holds a member more than once, or not at all, or is
// no JSON object and nothing else.
var errNotOnce = errors.New("no JSON object with that member once")

// findMember returns where the value of the one member of that name stands in
// body, which has to be one JSON object, of at most maxMembers members, with nothing
// behind it: what follows would be hashed, and read by nobody.
func findMember(body []byte, name string) (span, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return span{}, errNotOnce
	}
	var at span
	found := 0
	for n := 0; dec.More(); n++ {
		key, err := dec.Token()
		if err != nil || n == maxMembers {
			return span{}, errNotOnce
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return span{}, errNotOnce
		}
		if key == name {
			end := int(dec.InputOffset())
			at = span{end - len(value), end}
			found++
		}
	}
	if _, err := dec.Token(); err != nil || found != 1 {
		return span{}, errNotOnce
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return span{}, errNotOnce
	}
	return at, nil
}

// setMember returns body with another value of that member, which is put in front
// of the others if it is not there; nil if body is no JSON object.
func setMember(body []byte, name string, value []byte) []byte {
	if at, err := findMember(body, name); err == nil {
		return join(body[:at.from], value, body[at.to:])
	}
	text := bytes.TrimLeft(body, " \t\r\n")
	if !json.Valid(body) || len(text) == 0 || text[0] != '{' {
		return nil
	}
	comma := ","
	if rest := bytes.TrimLeft(text[1:], " \t\r\n"); rest[0] == '}' {
		comma = ""
	}
	quoted, err := json.Marshal(name)
	if err != nil {
		return nil
	}
	return join([]byte("{"), quoted, []byte(":"), value, []byte(comma), text[1:])
}

// join puts pieces together in a slice of their own.
func join(pieces ...[]byte) []byte { return bytes.Join(pieces, nil) }

// stringMembers returns the members of body that are texts. It has to be one JSON
// object with nothing behind it, in which no name comes twice, in whatever case:
// of two readers one would take the first, another the last.
func stringMembers(body []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotOnce
	}
	members, seen := map[string]string{}, map[string]bool{}
	for dec.More() {
		name, err := nextName(dec, seen)
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNotOnce
		}
		var text string
		if value[0] == '"' && json.Unmarshal(value, &text) == nil {
			members[name] = text
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotOnce
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotOnce
	}
	return members, nil
}

// nextName reads the name of an object's next member and adds it to those that were
// seen, of which there may be maxMembers.
func nextName(dec *json.Decoder, seen map[string]bool) (string, error) {
	key, err := dec.Token()
	name, ok := key.(string)
	folded := strings.ToLower(name)
	if err != nil || !ok || seen[folded] || len(seen) == maxMembers {
		return "", errNotOnce
	}
	seen[folded] = true
	return name, nil
}
