package vfs_test

import (
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/vfs"
)

func TestConformance(t *testing.T) { providertest.Run(t, vfs.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, vfs.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, vfs.Definition(), "delivered") }
