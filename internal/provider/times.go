package provider

import (
	"strconv"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// ReadTime reads a time in one of the formats: "unix" (seconds with up to nine
// fraction digits), "millis" (milliseconds since 1970), "rfc3339", or a layout of
// package time, in UTC where it has no zone. No format stands for unix and rfc3339.
// False if it is none of them, or none that can be an event's.
func ReadTime(text string, formats ...string) (event.Time, bool) {
	if len(formats) == 0 {
		return parseTime(text)
	}
	for _, format := range formats {
		if t, ok := readTimeAs(text, format); ok && t.Plausible() {
			return t, true
		}
	}
	return event.Time{}, false
}

func readTimeAs(text, format string) (event.Time, bool) {
	switch format {
	case "unix":
		return unixTime(text)
	case "millis":
		ms, err := strconv.ParseInt(text, 10, 64)
		return event.NewTime(time.UnixMilli(ms), 3), err == nil
	case "rfc3339":
		t, err := event.ParseTime(text)
		return t, err == nil
	}
	at, err := time.Parse(format, text)
	return event.NewTime(at, fractionDigits(text)), err == nil
}
