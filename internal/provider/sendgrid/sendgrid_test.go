package sendgrid_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/sendgrid"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, sendgrid.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, sendgrid.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, sendgrid.Definition(), "delivered") }

// parse reads one event of these members.
func parse(t *testing.T, members map[string]any) event.Event {
	t.Helper()
	def := sendgrid.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal([]any{members})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

// rows reads a table of testdata below its head.
func rows(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) != columns {
			t.Fatalf("%d columns, want %d: %s", len(row), columns, line)
		}
		out = append(out, row)
	}
	return out[1:]
}

func TestBounces(t *testing.T) {
	for _, row := range rows(t, "bounces.tsv", 6) {
		e := parse(t, map[string]any{
			"event": "bounce", "type": row[0], "bounce_classification": row[1], "status": row[2], "reason": row[3],
		})
		if got := string(e.Bounce.Class); got != row[4] {
			t.Errorf("%q: class %s", row, got)
		}
		if got := string(e.Bounce.Category); got != row[5] {
			t.Errorf("%q: category %s", row, got)
		}
		if e.Bounce.WillRetry == nil || *e.Bounce.WillRetry {
			t.Errorf("%q: will retry %v, want false", row, e.Bounce.WillRetry)
		}
	}
}

func TestDropReasons(t *testing.T) {
	for _, row := range rows(t, "drops.tsv", 2) {
		e := parse(t, map[string]any{"event": "dropped", "reason": row[0]})
		if string(e.Drop.Reason) != row[1] || e.Drop.Detail != row[0] || e.Reason != row[0] {
			t.Errorf("%q: %+v, reason %q", row, e.Drop, e.Reason)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	for _, row := range rows(t, "message_ids.tsv", 2) {
		e := parse(t, map[string]any{"event": "delivered", "sg_message_id": row[0]})
		if e.MessageID != row[1] {
			t.Errorf("%s: message %s, want %s", row[0], e.MessageID, row[1])
		}
		if kept := e.Metadata["sg_message_id"]; e.MessageID != row[0] && kept != row[0] {
			t.Errorf("%s: %q in the metadata", row[0], kept)
		}
	}
}
