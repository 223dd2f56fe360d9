package selection

import (
	"bytes"
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// HeaderReplayed is the header by which a copy that a replay made is known.
const HeaderReplayed = "replay-id"

// told is what a record's headers tell of what it holds. The texts share the
// record's memory; nil is what no header tells.
type told struct {
	provider, source []byte
	id               []byte // of the event
	request          []byte // of the request, on raw requests and dead letters
	word             []byte // of the type, as TypeNames has them
	message          []byte // id, cut and cleaned
	replayed         bool
}

// tell reads a record's headers.
func tell(headers []event.Header) told {
	var t told
	for i := range headers {
		value := headers[i].Value
		switch headers[i].Key {
		case "provider":
			t.provider = value
		case "source":
			t.source = value
		case "ce_id":
			t.id = value
		case "id":
			t.request = value
		case "ce_type":
			t.word = typeWord(value)
		case "ce_subject":
			t.message = value
		case HeaderReplayed:
			t.replayed = true
		}
	}
	return t
}

// stored reports whether the record is a request or a dead letter, which holds no
// event: it has an id, but no event's.
func (t *told) stored() bool { return t.id == nil && t.request != nil && t.provider != nil }

// identity is the id of the event, or of the request.
func (t *told) identity() []byte {
	if t.stored() {
		return t.request
	}
	return t.id
}

// whole reports whether the record has the headers that each of our events has, so
// that they can be asked in place of its value.
func (t *told) whole() bool {
	return t.id != nil && t.provider != nil && t.source != nil && t.word != nil
}

// typeWord is the word for a type in a ce_type header, email.<word>.v1; nil if the
// header is of another form.
func typeWord(ceType []byte) []byte {
	word, ours := bytes.CutPrefix(ceType, []byte("email."))
	word, v1 := bytes.CutSuffix(word, []byte(".v1"))
	if !ours || !v1 {
		return nil
	}
	return word
}

// TypeNames lists the words for types: that of the event, after "inbound." where
// the message came in.
func TypeNames() []string {
	var names []string
	for _, r := range event.Routes() {
		names = append(names, typeName(r))
	}
	return names
}

func typeName(r event.Route) string {
	if r.Direction == event.Inbound {
		return "inbound." + string(r.Type)
	}
	return string(r.Type)
}

// splitType is the type and direction of a word.
func splitType(word string) (typ, direction string) {
	if inbound, ok := strings.CutPrefix(word, "inbound."); ok {
		return inbound, string(event.Inbound)
	}
	return word, string(event.Outbound)
}

// messageInKey is the last part of a key provider/source/message; false if the key
// is none of that provider and source.
func (t *told) messageInKey(key []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(key, t.provider)
	if !ok || len(rest) == 0 || rest[0] != '/' {
		return nil, false
	}
	rest, ok = bytes.CutPrefix(rest[1:], t.source)
	if !ok || len(rest) == 0 || rest[0] != '/' {
		return nil, false
	}
	return rest[1:], true
}
