package event

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// ContentType is the media type of a record's value.
const ContentType = "application/json"

// maxHeader bounds a header's value, in bytes.
const maxHeader = 1024

// Header is one Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// Stamp is what a record's headers say beyond the event itself.
type Stamp struct {
	Mapper    int  // version of the mapping that made the event; 0 leaves the header out
	Conflict  bool // what identifies the event was seen before with other content
	Duplicate bool // the event was published before
}

// AppendHeaders appends the headers of the event's record to dst, always in the
// same order: the attributes of CloudEvents 1.0 in the binary mode of its Kafka
// binding (ce_specversion, ce_id, ce_source, ce_type, ce_time, ce_subject,
// content-type), then provider, source, mapper-version, bounce-class and
// bounce-will-retry (on bounced), test, conflict and duplicate. What is not known
// is left out. Values are UTF-8 of at most 1 KiB without control characters and
// noncharacters, which CloudEvents forbids. The values share one new buffer.
func (e *Event) AppendHeaders(dst []Header, s Stamp) []Header {
	dst, _ = e.AppendHeadersTo(dst, make([]byte, 0, 512), s)
	return dst
}

// AppendHeadersTo is AppendHeaders with the values appended to buf, which it returns
// with dst. The headers point into buf, or, where it has grown meanwhile, into what
// it was before: buf must not be used again while they are needed.
func (e *Event) AppendHeadersTo(dst []Header, buf []byte, s Stamp) ([]Header, []byte) {
	w := headers{list: dst, buf: buf}
	w.constant("ce_specversion", "1.0")
	w.text("ce_id", e.ID)
	w.source(e)
	w.eventType(e.Route())
	if !e.OccurredAt.IsZero() {
		w.add("ce_time", e.OccurredAt.Append(w.buf))
	}
	w.text("ce_subject", e.MessageID)
	w.constant("content-type", ContentType)
	w.text("provider", e.Provider)
	w.text("source", e.Source)
	if s.Mapper != 0 {
		w.add("mapper-version", strconv.AppendInt(w.buf, int64(s.Mapper), 10))
	}
	w.bounce(e)
	w.flag("test", e.Test)
	w.flag("conflict", s.Conflict)
	w.flag("duplicate", s.Duplicate)
	return w.list, w.buf
}

// headers writes values one behind the other into buf. A value stays valid when
// buf grows: it keeps the old array.
type headers struct {
	list []Header
	buf  []byte
}

// add takes grown, which is buf with a value appended. An empty value is left out.
func (w *headers) add(key string, grown []byte) {
	value := grown[len(w.buf):len(grown):len(grown)]
	if len(value) > 0 {
		w.list = append(w.list, Header{Key: key, Value: value})
	}
	w.buf = grown
}

func (w *headers) text(key, value string) { w.add(key, appendClean(w.buf, value)) }

// constant is text for what needs no cleaning.
func (w *headers) constant(key, value string) { w.add(key, append(w.buf, value...)) }

func (w *headers) flag(key string, set bool) {
	if set {
		w.constant(key, "true")
	}
}

// source adds ce_source, a URI reference (RFC 3986): /provider/source.
func (w *headers) source(e *Event) {
	b := appendSegment(append(w.buf, '/'), e.Provider)
	w.add("ce_source", appendSegment(append(b, '/'), e.Source))
}

// eventType adds ce_type, the same whatever the topics are called.
func (w *headers) eventType(r Route) {
	b := append(w.buf, "email."...)
	if r.Direction == Inbound {
		b = append(b, "inbound."...)
	}
	w.add("ce_type", append(append(b, r.Type...), ".v1"...))
}

func (w *headers) bounce(e *Event) {
	if e.Type != Bounced || e.Bounce == nil {
		return
	}
	w.text("bounce-class", string(e.Bounce.Class))
	if e.Bounce.WillRetry != nil {
		w.text("bounce-will-retry", strconv.FormatBool(*e.Bounce.WillRetry))
	}
}

// appendClean appends at most maxHeader bytes of s, whole characters, without
// the characters that CloudEvents forbids in a string.
func appendClean(dst []byte, s string) []byte {
	if len(s) <= maxHeader && isPlain(s) && strings.IndexByte(s, 0x7F) < 0 {
		return append(dst, s...)
	}
	limit := len(dst) + maxHeader
	for _, r := range s { // a byte that is not UTF-8 comes as U+FFFD
		if forbidden(r) {
			continue
		}
		if len(dst)+utf8.RuneLen(r) > limit {
			break
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// forbidden reports the control characters and the noncharacters.
func forbidden(r rune) bool {
	return r < 0x20 || (r >= 0x7F && r <= 0x9F) || (r >= 0xFDD0 && r <= 0xFDEF) || r&0xFFFE == 0xFFFE
}

// appendSegment appends s as a segment of a path: every byte that is not
// unreserved (RFC 3986 section 2.3) is percent-encoded.
func appendSegment(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range min(len(s), maxHeader/8) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// HeaderValue returns the value of the first header of a name; false if there is none.
func HeaderValue(list []Header, key string) (string, bool) {
	for i := range list {
		if list[i].Key == key {
			return string(list[i].Value), true
		}
	}
	return "", false
}

// HeaderText returns the value of the first header of a name; "" if there is none.
func HeaderText(list []Header, key string) string {
	value, _ := HeaderValue(list, key)
	return value
}
