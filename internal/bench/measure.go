package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// measurement is one target under one number of connections in one round.
type measurement struct {
	Target      string         `json:"target"`
	Conns       int            `json:"connections"`
	Round       int            `json:"round"`
	Requests    uint64         `json:"requests"` // answered 200 within the measured time
	Seconds     number         `json:"seconds"`
	PerSecond   number         `json:"requests_per_second"`
	P50         number         `json:"p50_ms"`
	P99         number         `json:"p99_ms"`
	Max         number         `json:"max_ms"`
	CPU         number         `json:"cpu_seconds_per_100k"` // of the target's process
	GeneratorCP number         `json:"generator_cpu_seconds_per_100k"`
	Memory      number         `json:"peak_rss_mib"`
	Others      number         `json:"other_cores"` // processors taken by neither target nor generator
	Errors      map[string]int `json:"errors,omitempty"`
	Fault       string         `json:"fault,omitempty"` // what does not add up
}

// campaign is a whole run.
type campaign struct {
	options  options
	targets  []*target
	pool     *pool
	progress io.Writer
}

// run measures every target under every number of connections, round by round.
// Targets take turns within a round, in the opposite order every other round,
// so that what the machine does besides meets all alike.
func (c *campaign) run(ctx context.Context) ([]measurement, error) {
	var all []measurement
	for round := range c.options.rounds {
		for _, conns := range c.options.conns {
			turn := slices.Clone(c.targets)
			if round%2 == 1 {
				slices.Reverse(turn)
			}
			for _, t := range turn {
				m, err := c.measure(ctx, t, conns)
				if err != nil {
					return all, fmt.Errorf("%s, %d connections, round %d: %w", t.name, conns, round+1, err)
				}
				m.Round = round + 1
				all = append(all, m)
				c.tell(m)
			}
		}
	}
	return all, nil
}

// tell writes a line about a measurement just done.
func (c *campaign) tell(m measurement) {
	fmt.Fprintf(c.progress, "round %d/%d  %-8s %4d connections  %8.0f req/s  p50 %7.3f ms  p99 %7.3f ms", m.Round, c.options.rounds,
		m.Target, m.Conns, float64(m.PerSecond), float64(m.P50), float64(m.P99))
	if len(m.Errors) > 0 {
		fmt.Fprintf(c.progress, "  errors: %v", m.Errors)
	}
	if m.Fault != "" {
		fmt.Fprintf(c.progress, "  FAULT: %s", m.Fault)
	}
	fmt.Fprintln(c.progress)
}

// measure puts one load on one target and compares what the target counted with
// what it answered.
func (c *campaign) measure(ctx context.Context, t *target, conns int) (measurement, error) {
	if err := c.pool.refresh(!t.counted); err != nil {
		return measurement{}, err
	}
	before, err := t.counters(ctx)
	if err != nil {
		return measurement{}, err
	}
	pid := t.process.pid()
	resetPeakMemory(pid)
	l := load{address: t.process.ready.Listen, conns: conns, warmup: c.options.warmup, duration: c.options.duration}
	o, err := l.run(ctx, c.pool, func() usage { return sampleUsage(pid) })
	if err != nil {
		return measurement{}, err
	}
	m := summarize(o)
	m.Target, m.Conns, m.Memory = t.name, conns, peakMemory(pid)
	after, err := t.counters(ctx)
	if err != nil {
		return measurement{}, err
	}
	if t.counted {
		m.Fault = disagreement(before, after, o.ok)
	}
	return m, nil
}

// counters asks a receiver what it has counted; the yardstick counts nothing.
func (t *target) counters(ctx context.Context) (counters, error) {
	if !t.counted {
		return counters{}, nil
	}
	return readCounters(ctx, t.process.ready.Admin)
}

// disagreement says where a receiver's counters do not fit the requests that
// were answered 200; "" if they do. Each request holds one event.
func disagreement(before, after counters, ok int) string {
	published, answered := after.published-before.published, after.answered-before.answered
	if published == ok && answered == ok {
		return ""
	}
	return fmt.Sprintf("%d requests answered 200 here, %d by the receiver's count, %d events published", ok, answered, published)
}

// summarize turns what a load observed into the numbers of a measurement.
func summarize(o *observed) measurement {
	requests := float64(o.latency.total)
	hundredThousands := number(requests / 100_000)
	target, generator := o.after.target-o.before.target, o.after.generator-o.before.generator
	return measurement{
		Requests:    o.latency.total,
		Seconds:     number(o.seconds),
		PerSecond:   number(requests / o.seconds),
		P50:         milliseconds(o.latency.quantile(0.50)),
		P99:         milliseconds(o.latency.quantile(0.99)),
		Max:         milliseconds(o.latency.max),
		CPU:         target / hundredThousands,
		GeneratorCP: generator / hundredThousands,
		Others:      max(0, (o.after.machine-o.before.machine-target-generator)/number(o.seconds)),
		Errors:      o.errors,
	}
}

// milliseconds is a duration as a number of milliseconds.
func milliseconds(d time.Duration) number { return number(d.Seconds() * 1000) }
