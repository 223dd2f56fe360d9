package main

import (
	"math"
	"slices"
)

// slope is how fast a value grows, by Theil's and Sen's estimator: the median of the
// slopes of all pairs of points, which a third of outliers does not move. Its bounds
// hold with 95 % by Sen's normal approximation (P. K. Sen, Journal of the American
// Statistical Association 63, 1968).
type slope struct {
	PerHour number `json:"per_hour"`
	Low     number `json:"low"`
	High    number `json:"high"`
}

// point is a value at a time, in hours.
type point struct{ at, value float64 }

// confidence is the quantile of the normal distribution for 95 % on both sides.
const confidence = 1.96

// slopeOf estimates the slope of points with different times. Fewer than ten say
// nothing: unknown.
func slopeOf(points []point) slope {
	n := len(points)
	if n < 10 {
		return slope{unknown(), unknown(), unknown()}
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	for i, a := range points {
		for _, b := range points[i+1:] {
			slopes = append(slopes, (b.value-a.value)/(b.at-a.at))
		}
	}
	slices.Sort(slopes)
	pairs := float64(len(slopes))
	spread := confidence * math.Sqrt(float64(n*(n-1)*(2*n+5))/18)
	at := func(rank float64) number {
		return number(slopes[min(max(int(math.Round(rank)), 0), len(slopes)-1)])
	}
	middle := number(slopes[len(slopes)/2]+slopes[(len(slopes)-1)/2]) / 2
	return slope{PerHour: middle, Low: at((pairs - spread) / 2), High: at((pairs + spread) / 2)}
}

// blocks is how many parts a series is cut into before its slope is estimated:
// neighbours among samples depend on each other, which would make bounds too narrow.
const blocks = 30

// condense cuts points into blocks of equal numbers and keeps one value of each at the
// middle of its time: the least of a heap, which goes up and down with the collector, so
// that what is in use stays, and the median of everything else.
func condense(points []point, least bool) []point {
	if len(points) < blocks {
		return points
	}
	out := make([]point, 0, blocks)
	for i := range blocks {
		part := points[i*len(points)/blocks : (i+1)*len(points)/blocks]
		values := make([]float64, len(part))
		for j, p := range part {
			values[j] = p.value
		}
		slices.Sort(values)
		v := values[len(values)/2]
		if least {
			v = values[0]
		}
		out = append(out, point{(part[0].at + part[len(part)-1].at) / 2, v})
	}
	return out
}

// Verdicts on a series.
const (
	verdictFlat    = "flat"
	verdictGrowing = "growing"
	verdictUnclear = "unclear" // the bounds are too far apart to say
)

// verdict judges a slope by what it may be at most: growing if it is above that for
// sure, flat if it is below for sure.
func (s slope) verdict(most number) string {
	switch {
	case !s.PerHour.known():
		return verdictUnclear
	case s.Low > most:
		return verdictGrowing
	case s.High <= most:
		return verdictFlat
	}
	return verdictUnclear
}
