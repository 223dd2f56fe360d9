package normalize

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// maxHeaders bounds the request headers that are kept, names and values
// together, in bytes. A header that does not fit is left out whole: a cut
// signature would be worse than none.
const maxHeaders = 32 << 10

// Record is a record to publish that is no event.
type Record struct {
	Key     string
	Headers []event.Header
	Value   []byte
}

// RawKey returns the key of a request's raw and dead-letter records: the
// source's name and the raw id. It groups nothing; it names.
func RawKey(s *Source, rawID string) string { return string(AppendRawKey(nil, s, rawID)) }

// AppendRawKey appends RawKey to dst.
func AppendRawKey(dst []byte, s *Source, rawID string) []byte {
	return append(append(append(dst, s.Name...), '/'), rawID...)
}

// Counts says how many records the items of a request became, so that whoever
// reads the topics can tell whether a request is there as a whole, and which
// items became something else than an event under its own id, so that the request
// can be taken through a mapping again with the same outcome.
type Counts struct {
	Events      int // records in typed topics, or dead letters where the broker refused one for what it is
	DeadLetters int // dead letters known before anything was published
	Repeats     int // items left out because they were published before

	LeftOut    Items // those that Repeats counts
	Dead       Items // those that DeadLetters counts
	Duplicates Items // published and marked as published before
	Conflicts  Items // events published under a changed id
	Reused     bool  // the request came under a signed id of another one; all its events are marked
}

// RawRecord returns the record that keeps a proven request: the body as
// received, and headers in this order: provider, source, id (the raw id),
// method, content-type, remote-address, received_at (RFC 3339, milliseconds),
// mapper-version, auth and key-id (how it was proven), events, dead-letters and
// repeats (the counts, in decimal, each always there), left-out, dead-items,
// duplicates and conflicts (which items, as Items writes them, nothing where there
// are none), reused-id (true, or nothing), query (the allow-listed parameters,
// URL-encoded; see storedQuery), then the request's own headers (see eachHeader),
// each as "http-" and its name in lower case. What is not known is left out.
func RawRecord(s *Source, v webhook.Verified, rawID string, n Counts) Record {
	list := make([]event.Header, 0, 14+len(v.Request().Header))
	list, _ = AppendRaw(list, make([]byte, 0, rawHeaderBytes), s, &v, rawID, &n)
	return Record{Key: RawKey(s, rawID), Headers: list, Value: v.Request().Body}
}

// AppendRaw appends RawRecord's headers to dst and their values to buf, one behind
// the other, and returns both. The headers point into buf, or, where it has grown
// meanwhile, into what it was before.
func AppendRaw(dst []event.Header, buf []byte, s *Source, v *webhook.Verified, rawID string, n *Counts) ([]event.Header, []byte) {
	r, proof := v.Request(), v.Proof()
	h := headerList{list: dst, buf: buf}
	h.text("provider", s.Provider)
	h.text("source", s.Name)
	h.text("id", rawID)
	h.text("method", r.Method)
	if contentType := r.Header.Get("Content-Type"); !v.Redacts(contentType) {
		h.text("content-type", contentType)
	}
	if r.RemoteAddr.IsValid() {
		h.add("remote-address", r.RemoteAddr.AppendTo(h.buf))
	}
	h.add("received_at", event.NewTime(r.ReceivedAt, 3).Append(h.buf))
	h.number("mapper-version", s.Mapper)
	h.text("auth", proof.Scheme)
	h.text("key-id", proof.KeyID)
	h.number("events", n.Events)
	h.number("dead-letters", n.DeadLetters)
	h.number("repeats", n.Repeats)
	h.items(n)
	if len(r.Query) > 0 {
		h.text("query", storedQuery(s, *v).Encode())
	}
	eachHeader(s, v, func(name, value string) { h.text(httpHeader(name), value) })
	return h.list, h.buf
}

// rawHeaderBytes holds the values of a usual request's raw headers.
const rawHeaderBytes = 512

// httpHeader is the name under which a request's own header is kept. Those that
// nearly every request has are spelled out: names are most of what a raw record
// would allocate.
func httpHeader(name string) string {
	switch name {
	case "Accept":
		return "http-accept"
	case "Accept-Encoding":
		return "http-accept-encoding"
	case "Connection":
		return "http-connection"
	case "Content-Length":
		return "http-content-length"
	case "Content-Type":
		return "http-content-type"
	case "User-Agent":
		return "http-user-agent"
	case "X-Forwarded-For":
		return "http-x-forwarded-for"
	case "X-Forwarded-Proto":
		return "http-x-forwarded-proto"
	case "X-Webhook-Id":
		return "http-x-webhook-id"
	case "X-Webhook-Signature":
		return "http-x-webhook-signature"
	case "X-Webhook-Timestamp":
		return "http-x-webhook-timestamp"
	}
	return "http-" + strings.ToLower(name)
}

// headerList builds record headers whose values lie one behind the other in buf.
// A value stays valid when buf grows: it keeps the old array.
type headerList struct {
	list []event.Header
	buf  []byte
}

// add takes grown, which is buf with a value appended. An empty value is left out.
func (l *headerList) add(key string, grown []byte) {
	if value := grown[len(l.buf):len(grown):len(grown)]; len(value) > 0 {
		l.list = append(l.list, event.Header{Key: key, Value: value})
	}
	l.buf = grown
}

func (l *headerList) text(key, value string) { l.add(key, append(l.buf, value...)) }

func (l *headerList) number(key string, n int) { l.add(key, strconv.AppendInt(l.buf, int64(n), 10)) }

// items adds what says which items are no plain events. A usual request has none.
func (l *headerList) items(n *Counts) {
	l.add(HeaderLeftOut, n.LeftOut.AppendText(l.buf))
	l.add(HeaderDead, n.Dead.AppendText(l.buf))
	l.add(HeaderDuplicates, n.Duplicates.AppendText(l.buf))
	l.add(HeaderConflicts, n.Conflicts.AppendText(l.buf))
	if n.Reused {
		l.text(HeaderReused, "true")
	}
}

// requestHeaders returns the headers of a request that may be stored; see
// eachHeader.
func requestHeaders(s *Source, v webhook.Verified) []event.Header {
	var kept []event.Header
	eachHeader(s, &v, func(name, value string) {
		kept = append(kept, event.Header{Key: name, Value: []byte(value)})
	})
	return kept
}

// eachHeader calls keep for the headers of a request that may be stored, sorted
// by name, one call a value, 32 KiB at most. Left out are credentials
// (Authorization, Proxy-Authorization, cookies, API keys), the headers that the
// source calls secret, those in which proxies repeat the address that was called,
// since a token may be part of it, and any other that repeats a credential of the
// request. Signature headers stay: they prove the body.
func eachHeader(s *Source, v *webhook.Verified, keep func(name, value string)) {
	h := v.Request().Header
	var room [16]string
	names := room[:0]
	for name := range h {
		if !isSecretHeader(name, s.SecretHeaders) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	left := maxHeaders
	for _, name := range names {
		for _, value := range h[name] {
			if size := len(name) + len(value); size <= left && !v.Redacts(value) {
				keep(name, value)
				left -= size
			}
		}
	}
}

// isSecretHeader reports the headers that are never stored.
func isSecretHeader(name string, configured []string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "Set-Cookie",
		"X-Api-Key", "X-Auth-Token", "X-Access-Token",
		"Referer", "X-Original-Url", "X-Original-Uri", "X-Forwarded-Uri", "X-Rewrite-Url",
		"X-Request-Uri", "X-Envoy-Original-Path", "X-Waws-Unencoded-Url", "X-Forwarded-Authorization":
		return true
	}
	return slices.ContainsFunc(configured, func(c string) bool { return strings.EqualFold(c, name) })
}
