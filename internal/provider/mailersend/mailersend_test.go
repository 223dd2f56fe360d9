package mailersend_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/mailersend"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, mailersend.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mailersend.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, mailersend.Definition(), "delivered") }

// A ping asks for nothing and is nothing to publish; an array may hold one.
func TestPing(t *testing.T) {
	def := mailersend.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const ping = `{"type":"webhook.test","message":"This is a ping test message","created_at":"2026-03-27T07:24:20.577080Z"}`
	if got := providertest.Parse(t, def, p, []byte(ping)); len(got) != 0 {
		t.Errorf("a ping gives %d results", len(got))
	}
	if got := providertest.Parse(t, def, p, []byte(`[`+ping+`,{"type":"activity.sent"}]`)); len(got) != 1 || got[0].Index != 0 {
		t.Errorf("a ping and an event give %+v", got)
	}
}

// An id of what an event is about is not the event's: a recipient put on hold twice is
// two events. An activity's id is the activity's, whatever the rest says.
func TestIdentity(t *testing.T) {
	def := mailersend.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := func(typ, created string) string {
		body := strings.NewReplacer("TYPE", typ, "TIME", created).Replace(`{"type":"TYPE","created_at":"TIME","data":{"id":"r1"}}`)
		return providertest.Parse(t, def, p, []byte(body))[0].NativeID
	}
	const day, next = "2026-01-02T03:04:05Z", "2026-01-03T03:04:05Z"
	if id("recipient.on_hold_added", day) == id("recipient.on_hold_added", next) {
		t.Error("two holds of a recipient are one event")
	}
	if id("activity.sent", day) != "r1" {
		t.Error("an activity is not identified by its id")
	}
}
