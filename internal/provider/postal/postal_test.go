package postal_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/postal"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, postal.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, postal.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, postal.Definition(), "sent") }
