package postal_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/postal"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

// Each line of the table is what Postal writes about a message that it failed or
// held, and what has to come of it; "-" stands for nothing.
func TestDetails(t *testing.T) {
	text, err := os.ReadFile("testdata/details.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:] // below the head
	for _, line := range lines {
		c := strings.Split(strings.ReplaceAll(line, "\t-", "\t"), "\t")
		e := attempt(t, c[0], c[1], c[2], c[3])
		got := []string{string(e.Type), "", "", ""}
		if b := e.Bounce; b != nil {
			got[1], got[2] = string(b.Class), string(b.Category)
			if b.WillRetry == nil || *b.WillRetry {
				t.Errorf("%s: a failure is tried again", c[2])
			}
		}
		if d := e.Drop; d != nil {
			got[3] = string(d.Reason)
		}
		if want := strings.Join(c[4:], " "); strings.Join(got, " ") != want {
			t.Errorf("%s %s: %q, want %q", c[1], c[2], strings.Join(got, " "), want)
		}
	}
	if len(lines) < 20 {
		t.Errorf("%d lines", len(lines))
	}
}

// attempt parses an attempt to deliver a message.
func attempt(t *testing.T, name, direction, details, output string) event.Event {
	t.Helper()
	def := postal.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"event": name, "timestamp": 1477945177.25, "uuid": "820b47a4-4dfd-42e4-ae6a-1e5bed5a33fd",
		"payload": map[string]any{"details": details, "output": output, "message": map[string]any{"direction": direction}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}
