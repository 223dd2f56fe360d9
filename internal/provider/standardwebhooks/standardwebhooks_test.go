package standardwebhooks_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/standardwebhooks"
)

func TestConformance(t *testing.T) { providertest.Run(t, standardwebhooks.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, standardwebhooks.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, standardwebhooks.Definition(), "email_bounced")
}
