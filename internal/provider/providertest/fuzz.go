package providertest

import (
	"testing"

	"github.com/postrider/postrider/internal/provider"
)

// Fuzz looks for a body that makes a provider's parser panic, give two answers,
// or give something that is neither a dead letter nor a valid event whose JSON
// form says the same. It starts from the folder's testdata and the samples.
func Fuzz(f *testing.F, def provider.Definition) {
	f.Helper()
	for _, c := range readCases(f) {
		f.Add(contentType(c.header), c.body)
	}
	for i, s := range def.Samples() {
		r := s.Request(Fill(s.Body, i))
		f.Add(contentType(r.Header), r.Body)
	}
	parser := newParser(f, def, nil)
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := bare(body)
		r.Header = map[string][]string{"Content-Type": {kind}}
		ParseRequest(t, def, parser, r)
	})
}

func contentType(header map[string][]string) string {
	if values := header["Content-Type"]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Benchmark measures the reading of one case of the folder's testdata.
func Benchmark(b *testing.B, def provider.Definition, name string) {
	b.Helper()
	parser := newParser(b, def, nil)
	for _, c := range readCases(b) {
		if c.name != name {
			continue
		}
		b.SetBytes(int64(len(c.body)))
		b.ReportAllocs()
		for b.Loop() {
			if results := parse(parser, c.request(c.body)); results[0].Malformed != nil {
				b.Fatal(results[0].Malformed)
			}
		}
		return
	}
	b.Fatalf("no case %s", name)
}
