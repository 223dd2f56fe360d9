package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// crowdSize is how many receivers share the work.
const crowdSize = 3

// crowd is receivers with one configuration, each with a folder of its own, and a
// balancer in front of them.
type crowd struct {
	sites    []*site
	targets  []*target
	balancer *balancer
}

// startCrowd starts n receivers and the balancer.
func (g *growth) startCrowd(ctx context.Context, n int, prefix string) (c *crowd, err error) {
	c = &crowd{}
	addresses := make([]string, 0, n)
	for i := range n {
		name := fmt.Sprintf("%s-%d", prefix, i+1)
		s := &site{name: name, binary: g.binary, dir: filepath.Join(g.dir, name), brokers: g.options.brokers, prefix: prefix, config: siteConfig{sources: usual(g.signs)}}
		t, err := s.start(ctx)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		if _, err := awaitIDs(ctx, t.process.ready.Admin); err != nil {
			return nil, errors.Join(err, t.process.stop(), c.stop())
		}
		c.sites, c.targets = append(c.sites, s), append(c.targets, t)
		addresses = append(addresses, t.process.ready.Listen)
	}
	if c.balancer, err = newBalancer(ctx, addresses); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// stop ends all that runs.
func (c *crowd) stop() error {
	if c.balancer != nil {
		c.balancer.close()
	}
	return stopAll(c.targets)
}

// together is one measurement of a crowd.
type together struct {
	Receivers int            `json:"receivers"`
	Round     int            `json:"round"`
	PerSecond number         `json:"events_per_second"`
	P50       number         `json:"p50_ms"`
	P99       number         `json:"p99_ms"`
	Cost      number         `json:"cpu_us_per_event"` // of all receivers
	Batch     number         `json:"records_per_batch"`
	Errors    map[string]int `json:"errors,omitempty"`
	Fault     string         `json:"fault,omitempty"`
}

// clusterBenchmark is a whole run of -cluster.
func clusterBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) (err error) {
	g, err := prepareGrowth(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	r := newClusterReport(ctx, o, args)
	if err := g.cluster(ctx, r); err != nil {
		return err
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	return r.unsound()
}

// cluster measures one receiver and three, and then looks at what three do together.
func (g *growth) cluster(ctx context.Context, r *clusterReport) (err error) {
	prefix := "cluster-" + randomHex()[:8]
	one, err := g.startCrowd(ctx, 1, prefix+"-one")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, one.stop()) }()
	three, err := g.startCrowd(ctx, crowdSize, prefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, three.stop()) }()
	p, err := newPool(g.options.requests(), 0, g.signs, time.Now)
	if err != nil {
		return err
	}
	if err := g.compare(ctx, one, three, p, r); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *crowd, *clusterReport) error{g.repeats, g.sharing, g.death} {
		if err := step(ctx, three, r); err != nil {
			return err
		}
	}
	return nil
}

// compare measures both in turn; a first round warms up and does not count.
func (g *growth) compare(ctx context.Context, one, three *crowd, p *pool, r *clusterReport) error {
	pair := []*crowd{one, three}
	for round := range g.options.rounds + 1 {
		for i := range pair {
			m, err := g.together(ctx, pair[(i+round)%2], p)
			if err != nil {
				return err
			}
			m.Round = round
			fmt.Fprintf(g.progress, "round %d/%d  %d receivers  %8.0f events/s  p99 %6.1f ms  %6.1f µs an event  %s\n",
				round, g.options.rounds, m.Receivers, float64(m.PerSecond), float64(m.P99), float64(m.Cost), m.Fault)
			if round > 0 {
				r.Together = append(r.Together, m)
			}
		}
	}
	return nil
}

// together puts the load on the balancer of a crowd.
func (g *growth) together(ctx context.Context, c *crowd, p *pool) (together, error) {
	if err := p.refresh(false); err != nil {
		return together{}, err
	}
	before, err := c.scrape(ctx)
	if err != nil {
		return together{}, err
	}
	l := load{address: c.balancer.address(), conns: g.options.growthConns(), warmup: g.options.warmup, duration: g.options.duration}
	o, err := l.run(ctx, p, c.usage)
	if err != nil {
		return together{}, err
	}
	after, err := c.scrape(ctx)
	if err != nil {
		return together{}, err
	}
	m := summarize(o)
	records, batches := batchesBetween(before, after)
	return together{
		Receivers: len(c.targets), PerSecond: m.PerSecond, P50: m.P50, P99: m.P99, Cost: m.CPU * 10, Batch: records / batches,
		Errors: m.Errors, Fault: mismatch(before, after, o.ok),
	}, nil
}

// usage is the processor time of all its receivers.
func (c *crowd) usage() usage {
	u := sampleUsage(c.targets[0].process.pid())
	for _, t := range c.targets[1:] {
		u.target += processSeconds(t.process.pid())
	}
	return u
}

// scrape adds up what its receivers count.
func (c *crowd) scrape(ctx context.Context) (gauges, error) {
	all := make(gauges)
	for _, t := range c.targets {
		g, err := scrape(ctx, t.process.ready.Admin)
		if err != nil {
			return nil, err
		}
		for name, v := range g {
			all[name] += v
		}
	}
	return all, nil
}

// sharing starts a receiver in the folder of one that runs, and expects it to refuse.
func (g *growth) sharing(ctx context.Context, c *crowd, r *clusterReport) error {
	again := *c.sites[0]
	t, err := again.start(ctx)
	if err == nil {
		r.Faults = append(r.Faults, "a second receiver started in the folder of a running one")
		return t.process.stop()
	}
	said := strings.TrimSpace(err.Error())
	r.Findings = append(r.Findings, "a second receiver in the folder of a running one ends at start and says: "+said[strings.LastIndexByte(said, '\n')+1:])
	return nil
}
