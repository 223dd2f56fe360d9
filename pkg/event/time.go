package event

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxDigits is the finest fraction of a second an event carries: nanoseconds.
const maxDigits = 9

// Time is an instant in UTC that remembers how many digits of a second's
// fraction it was sent with, so that "06:36:18.8261187" and "06:29:57" are
// published with the digits the provider wrote. The zero Time is "absent".
// Times are comparable with == when made from the same digits.
type Time struct {
	t      time.Time
	digits uint8
}

// NewTime returns t in UTC, shown with digits (0 to 9) fraction digits; what
// lies beyond them is cut off.
func NewTime(t time.Time, digits int) Time {
	digits = min(max(digits, 0), maxDigits)
	unit := time.Second
	for range digits {
		unit /= 10
	}
	return Time{t: t.UTC().Truncate(unit), digits: uint8(digits)}
}

// errTime is wrapped by ParseTime's error, which does not show the text: it may
// be anything that stood in the place of a time.
var errTime = errors.New("event: not an RFC 3339 time with a zone")

// ParseTime reads an RFC 3339 time with any zone and any number of fraction
// digits. Digits beyond the ninth are cut off; the zone becomes UTC.
func ParseTime(s string) (Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Time{}, fmt.Errorf("%w (%d bytes)", errTime, len(s))
	}
	return NewTime(t, fractionDigits(s)), nil
}

// fractionDigits counts the digits after the first '.' or ',' of s.
func fractionDigits(s string) int {
	n, counting := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' || c == ',':
			counting = true
		case counting && (c < '0' || c > '9'):
			return n
		case counting:
			n++
		}
	}
	return n
}

// Time returns the instant; the zero time.Time if absent.
func (t Time) Time() time.Time { return t.t }

// IsZero reports whether the time is absent.
func (t Time) IsZero() bool { return t.t.IsZero() }

// Plausible reports whether the instant lies in the years 2000 to 2100. A
// provider's time outside of them is a unit error or a placeholder and is kept
// in Metadata instead.
func (t Time) Plausible() bool {
	return t.t.Year() >= 2000 && t.t.Year() <= 2100
}

// Append appends the RFC 3339 form in UTC to dst.
func (t Time) Append(dst []byte) []byte {
	year, month, day := t.t.Date()
	hour, minute, second := t.t.Clock()
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), int(month), 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), hour, 2)
	dst = appendPadded(append(dst, ':'), minute, 2)
	dst = appendPadded(append(dst, ':'), second, 2)
	if t.digits > 0 {
		dst = appendPadded(append(dst, '.'), t.t.Nanosecond(), maxDigits)
		dst = dst[:len(dst)-maxDigits+int(t.digits)]
	}
	return append(dst, 'Z')
}

// appendPadded appends n with at least width digits.
func appendPadded(dst []byte, n, width int) []byte {
	limit := 1
	for range width {
		limit *= 10
	}
	if n < 0 || n >= limit {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	for limit /= 10; limit > 0; limit /= 10 {
		dst = append(dst, byte('0'+n/limit%10))
	}
	return dst
}

// String returns the RFC 3339 form in UTC, "" if absent.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return string(t.Append(nil))
}

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; "" is the absent time.
func (t *Time) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*t = Time{}
		return nil
	}
	got, err := ParseTime(string(b))
	if err != nil {
		return err
	}
	*t = got
	return nil
}
