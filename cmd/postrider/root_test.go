package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// newTestRoot is the command tree of a process with no environment.
func newTestRoot() *cobra.Command {
	return newRoot(&cli{in: strings.NewReader(""), out: io.Discard, errOut: io.Discard, now: time.Now})
}

// commands lists a command and everything below it.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range commands(newTestRoot()) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		if c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
	}
}

// TestExamplesAreRight parses every example of the help texts.
func TestExamplesAreRight(t *testing.T) {
	t.Parallel()
	for _, c := range commands(newTestRoot()) {
		for line := range strings.Lines(c.Example) {
			_, args, ok := strings.Cut(line, "postrider ")
			if !ok {
				t.Errorf("%s: example %q", c.CommandPath(), line)
				continue
			}
			args, _, _ = strings.Cut(args, " | ")
			args, _, _ = strings.Cut(args, " > ")
			args, _, _ = strings.Cut(args, "    ") // a remark
			found, flags, err := newTestRoot().Find(words(args))
			if err == nil {
				err = found.ParseFlags(flags)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil || !strings.HasPrefix(found.CommandPath(), c.CommandPath()) {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
			}
		}
	}
}

// words splits a command line at blanks outside of double quotes.
func words(line string) []string {
	quoted := false
	return strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}

func TestPrintError(t *testing.T) {
	t.Parallel()
	var problems config.Problems
	problems.Add("b", "config.yaml:10:1", "wrong", "do that")
	problems.Add("a", "config.yaml:9:1", "wrong", "")
	for want, err := range map[string]error{
		"postrider: x\n": errors.New("x"),
		"postrider: a port is taken\nand another\n": errors.Join(errors.New("app: a port is taken"), errors.New("app: and another")),
		"postrider: the configuration has 2 problems:\nconfig.yaml:9:1: a: wrong\nconfig.yaml:10:1: b: wrong (do that)\n": &problems,
	} {
		var b bytes.Buffer
		if printError(&b, err); b.String() != want {
			t.Errorf("got\n%s\nwant\n%s", &b, want)
		}
	}
}

func TestPlainly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"app: server.listen: taken":         "server.listen: taken",
		"app: broker: gone":                 "gone",
		"tail: broker: app: gone":           "tail: gone",
		"send: --rate: wrong":               "send: --rate: wrong",
		"topics: config: sender: x":         "topics: config: sender: x",
		"the app: broken":                   "the app: broken",
		"app":                               "app",
		"":                                  "",
		"Did you mean this?":                "Did you mean this?",
		"https://example.com: app: no dice": "https://example.com: app: no dice",
	} {
		if got := plainly(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestPackageNamesAreAll fails when a package is added whose name would be shown
// to people in front of its errors.
func TestPackageNamesAreAll(t *testing.T) {
	t.Parallel()
	silent := []string{"all", "archtest", "bench", "brokertest", "chaos", "downstream", "kafkatest", "mapspec", "mutants", "rawconn", "smtpcode", "testdata", "tools", "vocabulary"} // no errors, or tests only
	for _, folder := range []string{"internal", "pkg", "internal/broker"} {
		entries, err := os.ReadDir(filepath.Join(top, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := e.Name()
			if e.IsDir() && !slices.Contains(slices.Concat(silent, packageNames(), speakers()), name) {
				t.Errorf("%s/%s is in neither list of errors.go", folder, name)
			}
		}
	}
}

func TestReadPlace(t *testing.T) {
	t.Parallel()
	want := broker.Position{Topic: "email.raw", Partition: 3, Offset: 1841}
	for _, in := range []string{"email.raw/3/1841", "email.raw[3]@1841"} {
		if got, err := readPlace(in); got != want || err != nil {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "email.raw", "a/b/c", "a/-1/0", "a/0/-1", "/0/0", "a/0/0/0", "a[0]", "a[0]@", "a[]@0", "[0]@0", "a[0@1", "a0]@1", "a[0]@-1", "a[0]1", "a[99999999999]@1",
	} {
		if got, err := readPlace(in); err == nil {
			t.Errorf("%q: got %+v, want an error", in, got)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[int]string{
		0: "?", 512: "512 B", 1 << 10: "1 KiB", 1_000_000: "976.6 KiB", 1 << 20: "1 MiB", 1<<20 + 12: "1 MiB", 3 << 19: "1.5 MiB", 16 << 20: "16 MiB",
	} {
		if got := size(in); got != want {
			t.Errorf("%d: got %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain äöü 漢字":          "plain äöü 漢字",
		"\x1b[31mred\x1b[0m":    " [31mred [0m",
		"a\nb\tc\r":             "a b c ",
		"c1 \u009b31m":          "c1  31m",
		"bidi \u202egnp.exe":    "bidi  gnp.exe",
		"zero\u200bwidth\u2028": "zero width ",
		"bad \xff utf8":         "bad   utf8",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestTableGrowsAndCuts(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	tb := newTable(&cli{out: &b}, column{title: "A", width: 3}, column{title: "B"})
	for _, row := range [][]cell{{plain("1"), plain("2")}, {plain("12345"), plain("ä")}, {plain("1"), plain("")}} {
		if err := tb.row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if want := "A    B\n1    2\n12345  ä\n1\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	b.Reset()
	tb.limit = 10
	if err := tb.row(plain("12345"), plain("abcdefgh")); err != nil {
		t.Fatal(err)
	}
	if want := "12345  ab…\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{
		"": 0, "50/s": 20 * time.Millisecond, "50": 20 * time.Millisecond, "30/m": 2 * time.Second, "0.5/s": 2 * time.Second, "100/h": 36 * time.Second,
	} {
		if got, err := interval(in); got != want || err != nil {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"x", "0", "-1/s", "5/d", "/s", "5/s/s"} {
		if got, err := interval(in); err == nil {
			t.Errorf("%q: got %v, want an error", in, got)
		}
	}
}

func TestParseStart(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"-10m": at.Add(-10 * time.Minute), "10m": at.Add(-10 * time.Minute), "2026-11-20T09:00:00+01:00": at.Add(-25 * time.Hour), "now": {}, "": {},
	} {
		if got, err := parseStart(in, at); !got.Time.Equal(want) || got.First || err != nil {
			t.Errorf("%q: got %+v, %v; want %v", in, got, err, want)
		}
	}
	if got, err := parseStart("beginning", at); !got.First || err != nil {
		t.Errorf("beginning: got %+v, %v", got, err)
	}
	if _, err := parseStart("yesterday", at); err == nil {
		t.Error("yesterday: no error")
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, target, header, body string }{
		{"golden", "X-A: 1\n\n{\n\n}\n", "", "1", "{\n\n}\n"},
		{"request line", "POST /v1/webhooks/a/t?b=c HTTP/1.1\r\nX-A: 1\r\n\r\n\r\nbody", "/v1/webhooks/a/t?b=c", "1", "\r\nbody"},
		{"no header", "\nbody", "", "", "body"},
		{"no body", "X-A: 1\n\n", "", "1", ""},
	} {
		s, err := parseRequest([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if s.target != c.target || s.request.Header.Get("X-A") != c.header || string(s.request.Body) != c.body {
			t.Errorf("%s: got %+v", c.name, s)
		}
	}
	for _, in := range []string{"X-A: 1\nbody", "no header\n\nbody", ""} {
		if s, err := parseRequest([]byte(in)); err == nil {
			t.Errorf("%q: got %+v, want an error", in, s)
		}
	}
}
