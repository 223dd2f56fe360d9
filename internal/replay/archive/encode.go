package archive

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/postrider/postrider/pkg/event"
)

// appendLine appends a record's line with its end.
func appendLine(to []byte, r *Record) ([]byte, error) {
	if !utf8.ValidString(r.Topic) {
		return nil, errors.New("archive: the topic's name is no UTF-8")
	}
	start := len(to)
	to = append(to, `{"v":`...)
	to = strconv.AppendInt(to, version, 10)
	to = append(to, `,"topic":`...)
	to = appendText(to, r.Topic)
	to = append(to, `,"partition":`...)
	to = strconv.AppendInt(to, int64(r.Partition), 10)
	to = append(to, `,"offset":`...)
	to = strconv.AppendInt(to, r.Offset, 10)
	to = append(to, `,"timestamp":`...)
	to = appendTime(to, r)
	to = appendBytes(append(to, ','), "key", r.Key)
	to = appendHeaders(to, r.Headers)
	to = appendValue(append(to, ','), start, r.Value)
	return append(to, '}', '\n'), nil
}

// appendTime appends a record's timestamp.
func appendTime(to []byte, r *Record) []byte {
	t := r.Time.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return strconv.AppendInt(to, t.UnixMilli(), 10)
	}
	return append(t.AppendFormat(append(to, '"'), layout), '"')
}

func appendHeaders(to []byte, headers []event.Header) []byte {
	if len(headers) == 0 {
		return to
	}
	to = append(to, `,"headers":[`...)
	for i, h := range headers {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendBytes(append(to, '{'), "key", []byte(h.Key))
		to = appendBytes(append(to, ','), "value", h.Value)
		to = append(to, '}')
	}
	return append(to, ']')
}

// appendValue appends a record's value. It is embedded as it is where the Reader
// takes that: it must be one value, and the line that began at start a valid one
// with it.
func appendValue(to []byte, start int, value []byte) []byte {
	if !isOneLine(value) || !jsontext.Value(value).IsValid() {
		return appendBytes(to, "value", value)
	}
	before := len(to)
	to = append(append(append(to, `"value":`...), value...), '}')
	if shallow(value) || jsontext.Value(to[start:]).IsValid() {
		return to[:len(to)-1]
	}
	return appendBytes(to[:before], "value", value)
}

// isOneLine reports whether a value begins and ends as an object or array does, and
// has no line feed.
func isOneLine(value []byte) bool {
	if len(value) < 2 {
		return false
	}
	first, last := value[0], value[len(value)-1]
	return (first == '{' && last == '}' || first == '[' && last == ']') && bytes.IndexByte(value, '\n') < 0
}

// shallow reports that a value is not nearly as deep as jsontext can go, 10,000 levels.
func shallow(value []byte) bool {
	return bytes.Count(value, []byte("{"))+bytes.Count(value, []byte("[")) < 9000
}

// appendBytes appends a field: null, text, or base64 under another name.
func appendBytes(to []byte, name string, b []byte) []byte {
	to = append(append(to, '"'), name...)
	switch {
	case b == nil:
		return append(to, `":null`...)
	case utf8.Valid(b):
		return appendText(append(to, `":`...), b)
	}
	to = append(to, `_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(to, b), '"')
}

// appendText appends a JSON string of valid UTF-8.
func appendText[T []byte | string](to []byte, text T) []byte {
	to, _ = jsontext.AppendQuote(to, text) // fails for invalid UTF-8 only
	return to
}
