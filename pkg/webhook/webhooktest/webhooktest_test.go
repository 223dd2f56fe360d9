package webhooktest_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// A package that needs a scheme signs a request and hands it to the suite.
func TestRun(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for _, cfg := range []webhook.Config{
		{Type: "jetemail"},
		{Type: "standard_webhooks", Decode: "raw", Tolerance: time.Hour},
		{Type: "token"},
		{Type: "bearer"},
	} {
		t.Run(cfg.Type, func(t *testing.T) {
			secret := webhook.Secret{ID: "now", Value: []byte("0c9f3b2a7d41-of-the-suite-itself")}
			cfg.Secrets = []webhook.Secret{secret}
			r := webhook.Request{Body: []byte(`{"id":"evt_1"}`), ReceivedAt: at}
			if err := webhook.Sign(cfg, secret, &r, at); err != nil {
				t.Fatal(err)
			}
			webhooktest.Run(t, cfg, r)
		})
	}
}
