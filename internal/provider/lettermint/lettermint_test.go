package lettermint_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/lettermint"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, lettermint.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, lettermint.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, lettermint.Definition(), "message_delivered")
}

func parse(t *testing.T, body string) []provider.Result {
	t.Helper()
	def := lettermint.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, []byte(body))
}

// The test webhook of the dashboard is about nothing, and touches no neighbour.
func TestTestWebhook(t *testing.T) {
	const test = `{"id":"test-7f9c8e2a","event":"webhook.test","timestamp":"2025-08-08T20:14:12.000Z","data":{"message":"This is a test webhook","webhook_id":"9f9bf19c","timestamp":1754921294}}`
	if got := parse(t, test); len(got) != 0 {
		t.Errorf("%d results, want none", len(got))
	}
	if got := parse(t, `[`+test+`,{"id":"1","event":"message.opened"}]`); len(got) != 1 || got[0].NativeID != "1" {
		t.Errorf("beside another event: %+v", got)
	}
}

func TestPolicyReasons(t *testing.T) {
	for words, want := range map[string]event.DropReason{
		"Spam score threshold exceeded": event.DropSpam,
		"spam content":                  event.DropSpam,
		"policy violation":              event.DropPolicy,
		"":                              event.DropPolicy,
	} {
		e := parse(t, `{"id":"1","event":"message.policy_rejected","data":{"reason":"`+words+`"}}`)[0].Event
		if e.Drop.Reason != want || e.Drop.Detail != words {
			t.Errorf("%q: %+v, want %s", words, e.Drop, want)
		}
	}
}

// PHP writes an empty object as an empty array: nothing, and not in the metadata.
func TestEmptyObjects(t *testing.T) {
	e := parse(t, `{"id":"1","event":"message.sent","data":{"metadata":[],"response":[],"tags":[]}}`)[0].Event
	if len(e.Metadata) != 0 || e.Tags != nil {
		t.Errorf("metadata %v, tags %v", e.Metadata, e.Tags)
	}
}

// A suppressed domain is no recipient.
func TestListed(t *testing.T) {
	for kind, want := range map[string]string{"email": "a@example.com", "domain": ""} {
		e := parse(t, `{"id":"1","event":"suppression.added","data":{"type":"`+kind+`","value":"a@example.com"}}`)[0].Event
		if e.Recipient != want || (e.Metadata["value"] == "") != (want != "") {
			t.Errorf("%s: recipient %q, metadata %v", kind, e.Recipient, e.Metadata)
		}
	}
}
