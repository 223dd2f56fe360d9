package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"2s": 2 * time.Second, "1500ms": 1500 * time.Millisecond, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour,
		"0s": 0, "0d": 0, "1h30m": 90 * time.Minute, "-1s": -time.Second, "0d5m": 5 * time.Minute,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "5.5", "+5", "5 s", "d", "1d2d", "-1d", "1d-1h", "1d+1h", "1d25h", "106752d", "9999999d", "2 weeks", "1w"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "10485760": 10 << 20, "10MiB": 10 << 20, "64 MB": 64e6, "1kb": 1000, "1KIB": 1024, "7B": 7, "8388607TiB": 8388607 << 40,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "10M", "MiB", "10  MiB", "1e6", "9223372036854775808", "8388608TiB", "10MiB ", "1_000"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestScalarsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "duration"))
		if d < 0 || d > 100000*day {
			d = (d%(100000*day) + 100000*day) % (100000 * day)
		}
		if got, err := ParseDuration(formatDuration(d)); err != nil || got != d {
			t.Fatalf("%v is written %q and read as %v, %v", d, formatDuration(d), got, err)
		}
		n := rapid.Int64Min(0).Draw(t, "size") << rapid.IntRange(0, 30).Draw(t, "shift")
		if n < 0 {
			n = -(n + 1)
		}
		if got, err := parseSize(formatSize(n)); err != nil || got != n {
			t.Fatalf("%d is written %q and read as %d, %v", n, formatSize(n), got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "public_url", "SCRAM-SHA-512", "id"}
	for word, want := range map[string]string{
		"lisen": "listen", "listne": "listen", "Listen": "listen", "public-url": "public_url", "scram-sha512": "SCRAM-SHA-512",
		"di": "id", "port": "", "": "", "completely_different": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
