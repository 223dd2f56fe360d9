package sweego_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/sweego"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, sweego.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, sweego.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, sweego.Definition(), "delivered")
}

func parse(t *testing.T, body string) event.Event {
	t.Helper()
	def := sweego.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))[0].Event
}

// Their pages write one of the two with a hyphen and one with an underscore.
func TestSpellings(t *testing.T) {
	for word, want := range map[string]event.BounceClass{
		"soft-bounce": event.Soft, "soft_bounce": event.Soft, "hard_bounce": event.Hard, "hard-bounce": event.Hard,
	} {
		e := parse(t, `{"event_type":"`+word+`","event_id":"1"}`)
		if e.Type != event.Bounced || e.Bounce.Class != want || e.ProviderType != word {
			t.Errorf("%s: %s %+v, called %s", word, e.Type, e.Bounce, e.ProviderType)
		}
	}
}

func TestReplyInLogLine(t *testing.T) {
	for line, want := range map[string]string{
		"to=a@example.com id=<1@x> (452 <a@example.com> User quota exceeded)": "452 <a@example.com> User quota exceeded",
		"Sender (eu) id=<1@x> (550 5.1.1 no such user (really))":              "550 5.1.1 no such user (really)",
		"(452 no line before it)":                                             "",
		"no reply (at all)":                                                   "",
		"no brackets":                                                         "",
	} {
		e := parse(t, `{"event_type":"hard_bounce","event_id":"1","details":"`+line+`"}`)
		got := ""
		if e.SMTP != nil {
			got = e.SMTP.Response
		}
		if got != want || e.Reason != line {
			t.Errorf("%q: %q, want %q; reason %q", line, got, want, e.Reason)
		}
	}
}

// A phone number is no recipient of a mail.
func TestSMS(t *testing.T) {
	e := parse(t, `{"event_type":"sms_sent","channel":"sms","event_id":"1","recipient":"+33600000000"}`)
	if e.Type != event.Unknown || e.Recipient != "" || e.Metadata["recipient"] == "" {
		t.Errorf("%s to %q, metadata %v", e.Type, e.Recipient, e.Metadata)
	}
}
