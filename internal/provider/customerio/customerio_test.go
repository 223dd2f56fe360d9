package customerio_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/customerio"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, customerio.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, customerio.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, customerio.Definition(), "delivered") }

// The page's list of events, each of which has a row.
func TestEveryMetric(t *testing.T) {
	want := map[string]string{
		"email_attempted": "deferred", "email_bounced": "bounced", "email_clicked": "clicked", "email_converted": "unknown",
		"email_deferred": "deferred", "email_delivered": "delivered", "email_drafted": "unknown", "email_dropped": "dropped",
		"email_failed": "failed", "email_opened": "opened", "email_sent": "sent", "email_spammed": "complained",
		"email_unsubscribed": "unsubscribed", "email_undeliverable": "dropped", "customer_subscribed": "subscribed",
		"customer_unsubscribed": "unsubscribed", "customer_subscription_preferences_changed": "unknown",
	}
	for _, row := range customerio.Definition().Types {
		if want[row.ProviderType] != string(row.Type) {
			t.Errorf("%s is %s, want %q", row.ProviderType, row.Type, want[row.ProviderType])
		}
		delete(want, row.ProviderType)
	}
	for name := range want {
		t.Errorf("no row for %s", name)
	}
}
