package normalize

import (
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// listsRecipients reports whether providers keep under this name of metadata whom
// else a message went to: an event that is about one of its recipients may still name
// all of them. A qualified name ("mail.headers") counts by its last part.
func listsRecipients(name string) bool {
	name = name[strings.LastIndexByte(name, '.')+1:]
	if len(name) > len("complained_recipients") {
		return false
	}
	switch jsondoc.Fold(name) {
	case "to", "cc", "bcc", "tofull", "ccfull", "bccfull", "destination", "recipients", "targets",
		"rcptto", "rawrcptto", "originalrecipient", "receivedfor",
		"bouncedrecipients", "complainedrecipients", "delayedrecipients",
		"headers", "messageheaders", "commonheaders":
		return true
	}
	return false
}

// everybody replaces every address in a text that lists recipients, but for the
// sender's. Where it is not certain which part of the text is an address, the text goes
// as a whole.
func (h *hider) everybody(s string) string {
	if strings.Contains(s, percentAt) || strings.Contains(s, jsonAt) {
		return noHash
	}
	var b strings.Builder
	from := 0
	for from < len(s) {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			break
		}
		begin, end := around(s, from, from+at)
		if begin == from+at || end == from+at+1 {
			return noHash
		}
		b.WriteString(s[from:begin])
		b.WriteString(h.stranger(s[begin:end]))
		from = end
	}
	return b.String() + s[from:]
}

// stranger is what stands for an address that may be anybody's.
func (h *hider) stranger(address string) string {
	if h.sender != "" && strings.EqualFold(event.NormalizeAddress(address), h.sender) {
		return address
	}
	return h.mask(address)
}

// around returns where the address around an @ begins, not before from, and ends. An
// escape of JSON text before it, such as that of a line's end, is no part of it.
func around(s string, from, at int) (begin, end int) {
	for begin = at; begin > from && !delimits(s[begin-1]); begin-- {
	}
	if begin > from && s[begin-1] == '\\' {
		begin = min(at, begin+1)
	}
	for end = at + 1; end < len(s) && inDomain(s[end]); end++ {
	}
	for end > at+1 && s[end-1] == '.' {
		end--
	}
	return begin, end
}

// delimits reports whether a byte ends an unquoted address to its left.
func delimits(c byte) bool {
	return c <= ' ' || c == 0x7f || strings.IndexByte(`<>()[]{},;:"\@`, c) >= 0
}

// inDomain reports whether a byte may be of a domain, also of one that is not ASCII.
func inDomain(c byte) bool {
	return c == '-' || c == '.' || c >= utf8.RuneSelf ||
		'0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
