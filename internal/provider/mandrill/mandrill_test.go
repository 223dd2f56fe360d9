package mandrill_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/mandrill"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, mandrill.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mandrill.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, mandrill.Definition(), "send") }

// testdata/reasons.tsv is what each word for a bounce and for a rejection means.
func TestEveryReason(t *testing.T) {
	def := mandrill.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/reasons.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	for _, row := range rows {
		want := strings.Split(row, "\t") // event, word, meaning
		body := `{"event":"reject","msg":{"reject":{"reason":"` + want[1] + `"}}}`
		if want[0] == "bounce" {
			body = `{"event":"soft_bounce","msg":{"bounce_description":"` + want[1] + `","diag":"smtp;552 5.3.4 too large"}}`
		}
		e := providertest.Parse(t, def, p, []byte(body))[0].Event
		got := ""
		if e.Bounce != nil {
			got = string(e.Bounce.Category)
		}
		if e.Drop != nil {
			got = string(e.Drop.Reason)
		}
		if got != want[2] || e.ProviderSubtype != want[1] {
			t.Errorf("%s %s: %s, want %s (subtype %s)", want[0], want[1], got, want[2], e.ProviderSubtype)
		}
	}
	if len(rows) != 15 {
		t.Errorf("%d reasons, want 15", len(rows))
	}
}

// The post that tests an address before there is a key holds no event.
func TestEmptyBatch(t *testing.T) {
	def := mandrill.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := providertest.Parse(t, def, p, []byte("mandrill_events=%5B%5D")); len(got) != 0 {
		t.Errorf("%d results, want none", len(got))
	}
}
