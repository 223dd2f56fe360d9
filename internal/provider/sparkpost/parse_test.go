package sparkpost_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/sparkpost"
)

func TestConformance(t *testing.T) { providertest.Run(t, sparkpost.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, sparkpost.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, sparkpost.Definition(), "delivery")
}
