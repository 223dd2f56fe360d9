package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// logRequest writes a request to a collector: one log record whose body is the event, in
// the JSON form of the OpenTelemetry protocol.
func logRequest(serial int, now time.Time) ([]byte, error) {
	text, err := json.Marshal(string(deliveredEvent(serial, now)))
	if err != nil {
		return nil, fmt.Errorf("bench: log record: %w", err)
	}
	body := fmt.Appendf(nil, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":%s}}]}]}]}`, now.UnixNano(), text)
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: postrider-bench\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes(), nil
}
