package elasticemail_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/elasticemail"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, elasticemail.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, elasticemail.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, elasticemail.Definition(), "sent") }

func parse(t *testing.T, query string) event.Event {
	t.Helper()
	def := elasticemail.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(query))[0].Event
}

// Each line of the table is a category and what has to come of it, in whatever case
// it is written; "-" stands for nothing.
func TestCategories(t *testing.T) {
	text, err := os.ReadFile("testdata/categories.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:] // below the head
	for _, line := range lines {
		c := strings.Split(strings.ReplaceAll(line, "\t-", "\t"), "\t")
		for _, category := range []string{c[0], strings.ToLower(c[0])} {
			e := parse(t, "status=Error&category="+category)
			got := []string{string(e.Type), "", "", "", ""}
			if b := e.Bounce; b != nil {
				got[1], got[2], got[3] = string(b.Class), string(b.Category), b.CodeAssumed
				if b.WillRetry == nil || *b.WillRetry {
					t.Errorf("%s: an error is tried again", category)
				}
			}
			if d := e.Drop; d != nil {
				got[4] = string(d.Reason)
			}
			if want := strings.Join(c[1:], " "); strings.Join(got, " ") != want {
				t.Errorf("%s: %q, want %q", category, strings.Join(got, " "), want)
			}
		}
	}
	if len(lines) < 19 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"1%2F25%2F2026+2%3A31%3A12+PM": "2026-01-25T14:31:12Z",
		"2026-01-25+14:31:12":          "2026-01-25T14:31:12Z",
		"2026-01-25T14:31:12":          "2026-01-25T14:31:12Z",
		"2026-01-25T16:31:12%2B02:00":  "2026-01-25T14:31:12Z",
		"25.01.2026":                   "",
	} {
		e := parse(t, "status=Sent&date="+text)
		got := ""
		if !e.OccurredAt.IsZero() {
			got = string(e.OccurredAt.Append(nil))
		}
		if got != want || (want == "") != (e.Metadata["date"] != "") {
			t.Errorf("%s: %q, metadata %q, want %q", text, got, e.Metadata["date"], want)
		}
	}
}
