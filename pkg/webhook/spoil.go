package webhook

import (
	"bytes"
	"net/url"
	"slices"
)

// spoiler is a scheme whose proof stands in the body and does not cover it.
type spoiler interface {
	// spoil breaks the proof of r.
	spoil(r *Request)
}

// Spoil changes r, which Sign signed as cfg says, so that its proof no longer
// holds: the body where the proof covers it, by a blank that changes nothing
// else or at the end of a form, or else the credential itself. It is for
// those who test a receiver. What r held before is not changed in place.
func Spoil(cfg Config, r *Request) {
	v := build(cfg, &report{})
	if s, ok := v.(spoiler); ok {
		s.spoil(r)
		return
	}
	r.Header = r.Header.Clone()
	if cfg.Covers().Body {
		r.Body = spoiledBody(r.Body)
		return
	}
	r.PathToken = spoiled(r.PathToken)
	if token := r.Query.Get(tokenParameter); token != "" {
		r.Query = url.Values(cloneValues(r.Query))
		r.Query.Set(tokenParameter, spoiled(token))
	}
	for name, values := range r.Header {
		if name != "Content-Type" && name != "User-Agent" {
			r.Header[name] = []string{spoiled(values[0])}
		}
	}
}

// spoiledBody puts a blank into JSON, where it means nothing, or at the end of
// anything else: of a form that is the last value.
func spoiledBody(body []byte) []byte {
	if text := bytes.TrimLeft(body, " \t\r\n"); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		at := len(body) - len(text) + 1
		return slices.Concat(body[:at], []byte(" "), body[at:])
	}
	return slices.Concat(body, []byte("+"))
}

// cloneValues copies values, the lists too.
func cloneValues(values map[string][]string) map[string][]string {
	c := make(map[string][]string, len(values))
	for name, list := range values {
		c[name] = slices.Clone(list)
	}
	return c
}

// spoiled changes a credential in its last letter but three, past any padding.
func spoiled(s string) string {
	if s == "" {
		return ""
	}
	b := []byte(s)
	at := max(len(b)-4, 0)
	switch b[at] {
	case 'a':
		b[at] = 'b'
	case 'A':
		b[at] = 'B'
	default:
		b[at] = 'a'
	}
	return string(b)
}
