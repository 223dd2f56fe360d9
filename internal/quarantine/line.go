package quarantine

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/pkg/webhook"
)

// line is the form of an entry in a file: one JSON object. The body comes last,
// in base64, and is written without a copy in memory.
type line struct {
	ReceivedAt time.Time         `json:"received_at"`
	Source     string            `json:"source"`
	Reason     webhook.Reason    `json:"reason"`
	Method     string            `json:"method"`
	URL        text              `json:"url"`
	Header     map[string][]text `json:"header"`
	Query      map[string][]text `json:"query,omitempty"`
	PathToken  text              `json:"path_token,omitempty"`
	RemoteAddr netip.Addr        `json:"remote_addr"`
	Body       []byte            `json:"body,omitempty"`
}

// text is a string of any bytes: what is no UTF-8 (a header may hold it, and a
// signature may cover it) is written as {"base64": ...}.
type text string

// encoded is the form of a text that is no UTF-8.
type encoded struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(encoded{[]byte(t)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var e encoded
		err := json.Unmarshal(b, &e)
		*t = text(e.Base64)
		return err
	}
	return json.Unmarshal(b, (*string)(t))
}

// texts converts the values of a header or query.
func texts[A, B ~string](in map[string][]A) map[string][]B {
	if in == nil {
		return nil
	}
	out := make(map[string][]B, len(in))
	for name, values := range in {
		list := make([]B, len(values))
		for i, v := range values {
			list[i] = B(v)
		}
		out[name] = list
	}
	return out
}

// overhead is what an entry costs beside its texts and body.
const overhead = 512

// cost is roughly how many bytes of memory an entry holds.
func (e *Entry) cost() int64 {
	n := len(e.Request.Body) + len(e.Request.URL) + len(e.Request.PathToken) + overhead
	for _, group := range []map[string][]string{e.Request.Header, e.Request.Query} {
		for name, values := range group {
			n += len(name)
			for _, v := range values {
				n += len(v)
			}
		}
	}
	return int64(n)
}

// head is the entry's line up to the text of the body.
func (e *Entry) head() ([]byte, error) {
	r := &e.Request
	l := line{
		ReceivedAt: r.ReceivedAt.UTC(), Source: e.Source, Reason: e.Reason, Method: r.Method, URL: text(r.URL),
		Header: texts[string, text](r.Header), Query: texts[string, text](r.Query), PathToken: text(r.PathToken), RemoteAddr: r.RemoteAddr,
	}
	head, err := json.Marshal(&l)
	if err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	return append(head[:len(head)-1], `,"body":"`...), nil
}

// tail ends a line.
const tail = "\"}\n"

// length is how long the line of a head and a body is.
func length(head, body []byte) int64 {
	return int64(len(head) + base64.StdEncoding.EncodedLen(len(body)) + len(tail))
}

// writeLine writes a line, piece by piece.
func writeLine(f *os.File, head, body []byte) error {
	w := bufio.NewWriterSize(f, 32<<10)
	_, _ = w.Write(head) // a first error is kept until Flush
	b64 := base64.NewEncoder(base64.StdEncoding, w)
	_, _ = b64.Write(body)
	_ = b64.Close()
	_, _ = w.WriteString(tail)
	return w.Flush()
}

// parseLine reads an entry back.
func parseLine(b []byte) (Entry, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return Entry{}, fmt.Errorf("quarantine: %w", err)
	}
	return Entry{Source: l.Source, Reason: l.Reason, Request: webhook.Request{
		Method: l.Method, URL: string(l.URL), Header: http.Header(texts[text, string](l.Header)),
		Query: url.Values(texts[text, string](l.Query)), PathToken: string(l.PathToken), Body: l.Body,
		RemoteAddr: l.RemoteAddr, ReceivedAt: l.ReceivedAt,
	}}, nil
}
