package normalize

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
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
}

// maxDetail bounds the detail of a dead letter, in bytes.
const maxDetail = 400

// Encoder makes the records of one request's dead letters. What they share is
// encoded once. Safe for concurrent use.
type Encoder struct {
	key     string
	headers []event.Header
	origin  []byte // the members provider to raw_id
	request []byte // the members headers and query
	body    int    // bytes of the request's body without white space around it
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
	o = append(append(o, `","mapper":`...), mapper...)
	e.origin = event.AppendString(append(o, `,"raw_id":`...), rawID)
	e.request = appendValues([]byte(`,"headers":`), requestHeaders(s, v))
	e.request = appendValues(append(e.request, `,"query":`...), queryHeaders(s, v))
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
// An item that is only a part of the body has no headers and query: raw_id names
// the record that holds them once, where thousands of small items would repeat
// them. Without its body such a dead letter has less than 1 KiB.
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
	dst = append(dst, e.origin...)
	if d.Index >= 0 {
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(d.Index), 10)
	}
	if d.Index < 0 || len(d.Item) == e.body {
		dst = append(dst, e.request...)
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"body":"`...), d.Item)
	return append(dst, `"}`...)
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
