package scaleway_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/scaleway"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestConformance(t *testing.T) { providertest.Run(t, scaleway.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, scaleway.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, scaleway.Definition(), "email_delivered")
}

// A subscription is confirmed at Scaleway, in the topic's region, and nowhere else.
func TestHandshake(t *testing.T) {
	p, err := scaleway.Definition().New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := p.(provider.Handshaker)
	if !ok {
		t.Fatal("no handshake")
	}
	const topic = "arn:scw:sns:fr-par:project-1:tem"
	for host, want := range map[string]bool{
		"sns.mnq.fr-par.scaleway.com": true,
		"sns.mnq.nl-ams.scaleway.com": false,
		"sns.fr-par.amazonaws.com":    false,
		"example.com":                 false,
	} {
		address := "https://" + host + "/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=x"
		body := `{"Type":"SubscriptionConfirmation","MessageId":"1","Token":"x","TopicArn":"` + topic + `","SubscribeURL":"` + address + `"}`
		got, ok := h.Handshake(webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(body)}))
		if !ok || (got.Confirm == address) != want {
			t.Errorf("%s: %+v, want it called: %v", host, got, want)
		}
	}
	if got, ok := h.Handshake(webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte(`{"id":"1","type":"email_queued"}`)})); ok {
		t.Errorf("an event is the handshake %+v", got)
	}
}
