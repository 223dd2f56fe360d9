package unisender_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/unisender"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, unisender.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, unisender.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, unisender.Definition(), "envelope") }

// The option moves soft bounces only.
func TestRetryingBouncesDeferred(t *testing.T) {
	def := unisender.Definition()
	p, err := def.New(map[string]string{"retrying_bounces": "deferred"})
	if err != nil {
		t.Fatal(err)
	}
	e := providertest.Parse(t, def, p, []byte(`{"event_name":"transactional_email_status","status":"soft_bounced"}`))[0].Event
	if e.Type != event.Deferred || e.Family != event.FamilyDelivery || e.Bounce == nil || e.Bounce.Class != event.Soft || !*e.Bounce.WillRetry {
		t.Errorf("%s %+v, want deferred with its bounce", e.Type, e.Bounce)
	}
	for _, other := range []string{
		`{"event_name":"transactional_email_status","status":"hard_bounced"}`,
	} {
		if e := providertest.Parse(t, def, p, []byte(other))[0].Event; e.Type != event.Bounced {
			t.Errorf("%s: %s, want bounced", other, e.Type)
		}
	}
	if _, err := def.New(map[string]string{"retrying_bounces": "bounced"}); err == nil || !strings.HasPrefix(err.Error(), "unisender: ") {
		t.Errorf("another value: error %v", err)
	}
}
