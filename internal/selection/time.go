package selection

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeForms are the forms of a time without a zone, which is that of the caller.
func timeForms() []string {
	return []string{
		"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	}
}

// ParseTime reads a time as people write it: "now"; so long ago ("-2h", "-90m",
// "-7d", "-1d12h", a day being 24 hours); RFC 3339 with a zone; or, in the zone loc,
// a date (its first moment), or a date and a time of day with or without seconds.
// What it returns is in UTC.
func ParseTime(text string, now time.Time, loc *time.Location) (time.Time, error) {
	if text == "now" {
		return now.UTC(), nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := parseAge(ago)
		if err != nil {
			return time.Time{}, timeError(text)
		}
		return now.Add(-d).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	for _, form := range timeForms() {
		if t, err := time.ParseInLocation(form, text, loc); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, timeError(text)
}

func timeError(text string) error {
	return fmt.Errorf("%q is no time: write now, -2h, -7d, 2026-11-21, 2026-11-21T09:30 or 2026-11-21T09:30:00Z", text)
}

// maxDays keeps days within what a Duration holds.
const maxDays = 100 * 365

// parseAge reads a duration that may begin with days: 7d, 1d12h, 90m.
func parseAge(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		days, rest = "0", text
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > maxDays {
		return 0, fmt.Errorf("%q days", days)
	}
	age := time.Duration(n) * 24 * time.Hour
	if ok && rest == "" {
		return age, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.HasPrefix(rest, "+") {
		return 0, fmt.Errorf("%q is no duration", rest)
	}
	return age + d, nil
}
