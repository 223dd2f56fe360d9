package jetemail_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/jetemail"
	"github.com/postrider/postrider/internal/provider/providertest"
)

func TestConformance(t *testing.T) { providertest.Run(t, jetemail.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, jetemail.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, jetemail.Definition(), "outbound_delivered")
}
