package cmcom_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/cmcom"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, cmcom.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, cmcom.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, cmcom.Definition(), "bounced") }
