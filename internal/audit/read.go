package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// note is what a record says.
type note struct {
	request  key // the zero key: there is no raw record
	item     key // of an event or dead letter
	source   string
	received time.Time

	body     uint64 // raw: hash of body and query
	expected int32  // raw: events and dead letters
	repeats  int    // raw

	conflict bool // event: the id was seen before with other content
	marked   bool // event: published although it was a repeat
	replayed bool // event: a copy that was put there on purpose
}

// The headers of a raw record that say what became of the request.
const (
	headerEvents      = "events"
	headerDeadLetters = "dead-letters"
	headerRepeats     = "repeats"
)

// readRaw reads a raw record. One of a version that did not count yet has the
// unknown count.
func readRaw(r *Record) (note, error) {
	n := note{source: event.HeaderText(r.Headers, "source"), body: fingerprint(r)}
	if n.source == "" {
		return n, errors.New("it has no header source")
	}
	var ok bool
	if n.request, ok = uuid(event.HeaderText(r.Headers, "id")); !ok {
		return n, errors.New("its header id is no UUID")
	}
	var err error
	if n.received, err = time.Parse(time.RFC3339, event.HeaderText(r.Headers, "received_at")); err != nil {
		return n, errors.New("its header received_at is no RFC 3339 time")
	}
	events, err := count(r, headerEvents)
	if err != nil {
		return n, err
	}
	dead, err := count(r, headerDeadLetters)
	if err != nil {
		return n, err
	}
	repeats, err := count(r, headerRepeats)
	if err != nil {
		return n, err
	}
	n.expected, n.repeats = events+dead, int(max(repeats, 0))
	if events == unknownCount || dead == unknownCount {
		n.expected = unknownCount
	}
	return n, nil
}

// fingerprint is equal for requests that mean the same: those with the same body
// and the same query parameters.
func fingerprint(r *Record) uint64 {
	h := sha256.New()
	h.Write(r.Value)
	h.Write([]byte{0})
	h.Write([]byte(event.HeaderText(r.Headers, "query")))
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// maxCount bounds a count: two of them fit into an int32.
const maxCount = 1 << 30

// count reads a header that counts; unknownCount if there is none.
func count(r *Record, name string) (int32, error) {
	text := event.HeaderText(r.Headers, name)
	if text == "" {
		return unknownCount, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > maxCount {
		return 0, fmt.Errorf("its header %s is no count", name)
	}
	return int32(n), nil
}

// origin is what events and dead letters have in common.
type origin struct {
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	RawID      string    `json:"raw_id"`
}

// note turns it into a note.
func (o *origin) note() (note, error) {
	n := note{source: o.Source, received: o.ReceivedAt}
	if o.Source == "" || o.ReceivedAt.IsZero() {
		return n, errors.New("it names no source and time")
	}
	if o.RawID == "" {
		return n, nil
	}
	var ok bool
	if n.request, ok = uuid(o.RawID); !ok {
		return n, errors.New("its raw_id is no UUID")
	}
	return n, nil
}

// readTyped reads an event.
func readTyped(r *Record) (note, error) {
	var e struct {
		origin

		Schema string `json:"schema"`
		ID     string `json:"id"`
	}
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return note{}, errors.New("it is no JSON object with an event's fields")
	}
	if e.Schema != event.Schema {
		return note{}, errors.New("it is not of the schema " + event.Schema)
	}
	n, err := e.note()
	if err != nil {
		return n, err
	}
	if _, err := hex.Decode(n.item[:], []byte(e.ID)); err != nil || len(e.ID) != 2*len(n.item) {
		return n, errors.New("its id is not 32 hex digits")
	}
	if event.HeaderText(r.Headers, "ce_id") != e.ID {
		return n, errors.New("its header ce_id is not its id")
	}
	n.conflict = event.HeaderText(r.Headers, "conflict") == "true"
	n.marked = event.HeaderText(r.Headers, "duplicate") == "true"
	n.replayed = marksReplay(r.Headers)
	if n.marked {
		n.item[0] ^= 0xff // beside the event that it repeats, which may be of the same request
	}
	return n, nil
}

// marksReplay reports whether a record is the copy of another one that was
// published again on purpose, or the event that a dead letter has become since: its
// item counts as the dead letter.
func marksReplay(headers []event.Header) bool {
	for i := range headers {
		if strings.HasPrefix(headers[i].Key, "replay-") || headers[i].Key == "redrive-of" {
			return true
		}
	}
	return false
}

// readDeadLetter reads a dead letter. What tells it from another is the item it
// is about, which is the same when the provider sends the request again.
func readDeadLetter(r *Record) (note, error) {
	var d struct {
		origin

		Reason string          `json:"reason"`
		Index  json.RawMessage `json:"index"`
		Body   json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(r.Value, &d); err != nil {
		return note{}, errors.New("it is no JSON object with a dead letter's fields")
	}
	n, err := d.note()
	if err != nil {
		return n, err
	}
	if d.Reason == "" || event.HeaderText(r.Headers, "reason") != d.Reason {
		return n, errors.New("its header reason is not its reason")
	}
	sum := sha256.Sum256(bytes.Join([][]byte{[]byte("dead letter"), []byte(d.Source), d.Index, d.Body}, []byte{0}))
	copy(n.item[:], sum[:])
	return n, nil
}

// uuid reads a UUID in its usual form.
func uuid(text string) (key, bool) {
	var k key
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return k, false
	}
	digits := strings.ReplaceAll(text, "-", "")
	_, err := hex.Decode(k[:], []byte(digits))
	return k, err == nil && len(digits) == 2*len(k) && k != key{}
}
