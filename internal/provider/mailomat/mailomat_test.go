package mailomat_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/mailomat"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, mailomat.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mailomat.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, mailomat.Definition(), "delivered")
}

func TestReasons(t *testing.T) {
	def := mailomat.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]event.DropReason{
		"Not enough remaining emails available to send 1 emails (limit 5, sent 5, remaining 0)": event.DropRateLimit,
		"something else": event.DropOther,
		"":               event.DropOther,
	} {
		e := providertest.Parse(t, def, p, []byte(`{"id":"1","eventType":"not_accepted","payload":{"reason":"`+words+`"}}`))[0].Event
		if e.Drop.Reason != want || e.Drop.Detail != words || e.Reason != words {
			t.Errorf("%q: %+v, want %s", words, e.Drop, want)
		}
	}
}
