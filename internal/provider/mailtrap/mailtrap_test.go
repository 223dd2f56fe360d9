package mailtrap_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/mailtrap"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, mailtrap.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mailtrap.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, mailtrap.Definition(), "delivery") }

// parse reads one event of these members.
func parse(t *testing.T, members map[string]any) event.Event {
	t.Helper()
	def := mailtrap.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"events": []any{members}})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

// rows reads a table of two columns below its head.
func rows(t *testing.T, name string) [][2]string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(text), "\n")
	var out [][2]string
	for line := range strings.Lines(lines) {
		label, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("no two columns: %s", line)
		}
		out = append(out, [2]string{label, want})
	}
	return out
}

func TestBounceCategories(t *testing.T) {
	table := rows(t, "categories.tsv")
	if len(table) != 18 {
		t.Fatalf("%d categories, want the page's 17 and one that nobody knows", len(table))
	}
	for _, row := range table {
		e := parse(t, map[string]any{"event": "bounce", "bounce_category": row[0], "response_code": 550})
		if string(e.Bounce.Category) != row[1] || e.Bounce.Class != event.Hard || e.ProviderSubtype != row[0] {
			t.Errorf("%s: %+v, want %s", row[0], e.Bounce, row[1])
		}
		e = parse(t, map[string]any{"event": "soft bounce", "bounce_category": row[0]})
		if b := e.Bounce; e.Type != event.Bounced || b.Class != event.Soft || !*b.WillRetry || row[1] != "generic" && string(b.Category) != row[1] {
			t.Errorf("%s: %s %+v, want a soft bounce for %s that is tried again", row[0], e.Type, b, row[1])
		}
		e = parse(t, map[string]any{"event": "bounce", "bounce_category": row[0], "response": "bounced (550 5.7.26 not authenticated)"})
		if e.Bounce.Category != event.Authentication || e.SMTP.Enhanced != "5.7.26" || e.SMTP.Code != 550 {
			t.Errorf("%s: %+v %+v, want the cause that the code names", row[0], e.Bounce, e.SMTP)
		}
	}
}

func TestRejections(t *testing.T) {
	for _, row := range rows(t, "rejections.tsv") {
		e := parse(t, map[string]any{"event": "reject", "reason": row[0]})
		if string(e.Drop.Reason) != row[1] || e.Reason != row[0] {
			t.Errorf("%q: %+v, want %s", row[0], e.Drop, row[1])
		}
	}
}

// The option moves soft bounces only.
func TestRetryingBouncesDeferred(t *testing.T) {
	def := mailtrap.Definition()
	p, err := def.New(map[string]string{"retrying_bounces": "deferred"})
	if err != nil {
		t.Fatal(err)
	}
	e := providertest.Parse(t, def, p, []byte(`{"events":[{"event":"soft bounce","event_id":"a","response_code":421}]}`))[0].Event
	if e.Type != event.Deferred || e.Family != event.FamilyDelivery || e.Bounce == nil || e.Bounce.Class != event.Soft || !*e.Bounce.WillRetry {
		t.Errorf("%s %+v, want deferred with its bounce", e.Type, e.Bounce)
	}
	for _, other := range []string{
		`{"events":[{"event":"bounce","event_id":"a","response_code":421}]}`,
	} {
		if e := providertest.Parse(t, def, p, []byte(other))[0].Event; e.Type != event.Bounced {
			t.Errorf("%s: %s, want bounced", other, e.Type)
		}
	}
	if _, err := def.New(map[string]string{"retrying_bounces": "bounced"}); err == nil || !strings.HasPrefix(err.Error(), "mailtrap: ") {
		t.Errorf("another value: error %v", err)
	}
}
