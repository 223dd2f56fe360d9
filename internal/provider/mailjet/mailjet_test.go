package mailjet_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/mailjet"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, mailjet.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mailjet.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, mailjet.Definition(), "sent") }

// testdata/errors.tsv is the page's list of errors with what each makes of a bounce
// and of a blocked message.
func TestEveryError(t *testing.T) {
	def := mailjet.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/errors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(body string) event.Event { return providertest.Parse(t, def, p, []byte(body))[0].Event }
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	for _, row := range rows {
		want := strings.Split(row, "\t") // related to, error, canonical, category, drop
		problem := `"MessageID":1,"error_related_to":"` + want[0] + `","error":"` + want[1] + `"}`
		bounce, blocked := parse(`{"event":"bounce","hard_bounce":false,`+problem), parse(`{"event":"blocked",`+problem)
		got := []string{want[0], want[1], string(bounce.Type), string(bounce.Bounce.Category), string(blocked.Drop.Reason)}
		if strings.Join(got, "\t") != row {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if again := bounce.Bounce.WillRetry; (again != nil) != (want[1] == "greylisted") || again != nil && !*again {
			t.Errorf("%s: will retry %v", want[1], again)
		}
		if bounce.ProviderSubtype != want[0]+"/"+want[1] || blocked.Drop.Detail != want[1] || bounce.Bounce.Class != event.Soft {
			t.Errorf("%s: subtype %q, %+v, %+v", want[1], bounce.ProviderSubtype, blocked.Drop, bounce.Bounce)
		}
	}
	if len(rows) != 20 {
		t.Errorf("%d errors, want 20", len(rows))
	}
}

// The option moves what is greylisted and not hard.
func TestRetryingBouncesDeferred(t *testing.T) {
	def := mailjet.Definition()
	p, err := def.New(map[string]string{"retrying_bounces": "deferred"})
	if err != nil {
		t.Fatal(err)
	}
	e := providertest.Parse(t, def, p, []byte(`{"event":"bounce","hard_bounce":false,"error":"greylisted"}`))[0].Event
	if e.Type != event.Deferred || e.Family != event.FamilyDelivery || e.Bounce == nil || e.Bounce.Class != event.Soft || !*e.Bounce.WillRetry {
		t.Errorf("%s %+v, want deferred with its bounce", e.Type, e.Bounce)
	}
	for _, other := range []string{
		`{"event":"bounce","hard_bounce":true,"error":"greylisted"}`,
		`{"event":"bounce","hard_bounce":false,"error":"quota exceeded"}`,
	} {
		if e := providertest.Parse(t, def, p, []byte(other))[0].Event; e.Type != event.Bounced {
			t.Errorf("%s: %s, want bounced", other, e.Type)
		}
	}
	if _, err := def.New(map[string]string{"retrying_bounces": "bounced"}); err == nil || !strings.HasPrefix(err.Error(), "mailjet: ") {
		t.Errorf("another value: error %v", err)
	}
}
