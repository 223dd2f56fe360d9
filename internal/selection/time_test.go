package selection_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/selection"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)
	zone := time.FixedZone("", 3600)
	for text, want := range map[string]time.Time{
		"now":                       now,
		"-2h":                       now.Add(-2 * time.Hour),
		"-90m30s":                   now.Add(-90*time.Minute - 30*time.Second),
		"-7d":                       now.Add(-7 * 24 * time.Hour),
		"-1d12h":                    now.Add(-36 * time.Hour),
		"2026-11-21":                time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC),
		"2026-11-21T09:30":          time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC),
		"2026-11-21 09:30":          time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC),
		"2026-11-21T09:30:15":       time.Date(2026, 11, 21, 8, 30, 15, 0, time.UTC),
		"2026-11-21T09:30:15.123Z":  time.Date(2026, 11, 21, 9, 30, 15, 123e6, time.UTC),
		"2026-11-21T09:30:15+02:00": time.Date(2026, 11, 21, 7, 30, 15, 0, time.UTC),
	} {
		got, err := selection.ParseTime(text, now, zone)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %s %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", "2h", "+2h", "-d", "--2h", "-+2h", "-1d-2h", "-d2h", "-99999999d", "-9999999999999h", "-1d9999999h", "21.11.2026", "2026-11-31", "yesterday",
	} {
		got, err := selection.ParseTime(text, now, zone)
		want := `"` + text + `" is no time: write now, -2h, -7d, 2026-11-21, 2026-11-21T09:30 or 2026-11-21T09:30:00Z`
		if err == nil || err.Error() != want {
			t.Errorf("%q: %s %v", text, got, err)
		}
	}
}

// TestParseTimeReadsWhatIsWritten holds RFC 3339 to what it came from, and what is
// said to be ago to the past.
func TestParseTimeReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), 0)
		want := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), rapid.Int64Range(0, 999999999).Draw(t, "nanos"))
		if got, err := selection.ParseTime(want.UTC().Format(time.RFC3339Nano), now, time.UTC); err != nil || !got.Equal(want) {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
		if got, err := selection.ParseTime("-"+rapid.String().Draw(t, "ago"), now, time.UTC); err == nil && got.After(now) {
			t.Fatalf("%s lies after now (%s)", got, now)
		}
	})
}
