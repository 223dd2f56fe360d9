package event

import (
	"errors"
	"fmt"
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
	if year < 0 || year > 9999 { // Validate refuses it
		return t.t.AppendFormat(dst, time.RFC3339Nano)
	}
	dst = append2(append2(dst, year/100), year%100)
	dst = append2(append(dst, '-'), int(month))
	dst = append2(append(dst, '-'), day)
	dst = append2(append(dst, 'T'), hour)
	dst = append2(append(dst, ':'), minute)
	dst = append2(append(dst, ':'), second)
	if t.digits > 0 {
		dst = appendFraction(append(dst, '.'), t.t.Nanosecond(), t.digits)
	}
	return append(dst, 'Z')
}

// append2 appends n, 0 to 99, with two digits.
func append2(dst []byte, n int) []byte {
	const digits = "0123456789"
	return append(dst, digits[n/10], digits[n%10])
}

// appendFraction appends the first digits of a second's fraction.
func appendFraction(dst []byte, nanos int, digits uint8) []byte {
	var all [maxDigits]byte
	for i := maxDigits - 1; i >= 0; i-- {
		all[i] = byte('0' + nanos%10)
		nanos /= 10
	}
	return append(dst, all[:digits]...)
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
