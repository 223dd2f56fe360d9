package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"
)

// drain fills the spool while Kafka is away and measures how fast it empties.
func (r *run) drain(ctx context.Context, s *stage) error {
	if err := s.receiver.start(ctx); err != nil {
		return err
	}
	s.load = r.startLoad(ctx, s.options(r.opt.seed, s.receiver.base()))
	defer s.load.finish(0)
	pause(ctx, 2*time.Second)
	r.outage(stepNodeKill, 0)
	if err := r.cluster.killNode(ctx, 0); err != nil {
		return err
	}
	begun, before := time.Now(), s.load.events.Load()
	limit := 30*time.Second + time.Duration(s.size)*2*time.Millisecond
	for s.load.events.Load()-before < int64(s.size) && time.Since(begun) < limit && pause(ctx, pollEvery) {
	}
	pause(ctx, 2*outageFirst-time.Since(begun)) // so that there is a time after the first one
	spooled, away := s.load.events.Load()-before, time.Since(begun)
	depth := r.depth(ctx, s.receiver)
	s.load.pace.set(s.rate / 10) // new events queue behind the old ones
	r.back(stepNodeKill)
	if err := r.cluster.startNode(ctx, 0); err != nil {
		return err
	}
	took, err := r.awaitDrained(ctx, s.receiver)
	s.result.note("%d events accepted in %.1f s without Kafka, %d records in the spool, drained %.1f s after Kafka answered again",
		spooled, away.Seconds(), depth, took.Seconds())
	switch {
	case err != nil:
		s.result.breach("%v", err)
	case took > drainLimit:
		s.result.breach("draining took %.1f s, more than %s", took.Seconds(), drainLimit)
	}
	if spooled < int64(s.size) {
		s.result.breach("only %d of %d events were accepted while Kafka was away", spooled, s.size)
	}
	s.result.outageLimits = true
	return r.settle(ctx, s)
}

// drainLimit is within what a spool of 100,000 events has to be empty once
// Kafka answers again.
const drainLimit = 30 * time.Second

// disk fills the spool's disk: a small file system that only the receiver
// sees, or, where this may not be made, a small bound of the spool itself.
func (r *run) disk(ctx context.Context, s *stage) error {
	s.receiver.extra = "spool: {dir: spool, max_bytes: 8MiB, min_free: 0, segment_bytes: 1MiB}\n"
	how := "spool.max_bytes of 8 MiB reached"
	if exec.CommandContext(ctx, "unshare", "--mount", "true").Run() == nil {
		s.receiver.extra = "spool: {dir: spool, max_bytes: 64MiB, min_free: 0, segment_bytes: 1MiB}\n"
		s.receiver.wrap = s.receiver.onSmallDisk
		how = "a file system of 8 MiB full"
	}
	if err := s.receiver.start(ctx); err != nil {
		return err
	}
	s.load = r.startLoad(ctx, s.options(r.opt.seed, s.receiver.base()))
	defer s.load.finish(0)
	pause(ctx, time.Second)
	before := s.load.events.Load()
	r.outage(stepFreeze, 0)
	if err := r.cluster.freeze(0); err != nil {
		return err
	}
	refused, begun := s.load.refused.Load(), time.Now()
	for s.load.refused.Load()-refused < 100 && time.Since(begun) < 2*time.Minute && pause(ctx, pollEvery) {
	}
	full := time.Since(begun)
	r.journal.fault(time.Now(), faultSpoolFull, 0, "")
	pause(ctx, s.tail) // and stay full for a while
	spooled := s.load.events.Load() - before
	refused = s.load.refused.Load() - refused
	if err := r.cluster.thaw(); err != nil {
		return err
	}
	r.back(stepFreeze)
	pause(ctx, 2*time.Second)
	s.result.note("%s after %.1f s: %d events accepted, then %d refusals", how, full.Seconds(), spooled, refused)
	if refused < 100 || spooled == 0 {
		s.result.breach("the disk did not fill: %d events accepted, %d refusals", spooled, refused)
	}
	return r.settle(ctx, s)
}

// onSmallDisk is the receiver in a mount namespace of its own, where its spool's
// folder is a file system of 8 MiB.
func (r *receiver) onSmallDisk() command {
	const script = `mkdir -p "$1" && mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" && shift && exec "$@"`
	return command{"unshare", []string{
		"--mount", "sh", "-c", script, "sh", filepath.Join(r.dir, "spool"), r.binary, "serve", "--config", filepath.Join(r.dir, "config.yaml"),
	}}
}

// rolling restarts two receivers in turn while senders go to the other one with
// what the first does not take.
func (r *run) rolling(ctx context.Context, s *stage) error {
	second, err := newReceiver(ctx, s.receiver.dir+"-second", s.receiver.binary, r.prefix, s.receiver.brokers, &r.keys)
	if err != nil {
		return err
	}
	second.keep = s.receiver.keep
	defer second.kill()
	both := []*receiver{s.receiver, second}
	for _, recv := range both {
		if err := recv.start(ctx); err != nil {
			return err
		}
	}
	s.load = r.startLoad(ctx, s.options(r.opt.seed, s.receiver.base(), second.base()))
	defer s.load.finish(0)
	for range s.size {
		for _, recv := range both {
			pause(ctx, time.Second)
			if err := r.stopReceiver(ctx, &stage{receiver: recv, result: s.result}); err != nil {
				return err
			}
		}
	}
	pause(ctx, time.Second)
	s.load.finish(settlePatience)
	r.rest(ctx, s, second)
	if _, err := second.terminate(); err != nil {
		s.result.breach("%v", err)
	}
	return r.settle(ctx, s)
}

// late starts the receiver while Kafka is away.
func (r *run) late(ctx context.Context, s *stage) error {
	r.outage(stepNodeKill, 0)
	if err := r.cluster.killNode(ctx, 0); err != nil {
		return err
	}
	begun := time.Now()
	if err := s.receiver.start(ctx); err != nil {
		return err
	}
	s.result.note("ready %.1f s after its start without Kafka", time.Since(begun).Seconds())
	s.load = r.startLoad(ctx, s.options(r.opt.seed, s.receiver.base()))
	defer s.load.finish(0)
	pause(ctx, s.tail)
	accepted := s.load.events.Load()
	r.back(stepNodeKill)
	if err := r.cluster.startNode(ctx, 0); err != nil {
		return err
	}
	s.result.note("%d events accepted before Kafka was there", accepted)
	if accepted == 0 {
		s.result.breach("nothing was accepted before Kafka was there")
	}
	pause(ctx, 2*time.Second)
	return r.settle(ctx, s)
}

// rssLimit is what the receiver may hold while it is overloaded, MiB.
const rssLimit = 256

// overload measures what the machine sustains and then sends as much as it can
// from many more connections.
func (r *run) overload(ctx context.Context, s *stage) error {
	if err := s.receiver.start(ctx); err != nil {
		return err
	}
	o := s.options(r.opt.seed, s.receiver.base())
	calm := o
	calm.senders, calm.mix = 16, mix{}
	s.load = r.startLoad(ctx, calm)
	defer func() { s.load.finish(0) }()
	const calibration = 3 * time.Second
	pause(ctx, calibration)
	s.load.finish(settlePatience)
	sustained := float64(s.load.accepted.Load()) / calibration.Seconds()
	resetPeak(s.receiver.pid())
	r.journal.fault(time.Now(), faultOverload, 0, "")
	o.hasty = true
	s.load = r.startLoad(ctx, o)
	begun := time.Now()
	pause(ctx, s.tail)
	accepted, refused, took := s.load.accepted.Load(), s.load.refused.Load(), time.Since(begun).Seconds()
	peak := memoryOf(s.receiver.pid()).peak
	s.result.note("%.0f requests/s sustained from 16 connections; from %d connections %.0f attempts/s, %.0f accepted/s, %d refused; peak memory %.0f MiB",
		sustained, o.senders, float64(accepted+refused)/took, float64(accepted)/took, refused, peak)
	if peak > rssLimit {
		s.result.breach("%.0f MiB resident, more than %d", peak, rssLimit)
	}
	return r.settle(ctx, s)
}
