package provider

import (
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/pkg/event"
)

// Address returns an address as sent without its display name: what stands
// between the angle brackets at the end of s, else s. "<>", the null sender,
// stays. Nothing is validated or lower-cased.
func Address(s string) string {
	if !strings.HasSuffix(s, ">") {
		return s
	}
	open := openingBracket(s)
	if inside := s[open+1 : len(s)-1]; open >= 0 && inside != "" {
		return inside
	}
	return s
}

// openingBracket returns the index of the first '<' outside of quotes, else of
// the last one; -1 if there is none.
func openingBracket(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '<':
			if !quoted {
				return i
			}
		}
	}
	return strings.LastIndexByte(s, '<')
}

// TakeTime takes the member called name if it holds a time that can be an
// event's: unix seconds (a number or a string of one, with up to nine fraction
// digits) or RFC 3339, in the years 2000 to 2100. What is none stays for the
// metadata; the zero Time is returned.
func TakeTime(o jsondoc.Object, name string) event.Time { return TakeTimeAs(o, name) }

func parseTime(text string) (event.Time, bool) {
	t, ok := unixTime(text)
	if !ok {
		var err error
		if t, err = event.ParseTime(text); err != nil {
			return event.Time{}, false
		}
	}
	return t, t.Plausible()
}

// maxUnixDigits keeps seconds far within int64.
const maxUnixDigits = 12

// unixTime reads seconds by their text: a float would lose digits.
func unixTime(text string) (event.Time, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	seconds, ok := decimal(whole, maxUnixDigits)
	if !ok {
		return event.Time{}, false
	}
	if !dotted {
		return event.NewTime(time.Unix(seconds, 0), 0), true
	}
	nanos, ok := decimal(fraction, 9)
	if !ok {
		return event.Time{}, false
	}
	for range 9 - len(fraction) {
		nanos *= 10
	}
	return event.NewTime(time.Unix(seconds, nanos), len(fraction)), true
}

// decimal reads a number of 1 to limit decimal digits, at most 18.
func decimal(s string, limit int) (n int64, ok bool) {
	if s == "" || len(s) > limit {
		return 0, false
	}
	for i := range len(s) {
		digit := s[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = 10*n + int64(digit)
	}
	return n, true
}

// TakeMillis takes the member called name if it holds milliseconds since 1970, as a
// number or a string of one, that can be an event's time.
func TakeMillis(o jsondoc.Object, name string) event.Time { return TakeTimeAs(o, name, "millis") }

// TakeTimeAs takes the member called name if it is a time in one of the layouts of
// package time, in UTC where a layout has no zone, that can be an event's. Fraction
// digits stay as sent.
func TakeTimeAs(o jsondoc.Object, name string, layouts ...string) (t event.Time) {
	o.TextIf(name, func(text string) bool {
		got, ok := ReadTime(text, layouts...)
		if ok {
			t = got
		}
		return ok
	})
	return t
}

// fractionDigits counts the digits after the last '.' of a time's text.
func fractionDigits(text string) int {
	_, fraction, _ := strings.Cut(text, ".")
	n := 0
	for n < len(fraction) && fraction[n] >= '0' && fraction[n] <= '9' {
		n++
	}
	return n
}

// SMTPMessageID returns an RFC 5322 Message-ID without its angle brackets.
func SMTPMessageID(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
}

// TakeTags takes the sender's labels: an array of strings, or one string. What is
// empty is no label; nil if there is none.
func TakeTags(o jsondoc.Object, name string) []string {
	tags := slices.DeleteFunc(o.Strings(name), func(s string) bool { return s == "" })
	if len(tags) > 0 {
		return tags
	}
	if tag := o.String(name); tag != "" {
		return []string{tag}
	}
	return nil
}
