package ingest

import (
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/webhook"
)

// Headers by which a trace goes on from a request to its records
// (https://www.w3.org/TR/trace-context/).
const (
	headerTraceparent = "traceparent"
	headerTracestate  = "tracestate"
)

// Bounds of a trace context, in bytes.
const (
	maxTraceparent  = 128 // of versions to come; that of version 00 has 55
	maxTracestate   = 512
	maxTraceMembers = 32
	maxTraceText    = 256 // of a member's key, and of its value
)

// traceContext is the trace context that a request came with, say from a gateway, as
// headers of its records; nil for none. It is handed on as it is: no part of the way is
// a span of ours. What is malformed, or repeats a credential, is left out; a tracestate
// is nothing without its traceparent.
func traceContext(v webhook.Verified) []broker.Header {
	h := v.Request().Header
	parent := h["Traceparent"]
	if len(parent) != 1 || !isTraceparent(parent[0]) || v.Redacts(parent[0]) {
		return nil
	}
	list := []broker.Header{{Key: headerTraceparent, Value: []byte(parent[0])}}
	if state := strings.Join(h["Tracestate"], ","); isTracestate(state) && !v.Redacts(state) {
		list = append(list, broker.Header{Key: headerTracestate, Value: []byte(state)})
	}
	return list
}

// isTraceparent reports whether a text is version-trace-parent-flags in lower-case hex,
// of 2, 32, 16 and 2 digits. Later versions than 00 may go on behind them.
func isTraceparent(s string) bool {
	parts := strings.SplitN(s, "-", 5)
	if len(s) > maxTraceparent || len(parts) < 4 {
		return false
	}
	for i, digits := range [...]int{2, 32, 16, 2} {
		if len(parts[i]) != digits || !isHex(parts[i]) {
			return false
		}
	}
	version, zero := parts[0], strings.Repeat("0", 32)
	if len(parts) > 4 && (version == "00" || !isTraceValue(parts[4])) {
		return false
	}
	return version != "ff" && parts[1] != zero && parts[2] != zero[:16]
}

// isHex reports whether a text is of lower-case hex digits.
func isHex(s string) bool { return strings.TrimLeft(s, "0123456789abcdef") == "" }

// isTracestate reports whether a text is a list of key=value, at least one, with no key
// twice.
func isTracestate(s string) bool {
	if len(s) > maxTracestate {
		return false
	}
	keys := make(map[string]bool, 4)
	for member := range strings.SplitSeq(s, ",") {
		if member == "" {
			continue // allowed; of blanks it would be, too, but OpenTelemetry cannot read that
		}
		key, value, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		if keys[key] || len(keys) == maxTraceMembers || !isTraceKey(key) || !isTraceValue(value) {
			return false
		}
		keys[key] = true
	}
	return len(keys) > 0
}

// isTraceKey reports whether a text is a key of tracestate.
func isTraceKey(s string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && len(s) <= maxTraceText && strings.IndexByte(first, s[0]) >= 0 && strings.TrimLeft(s, first+"_-*/@") == ""
}

// isTraceValue reports whether a text is a value of tracestate: printable ASCII but
// comma and equals sign.
func isTraceValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ',' || s[i] == '=' {
			return false
		}
	}
	return s != "" && len(s) <= maxTraceText
}
