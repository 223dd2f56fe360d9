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
func RawKey(s *Source, rawID string) string { return s.Name + "/" + rawID }

// RawRecord returns the record that keeps a proven request: the body as
// received, and headers in this order: provider, source, id (the raw id),
// method, content-type, remote-address, received_at (RFC 3339, milliseconds),
// mapper-version, auth and key-id (how it was proven), query (the allow-listed
// parameters, URL-encoded; see storedQuery), then the request's own headers (see
// requestHeaders), each as "http-" and its name in lower case. What is not known is left out.
func RawRecord(s *Source, v webhook.Verified, rawID string) Record {
	r := v.Request()
	h := make(headerList, 0, 12+len(r.Header))
	h.add("provider", s.Provider)
	h.add("source", s.Name)
	h.add("id", rawID)
	h.add("method", r.Method)
	if contentType := r.Header.Get("Content-Type"); !v.Redacts(contentType) {
		h.add("content-type", contentType)
	}
	if r.RemoteAddr.IsValid() {
		h.add("remote-address", r.RemoteAddr.String())
	}
	h.add("received_at", event.NewTime(r.ReceivedAt, 3).String())
	h.add("mapper-version", strconv.Itoa(s.Mapper))
	h.add("auth", v.Proof().Scheme)
	h.add("key-id", v.Proof().KeyID)
	h.add("query", storedQuery(s, v).Encode())
	for _, own := range requestHeaders(s, v) {
		h = append(h, event.Header{Key: "http-" + strings.ToLower(own.Key), Value: own.Value})
	}
	return Record{Key: RawKey(s, rawID), Headers: h, Value: r.Body}
}

type headerList []event.Header

func (l *headerList) add(key, value string) {
	if value != "" {
		*l = append(*l, event.Header{Key: key, Value: []byte(value)})
	}
}

// requestHeaders returns the headers of a request that may be stored, sorted by
// name, one entry a value, 32 KiB at most. Left out are credentials
// (Authorization, Proxy-Authorization, cookies, API keys), the headers that the
// source calls secret, those in which proxies repeat the address that was called,
// since a token may be part of it, and any other that repeats a credential of the
// request. Signature headers stay: they prove the body.
func requestHeaders(s *Source, v webhook.Verified) []event.Header {
	h := v.Request().Header
	names := make([]string, 0, len(h))
	for name := range h {
		if !isSecretHeader(name, s.SecretHeaders) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	kept, left := make([]event.Header, 0, len(names)), maxHeaders
	for _, name := range names {
		for _, value := range h[name] {
			if size := len(name) + len(value); size <= left && !v.Redacts(value) {
				kept = append(kept, event.Header{Key: name, Value: []byte(value)})
				left -= size
			}
		}
	}
	return kept
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
