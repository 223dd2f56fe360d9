package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// The batches that are measured, and over how many connections.
const versusBatch = 1000

// batchConns are the numbers of connections that batches are sent over.
func batchConns() []int { return []int{4, 8} }

// batchWarmth is how many loads of briefWarmth are put on before batches are measured.
const batchWarmth = 4

// versus is a comparison with peers.
type versus struct {
	options
	shared
	dir      string
	root     string // of the sources
	prefix   string // of the topics
	signs    credentials
	cluster  *cluster
	entries  []entrant
	binary   string // of the receiver
	progress io.Writer
}

// versusBenchmark is a whole run of -peers.
func versusBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "postrider-bench-")
	if err != nil {
		return fmt.Errorf("bench: temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	v := &versus{options: o, dir: dir, prefix: "bench-" + randomHex()[:8], progress: progress}
	r := newVersusReport(ctx, o, args)
	if err := v.prepare(ctx, r); err != nil {
		return err
	}
	if v.cluster, err = useCluster(ctx, o, v.root, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.cluster.end(ctx)) }()
	if err := v.enter(r); err != nil {
		return err
	}
	defer v.client.Close()
	if err := v.reachable(ctx); err != nil {
		return err
	}
	if err := v.measure(ctx, r); err != nil {
		return err
	}
	r.judge()
	if err := r.write(out, o.output); err != nil {
		return err
	}
	if !r.sound() {
		return errUnsound
	}
	return nil
}

// prepare builds and fetches everything.
func (v *versus) prepare(ctx context.Context, r *versusReport) (err error) {
	if v.root, err = sourceRoot(ctx); err != nil {
		return err
	}
	if v.signs, err = newCredentials(); err != nil {
		return err
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("bench: cache folder: %w", err)
	}
	v.sources, v.cache = filepath.Join(v.root, "internal", "bench", "peers"), filepath.Join(user, "postrider-bench")
	if v.binary = v.options.binary; v.binary == "" {
		v.tell("building postrider")
		if v.binary, err = build(ctx, v.dir); err != nil {
			return err
		}
	}
	r.installed, r.Missing, err = available(ctx, v.targets, v.sources, v.cache, v.tell)
	return err
}

// enter lists who takes part.
func (v *versus) enter(r *versusReport) error {
	client, err := broker.Dial(broker.Options{Brokers: v.cluster.brokers})
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	v.client, v.shared.brokers, v.shared.partitions, v.secret = client, v.cluster.brokers, v.options.partitions, v.signs.secret
	v.entries = v.entrants(v.targets, v.receivers(v.options), r.installed)
	for _, e := range v.entries {
		r.Entrants = append(r.Entrants, described{e.name, e.does, e.ours})
	}
	return nil
}

// reachable waits until the broker tells what there is: one that has just been started
// answers before it does.
func (v *versus) reachable(ctx context.Context) error {
	_, err := v.client.TopicNames(ctx)
	for begin := time.Now(); err != nil && time.Since(begin) < 2*readyPatience; _, err = v.client.TopicNames(ctx) {
		if err := pause(ctx, settlePoll); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// receivers are ours that the options ask for.
func (v *versus) receivers(o options) []receiver {
	o.brokers = v.cluster.brokers
	o.targets = slices.DeleteFunc(slices.Clone(o.targets), func(t string) bool {
		return !onKafka(t) && t != targetSync && t != targetNoSync
	})
	return plan(o, v.binary, v.signs, v.prefix)
}

// measure does everything that takes time.
func (v *versus) measure(ctx context.Context, r *versusReport) (err error) {
	if r.Measurements, err = v.singles(ctx); err != nil {
		return err
	}
	if r.Batches, err = v.batches(ctx); err != nil {
		return err
	}
	if v.faults {
		r.Faults, err = v.strikes(ctx)
	}
	return err
}

// singles measures every entrant under single events.
func (v *versus) singles(ctx context.Context) (ms []measurement, err error) {
	p, err := newPool(v.requests(), 0, v.signs, time.Now)
	if err != nil {
		return nil, err
	}
	logs, err := newLogs(v.requests(), time.Now)
	if err != nil {
		return nil, err
	}
	ts, err := launchAll(ctx, v.entries, filepath.Join(v.dir, "speed"), v.prefix)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopAll(ts)) }()
	c := &campaign{options: v.options, targets: ts, pool: p, otlp: logs, progress: v.progress}
	if err := v.warm(ctx, c); err != nil {
		return nil, err
	}
	return c.run(ctx)
}

// newLogs are the same events for a collector.
func newLogs(size int, now func() time.Time) (*pool, error) {
	p := &pool{now: now, write: logRequest, requests: make([][]byte, size)}
	return p, p.make(size)
}

// warm puts a load on every target whose measurements are thrown away: the machine code
// of the broker and of the peers on Java has to be made first.
func (v *versus) warm(ctx context.Context, c *campaign) error {
	for i, t := range c.targets {
		lasting := v.entries[i].warm
		if t.probe != nil {
			lasting = briefWarmth
		}
		v.tell("warming " + t.name)
		if err := c.discard(ctx, t, markConns, lasting); err != nil {
			return err
		}
	}
	return nil
}

// warmBatches is warm for batches: the broker takes other ways through its code for large
// ones. The load is put on in parts because there are not enough requests for one.
func (v *versus) warmBatches(ctx context.Context, c *campaign) error {
	for _, t := range c.targets {
		v.tell("warming " + t.name + " with batches")
		for range batchWarmth {
			if err := c.discard(ctx, t, slices.Max(batchConns()), briefWarmth); err != nil {
				return err
			}
		}
	}
	return nil
}

// discard measures a target once, for nothing but the load.
func (c *campaign) discard(ctx context.Context, t *target, conns int, lasting time.Duration) error {
	first := *c
	first.options.rounds, first.options.warmup, first.options.duration = 1, 0, lasting
	if _, err := first.measure(ctx, t, conns); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return nil
}

// batches measures the receiver with the default durability, and the bare handler, under
// batches.
func (v *versus) batches(ctx context.Context) (ms []measurement, err error) {
	o := v.options
	o.batch, o.conns = versusBatch, batchConns()
	o.targets = slices.DeleteFunc(slices.Clone(o.targets), func(t string) bool { return t != targetKafka })
	if len(o.targets) == 0 {
		return nil, nil
	}
	p, err := newPool(o.requests(), o.batch, v.signs, time.Now)
	if err != nil {
		return nil, err
	}
	rs := v.receivers(o)
	for i := range rs {
		rs[i].prefix += "-batches"
	}
	ts, err := startAll(ctx, o, filepath.Join(v.dir, "batches"), rs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopAll(ts)) }()
	c := &campaign{options: o, targets: ts, pool: p, progress: v.progress}
	if err := v.warmBatches(ctx, c); err != nil {
		return nil, err
	}
	return c.run(ctx)
}

// tell writes a line about what goes on.
func (v *versus) tell(what string) { fmt.Fprintln(v.progress, what) }
