package ses_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/ses"
)

func TestConformance(t *testing.T) { providertest.Run(t, ses.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, ses.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, ses.Definition(), "sns_delivery") }
