package provider

import (
	"strconv"
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
func TakeTime(o jsondoc.Object, name string) (t event.Time) {
	o.TextIf(name, func(text string) bool {
		got, ok := parseTime(text)
		if ok {
			t = got
		}
		return ok
	})
	return t
}

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
	if !digits(whole, maxUnixDigits) || dotted && !digits(fraction, 9) {
		return event.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return event.Time{}, false
	}
	nanos := 0
	for i := range 9 {
		nanos *= 10
		if i < len(fraction) {
			nanos += int(fraction[i] - '0')
		}
	}
	return event.NewTime(time.Unix(seconds, int64(nanos)), len(fraction)), true
}

// digits reports whether s is 1 to limit decimal digits.
func digits(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
