package normalize

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Reasons of dead letters that this package gives; a parser's own are those of
// package provider.
const (
	ReasonParserPanic  = "parser_panic"  // the parser broke down; nothing of the body was published
	ReasonInvalidEvent = "invalid_event" // the mapped event breaks a rule of the schema
)

// Stages of the path at which an item becomes a dead letter.
const (
	StageParse     = "parse"     // reading the payload
	StageNormalize = "normalize" // completing the event
	StageValidate  = "validate"  // holding it against the schema
	StagePublish   = "publish"   // handing it to the broker
)

// DeadLetter is an item of a proven request, or its whole body, that is no event.
type DeadLetter struct {
	Reason string // machine-readable; one of a small fixed set
	Stage  string // where on the path it happened
	Detail string // for people; holds no text of the payload
	Index  int    // place in the payload, from 0; -1 for the whole body
	Item   []byte // the item as received; for the whole body, the body
	Stack  []byte // where the parser broke down, for the log; not published

	query []parameter // of the request
}

const (
	maxDetail   = 400       // bytes of a dead letter's detail
	maxRepeated = 256 << 10 // bytes of headers and query in all the dead letters of one request
)

// Encoder makes the records of one request's dead letters. What they share is
// encoded once. Safe for concurrent use.
type Encoder struct {
	key     string
	headers []event.Header
	origin  []byte // the members provider to mapper
	raw     []byte // the member raw_id; nil without a raw record
	request []byte // the members headers and query
	body    int    // bytes of the request's body without white space around it

	repeated atomic.Int64 // bytes of request in the records so far
}

// NewEncoder makes the encoder for a request of source s; rawID names the
// request's record in the raw topic.
func NewEncoder(s *Source, v webhook.Verified, rawID string) *Encoder {
	r := v.Request()
	e := &Encoder{key: RawKey(s, rawID), body: len(bytes.TrimSpace(r.Body))}
	mapper := strconv.AppendInt(nil, int64(s.Mapper), 10)
	e.headers = []event.Header{
		{Key: "provider", Value: []byte(s.Provider)},
		{Key: "source", Value: []byte(s.Name)},
		{Key: "id", Value: []byte(rawID)},
		{Key: "reason"},
		{Key: "stage"},
		{Key: "content-type", Value: []byte(event.ContentType)},
		{Key: "mapper-version", Value: mapper},
	}
	o := event.AppendString([]byte(`,"provider":`), s.Provider)
	o = event.AppendString(append(o, `,"source":`...), s.Name)
	o = event.NewTime(r.ReceivedAt, 3).Append(append(o, `,"received_at":"`...))
	e.origin = append(append(o, `","mapper":`...), mapper...)
	e.raw = event.AppendString([]byte(`,"raw_id":`), rawID)
	e.request = appendValues([]byte(`,"headers":`), requestHeaders(s, v))
	e.request = appendValues(append(e.request, `,"query":`...), queryHeaders(s, v))
	return e
}

// WithoutRaw tells the encoder, before its first record, that the request has no
// record in the raw topic: dead letters then have no raw_id to follow, and each
// has the headers and query itself. It returns e.
func (e *Encoder) WithoutRaw() *Encoder {
	e.raw = nil
	return e
}

// Record returns a dead letter as it is published: the key of the request's raw
// record, headers that a consumer can select by (provider, source, id, reason,
// stage, content-type, mapper-version), and one JSON object with reason, stage,
// detail, provider, source, received_at (RFC 3339, milliseconds), mapper, raw_id,
// index (absent for the whole body), headers and query (each name with its list
// of values; see requestHeaders and storedQuery) and body (base64, RFC 4648
// section 4).
//
// The items of a batch repeat headers and query up to 256 KiB a request. Beyond
// that they are left out, where thousands of small items would make many times
// the request of it: raw_id names the record that holds them. Such a dead letter
// has less than 1 KiB without its body.
func (e *Encoder) Record(d *DeadLetter) Record {
	h := slices.Clone(e.headers)
	h[3].Value, h[4].Value = []byte(d.Reason), []byte(d.Stage)
	return Record{Key: e.key, Headers: h, Value: e.appendJSON(d)}
}

// appendJSON makes the record's value.
func (e *Encoder) appendJSON(d *DeadLetter) []byte {
	dst := make([]byte, 0, 256+len(e.origin)+len(d.Detail)+base64.StdEncoding.EncodedLen(len(d.Item)))
	dst = event.AppendString(append(dst, `{"reason":`...), d.Reason)
	dst = event.AppendString(append(dst, `,"stage":`...), d.Stage)
	if d.Detail != "" {
		dst = event.AppendString(append(dst, `,"detail":`...), clip(d.Detail, maxDetail))
	}
	dst = append(append(dst, e.origin...), e.raw...)
	if d.Index >= 0 {
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(d.Index), 10)
	}
	if e.complete(d) {
		dst = append(dst, e.request...)
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"body":"`...), d.Item)
	return append(dst, `"}`...)
}

// complete reports whether a dead letter carries headers and query: always if
// they stand nowhere else, if it is the request's only one or its first, and
// else while what is repeated keeps its bound.
func (e *Encoder) complete(d *DeadLetter) bool {
	if e.raw == nil || d.Index < 0 || len(d.Item) == e.body {
		return true
	}
	size := int64(len(e.request))
	total := e.repeated.Add(size)
	return total == size || total <= maxRepeated
}

// clip returns at most n bytes of text, without half a character at the end.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// queryHeaders returns storedQuery sorted by name, one entry a value.
func queryHeaders(s *Source, v webhook.Verified) []event.Header {
	kept := storedQuery(s, v)
	var list []event.Header
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		for _, value := range kept[name] {
			list = append(list, event.Header{Key: name, Value: []byte(value)})
		}
	}
	return list
}

// appendValues appends headers as an object of lists. Headers of one name stand
// next to each other.
func appendValues(dst []byte, headers []event.Header) []byte {
	dst = append(dst, '{')
	for i, h := range headers {
		switch {
		case i > 0 && headers[i-1].Key == h.Key:
			dst = append(dst, ',')
		case i > 0:
			dst = append(dst, `],`...)
			fallthrough
		default:
			dst = append(event.AppendString(dst, h.Key), `:[`...)
		}
		dst = event.AppendString(dst, string(h.Value))
	}
	if len(headers) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
