package smtp2go_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/smtp2go"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, smtp2go.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, smtp2go.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, smtp2go.Definition(), "delivered") }

func parse(t *testing.T, body string) event.Event {
	t.Helper()
	def := smtp2go.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))[0].Event
}

// What the page calls one way and the service another is the same, and keeps the
// word that was sent.
func TestWordsThatAreSent(t *testing.T) {
	for word, want := range map[string]event.Type{
		"opened": event.Opened, "clicked": event.Clicked, "spam_complaint": event.Complained,
		"unsubscribed": event.Unsubscribed, "resubscribed": event.Subscribed, "rejected": event.Dropped,
	} {
		if e := parse(t, `{"event":"`+word+`"}`); e.Type != want || e.ProviderType != word {
			t.Errorf("%s: %s %s, want %s", word, e.Type, e.ProviderType, want)
		}
	}
}

// auth may be the key of the API: what can send mail is nothing to publish.
func TestKeysAreCut(t *testing.T) {
	const key = "api-40246460336B11E6AA53F23C91285F72"
	for _, name := range []string{"auth", "Auth"} {
		for _, word := range []string{"delivered", "something"} {
			e := parse(t, `{"event":"`+word+`","`+name+`":"`+key+`"}`)
			if e.Metadata["auth"] != "api-402464..." || strings.Contains(string(e.AppendJSON(nil)), key) {
				t.Errorf("%s", e.AppendJSON(nil))
			}
		}
	}
	if e := parse(t, `{"event":"delivered","auth":"api-shop"}`); e.Metadata["auth"] != "api-shop" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
}

// The page's events of text messages, which are no mail.
func TestTextMessages(t *testing.T) {
	for _, word := range []string{"sms_sending", "sms_submitted", "sms_delivered", "sms_failed", "sms_rejected", "opt-out"} {
		e := parse(t, `{"event":"`+word+`","message_id":"m1","destination_number":"+64210000000"}`)
		if e.Type != event.Unknown || e.MessageID != "" || e.Metadata["message_id"] != "m1" || e.Raw == nil {
			t.Errorf("%s", e.AppendJSON(nil))
		}
	}
}

func TestReasonsOfRejects(t *testing.T) {
	for text, want := range map[string]event.DropReason{
		"Recipient has previously hard-bounced": event.DropPreviousBounce,
		"Recipient made a spam complaint":       event.DropComplained,
		"Recipient complained":                  event.DropComplained,
		"Recipient has unsubscribed":            event.DropUnsubscribed,
		"Address is suppressed":                 event.DropSuppressed,
		"Sender is not verified":                event.DropPolicy,
		"API key is sandboxed":                  event.DropPolicy,
		"No":                                    event.DropOther,
	} {
		for _, field := range []string{"message", "context"} {
			e := parse(t, `{"event":"reject","`+field+`":"`+text+`"}`)
			if e.Drop == nil || e.Drop.Reason != want || e.Drop.Detail != text || e.Reason != text {
				t.Errorf("%s %s: %+v, reason %q, want %s", field, text, e.Drop, e.Reason, want)
			}
		}
	}
}
