package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Decode reads one event from its JSON form, the value of a Kafka record.
// Fields it does not know are ignored, as the compatibility rule asks; whether
// the event keeps the rules is Validate's question.
func Decode(b []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		return Event{}, fmt.Errorf("event: decode %d bytes of JSON: %w", len(b), err)
	}
	return e, nil
}

// MarshalJSON implements json.Marshaler by AppendJSON.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the event's JSON form (RFC 8259) to dst: fields in the
// order of the struct, metadata in the order of its keys, empty fields left
// out, bytes that are not UTF-8 replaced by U+FFFD, nothing escaped for HTML.
// Raw is written without insignificant white space; a Raw that is not JSON is
// written as a string that holds its text. It allocates only when dst is full
// or Metadata has more than 32 keys.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = e.appendIdentity(dst)
	dst = e.appendMessage(dst)
	dst = appendStrings(dst, `,"tags":[`, e.Tags)
	dst = appendMap(dst, `,"metadata":{`, e.Metadata)
	dst = e.appendDetails(dst)
	dst = appendField(dst, `,"reason":`, e.Reason)
	if e.Test {
		dst = append(dst, `,"test":true`...)
	}
	dst = appendField(dst, `,"raw_id":`, e.RawID)
	if len(e.Raw) > 0 {
		dst = appendRaw(append(dst, `,"raw":`...), e.Raw)
	}
	return append(dst, '}')
}

// appendIdentity appends the opening brace and the fields up to received_at.
// The required ones are written even when empty, so that a comma always fits.
func (e *Event) appendIdentity(dst []byte) []byte {
	dst = AppendString(append(dst, `{"schema":`...), e.Schema)
	dst = AppendString(append(dst, `,"id":`...), e.ID)
	dst = AppendString(append(dst, `,"type":`...), string(e.Type))
	dst = AppendString(append(dst, `,"family":`...), string(e.Family))
	dst = AppendString(append(dst, `,"direction":`...), string(e.Direction))
	dst = AppendString(append(dst, `,"provider":`...), e.Provider)
	dst = AppendString(append(dst, `,"source":`...), e.Source)
	dst = AppendString(append(dst, `,"provider_type":`...), e.ProviderType)
	dst = appendField(dst, `,"provider_subtype":`, e.ProviderSubtype)
	dst = appendField(dst, `,"provider_event_id":`, e.ProviderEventID)
	if !e.OccurredAt.IsZero() {
		dst = appendTime(append(dst, `,"occurred_at":`...), e.OccurredAt)
	}
	return appendTime(append(dst, `,"received_at":`...), e.ReceivedAt)
}

// appendMessage appends what names the message and its people.
func (e *Event) appendMessage(dst []byte) []byte {
	dst = appendField(dst, `,"message_id":`, e.MessageID)
	dst = appendField(dst, `,"smtp_message_id":`, e.SMTPMessageID)
	dst = appendField(dst, `,"batch_id":`, e.BatchID)
	dst = appendField(dst, `,"customer_ref":`, e.CustomerRef)
	dst = appendField(dst, `,"recipient":`, e.Recipient)
	dst = appendField(dst, `,"recipient_hash":`, e.RecipientHash)
	dst = appendStrings(dst, `,"recipients":[`, e.Recipients)
	dst = appendField(dst, `,"sender":`, e.Sender)
	return appendField(dst, `,"subject":`, e.Subject)
}

// appendDetails appends the objects that only some types have.
func (e *Event) appendDetails(dst []byte) []byte {
	if e.SMTP != nil {
		dst = e.SMTP.appendJSON(append(dst, `,"smtp":`...))
	}
	if e.Bounce != nil {
		dst = e.Bounce.appendJSON(append(dst, `,"bounce":`...))
	}
	if e.Drop != nil {
		dst = e.Drop.appendJSON(append(dst, `,"drop":`...))
	}
	if e.Complaint != nil {
		start := len(dst) + len(`,"complaint":`)
		dst = closeObject(appendField(append(dst, `,"complaint":`...), `,"type":`, e.Complaint.Type), start)
	}
	if e.Engagement != nil {
		dst = e.Engagement.appendJSON(append(dst, `,"engagement":`...))
	}
	return dst
}

func (s *SMTP) appendJSON(dst []byte) []byte {
	start := len(dst)
	dst = appendInt(dst, `,"code":`, s.Code)
	dst = appendField(dst, `,"enhanced":`, s.Enhanced)
	dst = appendField(dst, `,"response":`, s.Response)
	dst = appendField(dst, `,"mx":`, s.MX)
	dst = appendField(dst, `,"remote":`, s.Remote)
	dst = appendInt(dst, `,"attempt":`, s.Attempt)
	return closeObject(dst, start)
}

func (b *Bounce) appendJSON(dst []byte) []byte {
	dst = AppendString(append(dst, `{"class":`...), string(b.Class))
	dst = appendField(dst, `,"category":`, string(b.Category))
	dst = appendField(dst, `,"code_assumed":`, b.CodeAssumed)
	dst = appendBool(dst, `,"will_retry":`, b.WillRetry)
	return append(dst, '}')
}

func (d *Drop) appendJSON(dst []byte) []byte {
	dst = AppendString(append(dst, `{"reason":`...), string(d.Reason))
	dst = appendField(dst, `,"detail":`, d.Detail)
	return append(dst, '}')
}

func (g *Engagement) appendJSON(dst []byte) []byte {
	start := len(dst)
	dst = appendField(dst, `,"url":`, g.URL)
	dst = appendField(dst, `,"ip":`, g.IP)
	dst = appendField(dst, `,"user_agent":`, g.UserAgent)
	dst = appendBool(dst, `,"bot":`, g.Bot)
	dst = appendBool(dst, `,"first":`, g.First)
	dst = appendField(dst, `,"country":`, g.Country)
	dst = appendField(dst, `,"client":`, g.Client)
	return closeObject(dst, start)
}

// closeObject turns the fields appended since start, each with a comma before
// it, into an object: the first comma becomes the opening brace.
func closeObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, "{}"...)
	}
	dst[start] = '{'
	return append(dst, '}')
}

// appendField appends name (with its comma, quotes and colon) and s; nothing if s is empty.
func appendField(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return AppendString(append(dst, name...), s)
}

func appendInt(dst []byte, name string, n int) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), int64(n), 10)
}

func appendBool(dst []byte, name string, b *bool) []byte {
	if b == nil {
		return dst
	}
	return strconv.AppendBool(append(dst, name...), *b)
}

// appendTime appends t in quotes, "" for the absent time.
func appendTime(dst []byte, t Time) []byte {
	dst = append(dst, '"')
	if !t.IsZero() {
		dst = t.Append(dst)
	}
	return append(dst, '"')
}

func appendStrings(dst []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, name...)
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, s)
	}
	return append(dst, ']')
}

func appendMap(dst []byte, name string, m map[string]string) []byte {
	if len(m) == 0 {
		return dst
	}
	dst = append(dst, name...)
	if len(m) <= fewMembers {
		return appendFew(dst, m)
	}
	var usual [32]string // enough for every provider's fields; keeps the keys off the heap
	keys := usual[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		dst = appendMember(dst, i, k, m[k])
	}
	return append(dst, '}')
}

// fewMembers is up to where names are put in order as they come, values beside them:
// looking each value up again would cost more.
const fewMembers = 8

func appendFew(dst []byte, m map[string]string) []byte {
	var members [fewMembers]struct{ name, value string }
	count := 0
	for name, value := range m {
		i := count
		for ; i > 0 && members[i-1].name > name; i-- {
			members[i] = members[i-1]
		}
		members[i].name, members[i].value = name, value
		count++
	}
	for i := range members[:count] {
		dst = appendMember(dst, i, members[i].name, members[i].value)
	}
	return append(dst, '}')
}

// appendMember appends one member of an object; a comma stands before all but the first.
func appendMember(dst []byte, index int, name, value string) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	return AppendString(append(AppendString(dst, name), ':'), value)
}

// AppendString appends s to dst as a JSON string, quotes included, by the rules
// of Event.AppendJSON. Most strings need no change, which is found out eight bytes
// at a time: they are copied at once, the others by runs.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if isPlain(s) {
		dst = append(dst, s...)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

// isPlain reports whether s is ASCII without control characters, quotes and
// backslashes. The last word overlaps the one before it: a byte may be looked at
// twice, and none by itself.
func isPlain(s string) bool {
	if len(s) < 8 {
		return isPlainWord(shortWord(s))
	}
	last := len(s) - 8
	for i := 0; i < last; i += 8 {
		if !isPlainWord(word(s[i:])) {
			return false
		}
	}
	return isPlainWord(word(s[last:]))
}

// isPlainWord is isPlain of eight bytes. A word that looks suspicious because of a
// neighbour's borrow only costs time.
func isPlainWord(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	control, quote, backslash := w-ones*' ', (w^ones*'"')-ones, (w^ones*'\\')-ones
	return (w|control|quote|backslash)&tops == 0
}

// word is the first eight bytes of s, which the compiler reads at once.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// shortWord is a word that has all bytes of s, of which there are less than eight,
// some perhaps twice, and else spaces.
func shortWord(s string) uint64 {
	const blank = 0x2020202020202020
	switch n := len(s); {
	case n >= 4:
		return uint64(halfWord(s)) | uint64(halfWord(s[n-4:]))<<32
	case n > 0:
		return blank&^0xFFFFFF | uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return blank
}

func halfWord(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// appendEscaped appends s without quotes, runs of plain bytes at once.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				dst = appendEscape(append(dst, s[from:i]...), c)
				from = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			from = i + 1
		}
		i += size
	}
	return append(dst, s[from:]...)
}

// appendEscape appends the escape of a byte that may not stand in a string.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendRaw appends raw without white space between its tokens if it is JSON,
// else as a string.
func appendRaw(dst, raw []byte) []byte {
	if !json.Valid(raw) {
		return AppendString(dst, string(raw))
	}
	quoted := false
	for i := 0; i < len(raw); {
		r, size := rune(raw[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(raw[i:])
		}
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, "\uFFFD"...)
		case quoted && r == '\\': // an escape is never the last byte of valid JSON
			dst = append(dst, raw[i], raw[i+1])
			size = 2
		case !quoted && isSpace(raw[i]):
		default:
			quoted = quoted != (r == '"')
			dst = append(dst, raw[i:i+size]...)
		}
		i += size
	}
	return dst
}

// isSpace reports JSON white space.
func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
