package all_test

import (
	"bytes"
	"testing"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/webhook"
)

// newParser makes a provider's parser without options.
func newParser(t testing.TB, def provider.Definition) provider.Parser {
	t.Helper()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// requests are the samples of a provider as its parser gets them.
func requests(def provider.Definition) []webhook.Request {
	samples := def.Samples()
	out := make([]webhook.Request, len(samples))
	for i := range samples {
		out[i] = samples[i].Request(providertest.Fill(samples[i].Body, i))
	}
	return out
}

// BenchmarkParse reads the samples of every provider one after the other: bytes and
// allocations are those of all its samples, events/s is what one core reads.
func BenchmarkParse(b *testing.B) {
	for _, def := range all.Definitions() {
		b.Run(def.ID, func(b *testing.B) {
			p, size, events := newParser(b, def), 0, 0
			var proven []webhook.Verified
			for _, r := range requests(def) {
				v := webhook.AssumeProvenForReplayAndTests(r)
				proven, size, events = append(proven, v), size+len(r.Body), events+len(p.Parse(v))
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, v := range proven {
					if results := p.Parse(v); results[0].Malformed != nil {
						b.Fatal(results[0].Malformed)
					}
				}
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// Whoever sends arrays may send 5,000 events in one request: each is read, in order.
func TestManyEventsInOneRequest(t *testing.T) {
	const count = 5_000
	providers := 0
	for _, def := range all.Definitions() {
		if def.MaxEvents == 1 {
			continue
		}
		providers++
		t.Run(def.ID, func(t *testing.T) {
			p := newParser(t, def)
			carrier := def.Samples()[0]
			body, want := manyEvents(t, def, p, count)
			results := p.Parse(webhook.AssumeProvenForReplayAndTests(carrier.Request(body)))
			if len(results) != count {
				t.Fatalf("%d results, want %d", len(results), count)
			}
			for i, r := range results {
				if r.Index != i || r.Malformed != nil || r.Event.ProviderType != want[i%len(want)] {
					t.Fatalf("result %d: index %d, %v, %s, want %s", i, r.Index, r.Malformed, r.Event.ProviderType, want[i%len(want)])
				}
			}
		})
	}
	if providers < 5 {
		t.Errorf("only %d providers with arrays", providers)
	}
}

// manyEvents repeats the items of a provider's samples in one array, and tells the
// types of one round.
func manyEvents(t *testing.T, def provider.Definition, p provider.Parser, count int) (body string, types []string) {
	t.Helper()
	var items [][]byte
	for _, r := range requests(def) {
		results := p.Parse(webhook.AssumeProvenForReplayAndTests(r))
		if len(results) != 1 || results[0].Malformed != nil {
			t.Fatalf("a sample gives %d results", len(results))
		}
		items, types = append(items, results[0].Item), append(types, results[0].Event.ProviderType)
	}
	var array bytes.Buffer
	for i := range count {
		array.WriteByte("[,"[min(i, 1)])
		array.Write(items[i%len(items)])
	}
	array.WriteByte(']')
	return array.String(), types
}
