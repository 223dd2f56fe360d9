// Package stored turns what the topics keep of a request back into the request:
// a raw record, or a dead letter.
//
// Only proven requests are stored, so what comes out is taken for proven without
// another look at its signature; whoever may write to the raw and dead-letter
// topics can therefore make events. What was never stored does not come back:
// the address that was called, the token in it, credentials, parameters that are
// not allow-listed, headers without a value and, in hash mode, the parameter that
// names the recipient.
package stored

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Request is a proven request that was read back from its raw record.
type Request struct {
	Source   string // name of the source it came to
	Provider string // the source's provider then
	ID       string // the raw id
	Mapper   int    // version of the mapping that it went through

	// Events, DeadLetters and Repeats say what became of its items; see
	// normalize.Counts. -1: the record does not say.
	Events, DeadLetters, Repeats int

	// LeftOut are the places in the payload of items that were not published
	// because they came before, Conflicts those of events that were published under
	// a changed id. Both ascend.
	LeftOut, Conflicts []int

	// Scheme and KeyID say how the request was proven; see webhook.Proof.
	Scheme, KeyID string

	// Verified is the request itself: method, headers, query, body, the client's
	// address and the time at which it came, in milliseconds.
	Verified webhook.Verified
}

// Raw reads a raw record back. headers and value are the record's; the request
// keeps both. Headers of other names, such as the marks of a replay, are passed
// over. The error says which header is missing or cannot be read, and no value.
func Raw(headers []event.Header, value []byte) (Request, error) {
	var f fields
	r := Request{
		Source: f.must(headers, "source"), Provider: f.must(headers, "provider"), ID: f.must(headers, "id"),
		Mapper: f.number(headers, "mapper-version", 0),
		Events: f.number(headers, "events", -1), DeadLetters: f.number(headers, "dead-letters", -1), Repeats: f.number(headers, "repeats", -1),
		LeftOut: f.indexes(headers, "left-out"), Conflicts: f.indexes(headers, "conflicts"),
	}
	r.Scheme, r.KeyID = event.HeaderText(headers, "auth"), event.HeaderText(headers, "key-id")
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: event.HeaderText(headers, "method"), Header: requestHeader(headers), Query: f.query(headers, "query"), Body: value,
		RemoteAddr: f.address(headers, "remote-address"), ReceivedAt: f.time(headers, "received_at"),
	})
	if f.err != nil {
		return Request{}, fmt.Errorf("stored: raw record: %w", f.err)
	}
	r.Verified = v
	return r, nil
}

// Alone returns the request as it would be if its body were one item only.
func (r *Request) Alone(item []byte) webhook.Verified {
	alone := r.Verified.Request()
	alone.Body = asBody(item)
	return webhook.AssumeProvenForReplayAndTests(alone)
}

// asBody is an item of a payload as a body of its own. A list within a list is no
// event in its batch, and must not become a batch.
func asBody(item []byte) []byte {
	if first := bytes.TrimLeft(item, " \t\r\n"); len(first) == 0 || first[0] != '[' {
		return item
	}
	return append(append([]byte{'['}, item...), ']')
}

// httpPrefix stands before the names of the request's own headers.
const httpPrefix = "http-"

// requestHeader gathers the headers that the request came with.
func requestHeader(headers []event.Header) http.Header {
	h := make(http.Header, len(headers))
	for i := range headers {
		if name, ok := strings.CutPrefix(headers[i].Key, httpPrefix); ok {
			name = textproto.CanonicalMIMEHeaderKey(name)
			h[name] = append(h[name], string(headers[i].Value))
		}
	}
	// It has a record header of its own, also where the request has more headers
	// than are kept.
	if contentType, ok := event.HeaderValue(headers, "content-type"); ok && len(h["Content-Type"]) == 0 {
		h["Content-Type"] = []string{contentType}
	}
	return h
}

// fields reads headers and remembers the first that is not as it should be.
type fields struct{ err error }

// fail notes an error if it is the first.
func (f *fields) fail(key string, err error) {
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("header %s: %w", key, err)
	}
}

var errMissing = errors.New("it is missing")

// must returns a header that has to have a value.
func (f *fields) must(headers []event.Header, key string) string {
	text := event.HeaderText(headers, key)
	if text == "" {
		f.fail(key, errMissing)
	}
	return text
}

// number returns a decimal header, or missing where there is none.
func (f *fields) number(headers []event.Header, key string, missing int) int {
	text, ok := event.HeaderValue(headers, key)
	if !ok {
		return missing
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		f.fail(key, errors.New("it is no decimal number"))
	}
	return int(n)
}

// indexes returns a list of places in the payload, none where there is no header.
func (f *fields) indexes(headers []event.Header, key string) []int {
	text, ok := event.HeaderValue(headers, key)
	if !ok {
		return nil
	}
	list, err := parseIndexes(text)
	f.fail(key, err)
	return list
}

// time returns a header that has to be a time.
func (f *fields) time(headers []event.Header, key string) time.Time {
	text := f.must(headers, key)
	if text == "" {
		return time.Time{}
	}
	t, err := event.ParseTime(text)
	f.fail(key, err)
	return t.Time()
}

// address returns an address, the zero one where there is no header.
func (f *fields) address(headers []event.Header, key string) netip.Addr {
	text, ok := event.HeaderValue(headers, key)
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		f.fail(key, errors.New("it is no IP address"))
	}
	return a
}

// query returns the stored parameters, nil where there is no header.
func (f *fields) query(headers []event.Header, key string) url.Values {
	text, ok := event.HeaderValue(headers, key)
	if !ok {
		return nil
	}
	q, err := url.ParseQuery(text)
	if err != nil {
		f.fail(key, errors.New("it is no URL-encoded query"))
	}
	return q
}
