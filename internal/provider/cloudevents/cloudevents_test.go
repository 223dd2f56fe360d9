package cloudevents_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/cloudevents"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, cloudevents.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, cloudevents.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, cloudevents.Definition(), "structured_bounced")
}
