package normalize

import (
	"encoding/base64"
	"strconv"

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

// AppendJSON appends the dead letter's record to dst: one JSON object with
// reason, stage, detail, provider, source, received_at (RFC 3339, milliseconds),
// mapper, raw_id, index (absent for the whole body), headers and query (each
// name with its list of values) and body (base64, RFC 4648 section 4). Headers
// and query are those of RequestHeaders and the source's allow list.
func (d *DeadLetter) AppendJSON(dst []byte, s *Source, v webhook.Verified, rawID string) []byte {
	r := v.Request()
	dst = event.AppendString(append(dst, `{"reason":`...), d.Reason)
	dst = event.AppendString(append(dst, `,"stage":`...), d.Stage)
	if d.Detail != "" {
		dst = event.AppendString(append(dst, `,"detail":`...), d.Detail)
	}
	dst = event.AppendString(append(dst, `,"provider":`...), s.Provider)
	dst = event.AppendString(append(dst, `,"source":`...), s.Name)
	dst = event.NewTime(r.ReceivedAt, 3).Append(append(dst, `,"received_at":"`...))
	dst = strconv.AppendInt(append(dst, `","mapper":`...), int64(s.Mapper), 10)
	dst = event.AppendString(append(dst, `,"raw_id":`...), rawID)
	if d.Index >= 0 {
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(d.Index), 10)
	}
	dst = appendValues(append(dst, `,"headers":`...), requestHeaders(s, &r))
	dst = appendValues(append(dst, `,"query":`...), queryHeaders(s, &r))
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"body":"`...), d.Item)
	return append(dst, `"}`...)
}

// Record returns the dead letter as it is published: the key of the request's
// raw record, the JSON form, and headers that a consumer can select by.
func (d *DeadLetter) Record(s *Source, v webhook.Verified, rawID string) Record {
	h := []event.Header{
		{Key: "provider", Value: []byte(s.Provider)},
		{Key: "source", Value: []byte(s.Name)},
		{Key: "id", Value: []byte(rawID)},
		{Key: "reason", Value: []byte(d.Reason)},
		{Key: "stage", Value: []byte(d.Stage)},
		{Key: "content-type", Value: []byte(event.ContentType)},
		{Key: "mapper-version", Value: strconv.AppendInt(nil, int64(s.Mapper), 10)},
	}
	return Record{Key: RawKey(s, rawID), Headers: h, Value: d.AppendJSON(nil, s, v, rawID)}
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
