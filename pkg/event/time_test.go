package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
)

func TestParseTimeKeepsTheDigitsSent(t *testing.T) {
	tests := map[string]string{
		"2025-11-28T06:29:57Z":                 "2025-11-28T06:29:57Z",
		"2025-11-28T06:36:18.8261187+00:00":    "2025-11-28T06:36:18.8261187Z",
		"2025-11-28T07:29:57.100+01:00":        "2025-11-28T06:29:57.100Z",
		"2025-11-28T06:29:57.1234567899-00:30": "2025-11-28T06:59:57.123456789Z",
		"0000-01-01T00:00:00Z":                 "0000-01-01T00:00:00Z",
		"2025-11-28 06:29:57":                  "",
		"canary@example.com":                   "",
		"":                                     "",
	}
	for in, want := range tests {
		got, err := event.ParseTime(in)
		if (err == nil) != (want != "") || got.String() != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows the text: %v", err)
		}
	}
}

func TestTimeIsWrittenAsTheStandardLibraryDoes(t *testing.T) {
	// The years 0 to 9999: those that RFC 3339 can say.
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nano"))
		digits := rapid.IntRange(-1, 11).Draw(t, "digits")
		got := event.NewTime(at, digits)
		layout := "2006-01-02T15:04:05"
		if digits > 0 {
			layout += "." + strings.Repeat("0", min(digits, 9))
		}
		if want := at.UTC().Format(layout) + "Z"; got.String() != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if back, err := event.ParseTime(got.String()); err != nil || (back != got && !got.IsZero()) {
			t.Fatalf("%s: reads back as %s, %v", got, back, err)
		}
	})
}

// The first and the last second of every month that RFC 3339 can say.
func TestEveryMonthIsWrittenAsTheStandardLibraryDoes(t *testing.T) {
	for month := range 12 * 10_000 {
		first := time.Date(0, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC)
		last := time.Date(0, time.Month(2+month), 1, 0, 0, -1, 0, time.UTC)
		for _, at := range []time.Time{first, last} {
			if got, want := string(event.NewTime(at, 0).Append(nil)), at.Format(time.RFC3339); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
}

func TestPlausibleFromItsFirstToItsLastSecond(t *testing.T) {
	first, after := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]bool{
		first: true, first.Add(-1): false, after.Add(-1): true, after: false,
	} {
		if got := event.NewTime(at, 9).Plausible(); got != want {
			t.Errorf("%s: got %v, want %v", at, got, want)
		}
	}
}

func TestTimeAsText(t *testing.T) {
	var box struct {
		A event.Time `json:"a,omitzero"`
		B event.Time `json:"b"`
	}
	if err := json.Unmarshal([]byte(`{"a":"","b":"2025-11-28T07:29:57.50+01:00"}`), &box); err != nil {
		t.Fatal(err)
	}
	if !box.A.IsZero() || !box.B.Plausible() || box.A.Plausible() {
		t.Errorf("got %v and %v", box.A, box.B)
	}
	if b, err := json.Marshal(box); err != nil || string(b) != `{"b":"2025-11-28T06:29:57.50Z"}` {
		t.Errorf("got %s, %v", b, err)
	}
	if got := event.NewTime(box.B.Time(), 0).Time(); !got.Equal(time.Date(2025, 11, 28, 6, 29, 57, 0, time.UTC)) {
		t.Errorf("cut to seconds: got %v", got)
	}
}
