package main

import (
	"math"
	"math/bits"
	"time"
)

// Sizes of a histogram: 64 steps to a doubling keep every value to within
// 1.6 %, and 2048 buckets reach from 1 ns to 137 s.
const (
	stepBits    = 6
	bucketCount = 2048
	maxRecorded = 1<<37 - 1 // nanoseconds
)

// histogram counts durations in buckets whose width grows with the value. Its
// zero value is ready. It is not safe for concurrent use: each connection has
// its own, and they are merged at the end.
type histogram struct {
	counts [bucketCount]uint64
	total  uint64
	max    time.Duration
}

// record counts one duration; negative ones count as zero.
func (h *histogram) record(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// merge adds what o counted.
func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// quantile returns the duration that a share q (0 to 1) of all does not exceed;
// 0 if nothing was recorded.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.total))))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(middleOf(i), h.max)
		}
	}
	return 0
}

// bucketOf is the bucket a duration falls into. Values below 128 ns have a
// bucket each; above, the leading seven bits choose it.
func bucketOf(d time.Duration) int {
	v := uint64(min(max(d, 0), maxRecorded))
	shift := max(0, bits.Len64(v)-(stepBits+1))
	return shift<<stepBits + int(v>>shift)
}

// middleOf is the value that stands for a bucket: the middle of it.
func middleOf(bucket int) time.Duration {
	shift := max(0, bucket>>stepBits-1)
	low := (bucket - shift<<stepBits) << shift
	return time.Duration(low + 1<<shift/2)
}
