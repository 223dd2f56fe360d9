package loops_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/loops"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, loops.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, loops.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, loops.Definition(), "email_delivered")
}

// The test event of their settings page is about nothing, and touches no neighbour.
func TestTestEvent(t *testing.T) {
	def := loops.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	const test = `{"eventName":"testing.testEvent","eventTime":1734425918,"message":"test","webhookSchemaVersion":"1.0.0"}`
	if got := providertest.Parse(t, def, p, []byte(test)); len(got) != 0 {
		t.Errorf("%d results, want none", len(got))
	}
	got := providertest.Parse(t, def, p, []byte(`[`+test+`,{"eventName":"email.opened"}]`))
	if len(got) != 1 || got[0].Index != 0 || got[0].Event.ProviderType != "email.opened" {
		t.Errorf("beside another event: %+v", got)
	}
}
