package main

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/broker"
)

// recordLine is a record of the raw or the dead-letter topic as JSON.
type recordLine struct {
	Topic     string         `json:"topic"`
	Partition int            `json:"partition"`
	Offset    int64          `json:"offset"`
	Time      string         `json:"time"`
	Key       string         `json:"key"`
	Headers   map[string]any `json:"headers"`                // a string, or a list of them if there are several
	Value     any            `json:"value,omitempty"`        // a dead letter's object, or text if it is UTF-8
	Base64    []byte         `json:"value_base64,omitempty"` // if it is not
}

// recordJSON makes the line of a record. A request's body stays text even if it
// is JSON: only byte for byte does its signature hold.
func recordJSON(m *broker.Message, deadletter bool) recordLine {
	l := recordLine{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time.UTC().Format(time.RFC3339Nano),
		Key: string(m.Key), Headers: headersJSON(m.Headers),
	}
	switch {
	case len(m.Value) == 0:
	case deadletter && json.Valid(m.Value):
		l.Value = json.RawMessage(m.Value)
	case utf8.Valid(m.Value):
		l.Value = string(m.Value)
	default:
		l.Base64 = m.Value
	}
	return l
}

// headersJSON groups headers by their name.
func headersJSON(headers []broker.Header) map[string]any {
	grouped := make(map[string]any, len(headers))
	for _, h := range headers {
		switch before := grouped[h.Key].(type) {
		case nil:
			grouped[h.Key] = string(h.Value)
		case string:
			grouped[h.Key] = []string{before, string(h.Value)}
		case []string:
			grouped[h.Key] = append(before, string(h.Value))
		}
	}
	return grouped
}
