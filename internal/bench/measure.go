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
	Window      number         `json:"dedupe_window_mib"` // of it, for the ids that are remembered
	Others      number         `json:"other_cores"`       // processors taken by neither target nor generator
	Errors      map[string]int `json:"errors,omitempty"`
	Fault       string         `json:"fault,omitempty"` // what does not add up
}

// campaign is a whole run.
type campaign struct {
	options  options
	targets  []*target
	pool     *pool
	otlp     *pool // of the same events for a collector; nil where there is none
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
				if t.probe != nil && conns > 1 {
					continue // one client knows one connection
				}
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
	if t.probe != nil {
		return c.probe(ctx, t)
	}
	p := c.pool
	if t.otlp {
		p = c.otlp
	}
	if err := p.refresh(!t.counted); err != nil {
		return measurement{}, err
	}
	before, err := t.counters(ctx)
	if err != nil {
		return measurement{}, err
	}
	pid := t.process.pid()
	resetPeakMemory(pid)
	l := load{address: t.process.ready.Listen, conns: conns, warmup: c.options.warmup, duration: c.options.duration}
	o, err := l.run(ctx, p, func() usage { return sampleUsage(pid) })
	if err != nil {
		return measurement{}, err
	}
	m := summarize(o)
	m.Target, m.Conns, m.Memory = t.name, conns, peakMemory(pid)
	after, err := t.settled(ctx, before, o.ok)
	if err != nil {
		return measurement{}, err
	}
	m.Window, m.Fault = number(after.known)*bytesOfID/(1<<20), t.fault(before, after, o.ok)
	return m, nil
}

// bytesOfID is what a remembered id takes, at most (docs/operations.md).
const bytesOfID = 45

// probe measures what needs no process.
func (c *campaign) probe(ctx context.Context, t *target) (measurement, error) {
	o, err := t.probe(ctx, c.options.warmup, c.options.duration)
	if err != nil {
		return measurement{}, err
	}
	m := summarize(o)
	m.Target, m.Conns, m.Memory, m.CPU, m.GeneratorCP, m.Others = t.name, 1, unknown(), unknown(), unknown(), unknown()
	return m, nil
}

// counters asks a receiver what it has counted, or the topic that others write to what
// it holds; the bare handler counts nothing.
func (t *target) counters(ctx context.Context) (counters, error) {
	switch {
	case t.counted:
		return readCounters(ctx, t.process.ready.Admin)
	case t.held != nil:
		n, err := t.held(ctx)
		return counters{published: n}, err
	}
	return counters{}, nil
}

// fault says what does not fit the requests that were answered 200; "" if all does.
func (t *target) fault(before, after counters, ok int) string {
	switch {
	case t.counted:
		after.published += after.spooled - before.spooled
		return disagreement(before, after, ok, t.events)
	case t.held != nil && after.published-before.published != ok:
		return fmt.Sprintf("%d requests answered 200, %d records in its topic", ok, after.published-before.published)
	}
	return ""
}

// How long to wait for what was answered before Kafka had it.
const (
	settlePoll     = 100 * time.Millisecond
	settlePatience = 5 * time.Second // without a change
)

// settled returns the counters once Kafka has everything, so that what one target
// left to do does not burden the next, or once nothing changes any more.
func (t *target) settled(ctx context.Context, before counters, ok int) (counters, error) {
	last, err := t.counters(ctx)
	for changed := time.Now(); err == nil && t.late && !t.all(before, last, ok) && time.Since(changed) < settlePatience; {
		if err := pause(ctx, settlePoll); err != nil {
			return last, err
		}
		var now counters
		if now, err = t.counters(ctx); now != last {
			last, changed = now, time.Now()
		}
	}
	return last, err
}

// all reports whether Kafka has what was answered.
func (t *target) all(before, now counters, ok int) bool {
	done := now.published + now.spooled - before.published - before.spooled
	return done >= ok*max(1, t.events) && now.waiting == 0
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bench: stopped: %w", ctx.Err())
	}
}

// disagreement says where a receiver's counters do not fit the requests that
// were answered 200, with some events each; "" if they do.
func disagreement(before, after counters, ok, events int) string {
	published, answered := after.published-before.published, after.answered-before.answered
	if published == ok*events && answered == ok {
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
