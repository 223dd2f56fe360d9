package ahasend_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/ahasend"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, ahasend.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, ahasend.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, ahasend.Definition(), "message_delivered")
}

// parse sends one event with the data given.
func parse(t *testing.T, typ string, data map[string]any) event.Event {
	t.Helper()
	def := ahasend.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"type": typ, "timestamp": "2024-05-06T10:05:16.687031577Z", "data": data})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

// testdata/classifications.tsv is what AhaSend calls failed attempts, and what comes of
// each where no code was seen.
func TestEveryClassification(t *testing.T) {
	text, err := os.ReadFile("testdata/classifications.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:]
	for _, row := range rows {
		c := strings.Split(row, "\t")
		data := map[string]any{"delivery_attempt": map[string]any{"classification": c[0], "smtp_code": 0}}
		e := parse(t, "message.bounced", data)
		if got := strings.Join([]string{e.ProviderSubtype, string(e.Bounce.Category), e.Bounce.CodeAssumed}, "\t"); got != row {
			t.Errorf("%q, want %q", got, row)
		}
		if e.Bounce.Class != event.Hard || *e.Bounce.WillRetry {
			t.Errorf("%s: %+v", c[0], e.Bounce)
		}
		later := parse(t, "message.transient_error", data)
		if later.Type != event.Deferred || string(later.Bounce.Category) != c[1] || !*later.Bounce.WillRetry {
			t.Errorf("%s for the time being: %s %+v", c[0], later.Type, later.Bounce)
		}
	}
	if len(rows) != 15 {
		t.Errorf("%d rows, want the page's 15", len(rows))
	}
}

// A code that was seen is not assumed; a classification says why all the same.
func TestSeenCodes(t *testing.T) {
	e := parse(t, "message.bounced", map[string]any{"delivery_attempt": map[string]any{
		"classification": "InvalidRecipient", "smtp_code": 550, "enhanced_status_code": "5.4.1", "response": "Recipient address rejected",
	}})
	if e.Bounce.Category != event.InvalidRecipient || e.Bounce.CodeAssumed != "" || e.SMTP.Enhanced != "5.4.1" {
		t.Errorf("%+v %+v", e.Bounce, e.SMTP)
	}
	e = parse(t, "message.bounced", map[string]any{"delivery_attempt": map[string]any{
		"classification": "SomethingNew", "smtp_code": 550, "enhanced_status_code": "5.2.1", "response": "disabled",
	}})
	if e.Bounce.Category != event.MailboxInactive || e.ProviderSubtype != "SomethingNew" {
		t.Errorf("a classification nobody knows: %+v", e.Bounce)
	}
}

func TestBots(t *testing.T) {
	for _, c := range []struct {
		value any
		want  *bool
	}{{true, new(true)}, {false, new(false)}, {"true", new(true)}, {"false", new(false)}, {"perhaps", nil}, {nil, nil}} {
		e := parse(t, "message.opened", map[string]any{"ip": "203.0.113.42", "is_bot": c.value})
		if got := e.Engagement.Bot; (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%v: %v", c.value, got)
		}
	}
}
