package normalize

import (
	"encoding/base64"
	"fmt"

	"github.com/postrider/postrider/pkg/event"
)

// RefusedEvent returns the dead letter of an event whose record the broker
// refused for what it is after its request had been answered: the request is no
// longer at hand, so body is the event's own JSON, and raw_id names the request.
// Its key, headers and members are those of Encoder.Record, without headers and
// query. value and headers are the refused record's. The error says that the
// value is no event.
func RefusedEvent(value []byte, headers []event.Header, reason, detail string) (Record, error) {
	e, err := event.Decode(value)
	if err != nil {
		return Record{}, fmt.Errorf("normalize: refused record: %w", err)
	}
	mapper := headerValue(headers, "mapper-version")
	r := Record{
		Key: e.Source + "/" + e.RawID,
		Headers: []event.Header{
			{Key: "provider", Value: []byte(e.Provider)},
			{Key: "source", Value: []byte(e.Source)},
			{Key: "id", Value: []byte(e.RawID)},
			{Key: "reason", Value: []byte(reason)},
			{Key: "stage", Value: []byte(StagePublish)},
			{Key: "content-type", Value: []byte(event.ContentType)},
			{Key: "mapper-version", Value: mapper},
		},
	}
	dst := make([]byte, 0, 512+len(detail)+base64.StdEncoding.EncodedLen(len(value)))
	dst = event.AppendString(append(dst, `{"reason":`...), reason)
	dst = event.AppendString(append(dst, `,"stage":`...), StagePublish)
	dst = event.AppendString(append(dst, `,"detail":`...), clip(detail+"; the body is the event, raw_id names the request", maxDetail))
	dst = event.AppendString(append(dst, `,"provider":`...), e.Provider)
	dst = event.AppendString(append(dst, `,"source":`...), e.Source)
	dst = e.ReceivedAt.Append(append(dst, `,"received_at":"`...))
	dst = append(dst, '"')
	if len(mapper) > 0 {
		dst = append(append(dst, `,"mapper":`...), mapper...)
	}
	if e.RawID != "" {
		dst = event.AppendString(append(dst, `,"raw_id":`...), e.RawID)
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"body":"`...), value)
	r.Value = append(dst, `"}`...)
	return r, nil
}

func headerValue(headers []event.Header, key string) []byte {
	for _, h := range headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}
