package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// precision is what a bucket may be off by: half its width, 1/128 of the value.
const precision = 1.0 / 128

func TestBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(1); d < maxRecorded/2; d += d/100 + 1 {
		b := bucketOf(d)
		if b < last || b >= bucketCount {
			t.Fatalf("bucket of %v is %d after %d", d, b, last)
		}
		last = b
		if off := float64(middleOf(b)-d) / float64(d); off > precision || off < -precision {
			t.Fatalf("bucket of %v stands for %v, off by %.4f", d, middleOf(b), off)
		}
	}
	for _, tt := range []struct {
		d    time.Duration
		want int
	}{{-time.Second, 0}, {0, 0}, {127, 127}, {128, 128}, {maxRecorded, bucketCount - 1}, {time.Hour, bucketCount - 1}} {
		if got := bucketOf(tt.d); got != tt.want {
			t.Errorf("bucket of %d ns is %d, want %d", tt.d, got, tt.want)
		}
	}
}

func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var whole histogram
	parts := make([]histogram, 3)
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		whole.record(d)
		parts[i%len(parts)].record(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 0.999, 1} {
		want := all[max(0, int(q*float64(len(all)))-1)]
		got := whole.quantile(q)
		if off := float64(got-want) / float64(want); off > precision || off < -precision {
			t.Errorf("quantile %g: got %v, want %v", q, got, want)
		}
	}
	var merged histogram
	for i := range parts {
		merged.merge(&parts[i])
	}
	if merged != whole {
		t.Error("the parts merged differ from the whole")
	}
}

func TestQuantileOfNothing(t *testing.T) {
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
