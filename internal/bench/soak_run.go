package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// What a soak bounds, so that everything that is meant to fill up has done so within its
// first half.
const (
	soakConns       = 32
	soakBrokerBytes = 4 << 20 // that a partition of an embedded broker keeps; it is in memory, too
	soakSegment     = 1 << 20
	soakSamples     = 900 // in all
)

// errGrowing ends a soak in which something grows.
var errGrowing = errors.New("bench: something grows with time; see the report")

// soakBenchmark is a whole run of -soak.
func soakBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "postrider-bench-")
	if err != nil {
		return fmt.Errorf("bench: temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	signs, err := newCredentials()
	if err != nil {
		return err
	}
	binary, err := theBinary(ctx, o, dir, progress)
	if err != nil {
		return err
	}
	s := &site{
		name: "soak", binary: binary, dir: filepath.Join(dir, "soak"), brokers: o.brokers, prefix: "soak-" + randomHex()[:8],
		config: siteConfig{maxIDs: o.soakIDs(), brokerBytes: soakBrokerBytes, brokerSegment: soakSegment, sources: usual(signs)},
	}
	t, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.process.stop()) }()
	r := newSoakReport(ctx, o, args)
	if err := r.watch(ctx, s, t, signs, progress); err != nil {
		return err
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	return r.verdict()
}

// soakIDs is a window of ids that is full after an eighth of the time.
func (o *options) soakIDs() int { return max(1000, int(o.soak.Seconds()*float64(o.rate)/8)) }

// watch puts the load on and samples the receiver meanwhile.
func (r *soakReport) watch(ctx context.Context, s *site, t *target, signs credentials, progress io.Writer) error {
	before, err := scrape(ctx, t.process.ready.Admin)
	if err != nil {
		return err
	}
	began := time.Now()
	l := &steadyLoad{
		address: t.process.ready.Listen, rate: r.options.rate, conns: soakConns,
		window:  window{from: began, to: began.Add(r.options.soak), grace: answerGrace},
		request: func(serial int) ([]byte, error) { return singleRequest(serial, signs.secret, time.Now()) },
	}
	done, failed := make(chan struct{}), error(nil)
	go func() {
		defer close(done)
		r.load, failed = l.run(ctx)
	}()
	if err := r.sample(ctx, s, t, began, done, progress); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	after, err := scrape(ctx, t.process.ready.Admin)
	if err != nil {
		return err
	}
	r.fault = mismatch(before, after, r.load.ok)
	return nil
}

// sample looks at the receiver until the load is done, which it waits for in any case.
func (r *soakReport) sample(ctx context.Context, s *site, t *target, began time.Time, done <-chan struct{}, progress io.Writer) (err error) {
	tick := time.NewTicker(max(r.options.soak/soakSamples, 100*time.Millisecond))
	defer tick.Stop()
	told := began
	for {
		select {
		case <-done:
			return err
		case <-tick.C:
		}
		v, e := sampleSoak(ctx, t, s.dir, began)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		r.Samples = append(r.Samples, v)
		if time.Since(told) >= r.options.soak/30 {
			told = time.Now()
			fmt.Fprintf(progress, "%6.0f s  RSS %6.1f MiB  heap %6.1f MiB  goroutines %4.0f  files %4.0f  ids %7.0f  disk %6.1f MiB\n",
				float64(v.Seconds), float64(v.RSS), float64(v.Heap), float64(v.Goroutines), float64(v.Files), float64(v.IDs), float64(v.Disk))
		}
	}
}
