package azure_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/azure"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestConformance(t *testing.T) { providertest.Run(t, azure.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, azure.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, azure.Definition(), "delivered") }

// A validation event gets its code back, in whichever way it is spelled; nothing else
// gets an answer.
func TestHandshake(t *testing.T) {
	p, err := azure.Definition().New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := p.(provider.Handshaker)
	if !ok {
		t.Fatal("no handshake")
	}
	const typ = `"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"`
	for body, want := range map[string]string{
		`[{"id":"1",` + typ + `,"data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6","validationUrl":"https://rp-eastus2.eventgrid.azure.net/x"}}]`: `{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}`,
		`{"id":"1",` + typ + `,"data":{"validationCode":"a\"b"}}`: `{"validationResponse":"a\"b"}`,
		`[{"id":"1",` + typ + `,"data":{}}]`:                      "",
		`[{"id":"1",` + typ + `,"data":{"validationCode":7}}]`:    "",
		`[{"id":"1","eventType":"Microsoft.Communication.EmailDeliveryReportReceived","data":{"validationCode":"x","sender":"Microsoft.EventGrid.SubscriptionValidationEvent"}}]`: "",
		`[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionDeletedEvent","data":{"validationCode":"x"}}]`:                                                                   "",
		`Microsoft.EventGrid.SubscriptionValidationEvent`: "",
	} {
		got, ok := h.Handshake(webhook.AssumeProvenForReplayAndTests(webhook.Request{Method: "POST", Body: []byte(body)}))
		if string(got.Reply) != want || ok != (want != "") || got.Confirm != "" {
			t.Errorf("%s: %s, %v; want %q", body, got.Reply, ok, want)
		}
		if ok && (got.ContentType != "application/json" || got.Kind != "subscription_validation") {
			t.Errorf("%s: %+v", body, got)
		}
	}
}
