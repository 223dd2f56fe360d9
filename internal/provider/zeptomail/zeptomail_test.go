package zeptomail_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/zeptomail"
)

func TestConformance(t *testing.T) { providertest.Run(t, zeptomail.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, zeptomail.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, zeptomail.Definition(), "hardbounce") }

// The form's field has no fixed name; what it holds is what the bare body would say.
func TestForms(t *testing.T) {
	def := zeptomail.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"event_name":["hardbounce"],"event_message":[{"request_id":"r","event_data":[{"details":[{"bounced_recipient":"a+b@example.com"}]}]}]}`
	want := providertest.Parse(t, def, p, []byte(body))[0]
	for _, name := range []string{"data", "event", "eventData"} {
		got := providertest.Parse(t, def, p, []byte(name+"="+url.QueryEscape(body)))
		if len(got) != 1 || got[0].NativeID != want.NativeID || got[0].Event.Recipient != "a+b@example.com" {
			t.Errorf("field %s: %+v", name, got)
		}
	}
}

// Each recipient that bounced is an event; what they share is said of each.
func TestSeveralRecipients(t *testing.T) {
	def := zeptomail.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	got := providertest.Parse(t, def, p, []byte(`{"event_name":["softbounce"],"event_message":[
		{"request_id":"r1","email_info":{"subject":"S"},"event_data":[{"details":[{"bounced_recipient":"a@example.com"},{"bounced_recipient":"b@example.com"}]}]},
		{"request_id":"r2","event_data":[{"details":[{"bounced_recipient":"c@example.com"}]}]}]}`))
	want := [][2]string{{"r1", "a@example.com"}, {"r1", "b@example.com"}, {"r2", "c@example.com"}}
	ids := make(map[string]bool)
	for i, r := range got {
		if r.Event.MessageID != want[i][0] || r.Event.Recipient != want[i][1] || (r.Event.Subject == "S") != (i < 2) {
			t.Errorf("event %d: %+v", i, r.Event)
		}
		ids[r.NativeID] = true
	}
	if len(got) != 3 || len(ids) != 3 {
		t.Errorf("%d events with %d ids, want 3", len(got), len(ids))
	}
}

// Arrays in arrays must not multiply beyond what any batch may hold.
func TestTooMany(t *testing.T) {
	def := zeptomail.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	half := `{"event_data":[{"details":[` + strings.Repeat("{},", jsondoc.MaxItems/2) + `{}]}]}`
	got := providertest.Parse(t, def, p, []byte(`{"event_name":["softbounce"],"event_message":[`+half+`,`+half+`]}`))
	if len(got) != 1 || got[0].Malformed == nil || got[0].Malformed.Reason != provider.ReasonTooManyItems {
		t.Errorf("%d results, the first of reason %v", len(got), got[0].Malformed)
	}
}
