package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// series makes a quarter of an hour of samples, one every two seconds.
func series(value func(hours float64) float64) []point {
	points := make([]point, 450)
	for i := range points {
		at := float64(i) * 2 / 3600
		points[i] = point{at, value(at)}
	}
	return points
}

// TestSlope: noise and a collector's sawtooth are flat, a leak of a few MiB an hour is
// found below both, and a few wild samples move nothing.
func TestSlope(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	sawtooth := func(h float64) float64 { return 20 * math.Mod(h*3600/7, 1) }
	wild := func(v float64) float64 {
		if noise.IntN(20) == 0 {
			return v + 500
		}
		return v
	}
	for _, tt := range []struct {
		name  string
		value func(hours float64) float64
		most  number
		want  number
		is    string
	}{
		{"constant", func(float64) float64 { return 50 }, 1, 0, verdictFlat},
		{"noise", func(float64) float64 { return 50 + noise.NormFloat64()/10 }, 1, 0, verdictFlat},
		{"sawtooth", func(h float64) float64 { return 30 + sawtooth(h) }, 4, 0, verdictFlat},
		{"leak of 1 MiB/h in noise", func(h float64) float64 { return 50 + h + noise.NormFloat64()/20 }, 0.5, 1, verdictGrowing},
		{"leak of 12 MiB/h in a sawtooth", func(h float64) float64 { return 30 + 12*h + sawtooth(h) }, 4, 12, verdictGrowing},
		{"leak with wild samples", func(h float64) float64 { return wild(50 + 12*h) }, 4, 12, verdictGrowing},
		{"shrinking", func(h float64) float64 { return 50 - 12*h }, 1, -12, verdictFlat},
		{"too noisy to say", func(float64) float64 { return 50 + 40*noise.NormFloat64() }, 1, 0, verdictUnclear},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := slopeOf(condense(series(tt.value), true))
			if got.Low > got.PerHour || got.High < got.PerHour {
				t.Errorf("the slope %v is outside of its bounds %v and %v", got.PerHour, got.Low, got.High)
			}
			if got.Low > tt.want || got.High < tt.want {
				t.Errorf("the bounds %v and %v do not hold %v", got.Low, got.High, tt.want)
			}
			if is := got.verdict(tt.most); is != tt.is {
				t.Errorf("%s, want %s: %+v", is, tt.is, got)
			}
		})
	}
}

// TestSlopeOfTooFew: nothing is said of a handful of samples.
func TestSlopeOfTooFew(t *testing.T) {
	s := slopeOf(series(func(h float64) float64 { return h })[:9])
	if s.PerHour.known() || s.verdict(1) != verdictUnclear {
		t.Errorf("got %+v, %s", s, s.verdict(1))
	}
}

func TestCondense(t *testing.T) {
	points := series(func(h float64) float64 { return math.Mod(math.Round(h*1800), 15) })
	low, mid := condense(points, true), condense(points, false)
	if len(low) != blocks || len(mid) != blocks {
		t.Fatalf("%d and %d blocks, want %d", len(low), len(mid), blocks)
	}
	for i := range low {
		if low[i].value != 0 || mid[i].value != 7 {
			t.Fatalf("block %d: least %g, median %g; want 0 and 7", i, low[i].value, mid[i].value)
		}
	}
}
