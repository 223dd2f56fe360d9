package emailit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/emailit"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, emailit.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, emailit.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, emailit.Definition(), "email_delivered")
}

func parse(t *testing.T, body string) []provider.Result {
	t.Helper()
	def := emailit.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))
}

// The copy of the object is left out; another object under the same name is not.
func TestObjectTwice(t *testing.T) {
	const one = `{"object":"email","id":"em_1"}`
	for _, c := range []struct {
		members, rest string
	}{
		{`"object":` + one + `,"data":{"object":` + one + `}`, ""},
		{`"object":{"id":"em_1", "object":"email"},"data":{"object":` + one + `}`, ""},
		{`"data":{"object":` + one + `}`, ""},
		{`"object":` + one, ""},
		{`"object":` + one + `,"data":null`, ""},
		{`"object":{"id":"em_2"},"data":{"object":` + one + `}`, `{"id":"em_2"}`},
	} {
		e := parse(t, `[{"event_id":"evt_1","type":"email.failed",`+c.members+`}]`)[0].Event
		if rest := e.Metadata["object"]; e.MessageID != "em_1" || rest != c.rest && rest != "email" {
			t.Errorf("%s: message %q, rest %q", c.members, e.MessageID, rest)
		}
	}
}

// A request of the largest size is as many events, in order.
func TestFullBatch(t *testing.T) {
	var items []string
	for i := range 100 {
		items = append(items, fmt.Sprintf(`{"event_id":"evt_%d","type":"email.delivered","data":{"object":{"id":"em_%d","object":"email"}}}`, i, i))
	}
	got := parse(t, "["+strings.Join(items, ",")+"]")
	if len(got) != emailit.Definition().MaxEvents {
		t.Fatalf("%d events", len(got))
	}
	for i, r := range got {
		if r.NativeID != fmt.Sprintf("evt_%d", i) || r.Event.MessageID != fmt.Sprintf("em_%d", i) {
			t.Errorf("event %d: %s of %s", i, r.NativeID, r.Event.MessageID)
		}
	}
}
