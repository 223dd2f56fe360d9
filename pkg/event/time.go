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
	unit := 1_000_000_000
	for range digits {
		unit /= 10
	}
	nanos := t.Nanosecond()
	return Time{t: time.Unix(t.Unix(), int64(nanos-nanos%unit)).UTC(), digits: uint8(digits)}
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

// Moments in Unix seconds, of which a year is told without taking a time apart.
const (
	year0     = -62_167_219_200
	year2000  = 946_684_800
	year2101  = 4_133_980_800
	year10000 = 253_402_300_800
)

// between reports whether the instant lies in from or later, and before to.
func (t Time) between(from, to int64) bool {
	second := t.t.Unix()
	return from <= second && second < to
}

// Plausible reports whether the instant lies in the years 2000 to 2100. A
// provider's time outside of them is a unit error or a placeholder and is kept
// in Metadata instead.
func (t Time) Plausible() bool { return t.between(year2000, year2101) }

// Append appends the RFC 3339 form in UTC to dst.
func (t Time) Append(dst []byte) []byte {
	if !t.between(year0, year10000) { // Validate refuses it
		return t.t.AppendFormat(dst, time.RFC3339Nano)
	}
	const perDay = 24 * 60 * 60
	since := uint64(t.t.Unix() - year0) //nolint:gosec // between has seen to that
	year, month, day := civil(since / perDay)
	second := since % perDay
	dst = append(dst, "0000-00-00T00:00:00"...)
	text := dst[len(dst)-19:]
	put2(text, year/100)
	put2(text[2:], year%100)
	put2(text[5:], month)
	put2(text[8:], day)
	put2(text[11:], second/3600)
	put2(text[14:], second/60%60)
	put2(text[17:], second%60)
	if t.digits > 0 {
		dst = appendFraction(append(dst, '.'), t.t.Nanosecond(), t.digits)
	}
	return append(dst, 'Z')
}

// civil is the date so many days after 1 January of the year 0, in the Gregorian
// calendar: package time finds it twice as slowly, since it knows zones and years
// before that one. A record holds three times. Years are counted from March, so that
// the leap day is the last of one, and in cycles of 400 years.
func civil(days uint64) (year, month, day uint64) {
	const perCycle, perCentury, perFour = 146_097, 36_524, 1_461
	days += perCycle - 60 // from 1 March of the year -400
	cycle, days := days/perCycle, days%perCycle
	year = (days - days/(perFour-1) + days/perCentury - days/(perCycle-1)) / 365
	days -= 365*year + year/4 - year/100
	fifth := (5*days + 2) / 153 // months since March: 153 days are five of them
	day, month = days-(153*fifth+2)/5+1, fifth+3
	if month > 12 {
		month -= 12
		year++
	}
	return 400*(cycle-1) + year, month, day
}

// put2 writes n, 0 to 99, with two digits.
func put2(dst []byte, n uint64) {
	const digits = "0123456789"
	dst[0], dst[1] = digits[n/10], digits[n%10]
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
