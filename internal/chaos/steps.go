package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// step breaks one thing and puts it right again.
func (r *run) step(ctx context.Context, s *stage, st step) error {
	switch st.kind {
	case stepKill:
		return r.killReceiver(ctx, s)
	case stepTerm:
		return r.stopReceiver(ctx, s)
	case stepNodeKill, stepLeader:
		return r.killNode(ctx, s, st)
	case stepFreeze, stepMinISR:
		return r.freezeFor(ctx, st)
	case stepFrozen:
		r.outage(stepFreeze, st.node)
		return r.cluster.freeze(st.node)
	case stepThaw:
		defer r.back(stepFreeze)
		return r.cluster.thaw()
	case stepReload:
		return r.rotate(ctx, s)
	case stepBad:
		return r.badReload(ctx, s)
	}
	return fmt.Errorf("chaos: no step %q", st.kind)
}

// killReceiver kills the receiver and starts it again. What it held in its
// spool may come a second time: it may be in Kafka without its settlement.
func (r *run) killReceiver(ctx context.Context, s *stage) error {
	depth := r.depth(ctx, s.receiver)
	s.result.Peak = max(s.result.Peak, memoryOf(s.receiver.pid()).peak)
	at := time.Now()
	s.receiver.kill()
	r.journal.fault(at, stepKill, depth, strconv.FormatInt(r.journal.at(time.Now()), 10))
	return s.receiver.start(ctx)
}

// stopReceiver stops the receiver in order and starts it again.
func (r *run) stopReceiver(ctx context.Context, s *stage) error {
	r.journal.fault(time.Now(), stepTerm, 0, "")
	took, err := s.receiver.terminate()
	if errors.Is(err, errStop) {
		s.result.breach("%v", err)
	} else if err != nil {
		return err
	}
	s.result.longest("the slowest stop took", took)
	return s.receiver.start(ctx)
}

// longest keeps the longest of some times as one note.
func (r *result) longest(what string, took time.Duration) {
	if r.times == nil {
		r.times = make(map[string]time.Duration)
	}
	r.times[what] = max(r.times[what], took)
}

// killNode kills a node and starts it again; with several nodes it waits until
// all replicas are in sync before the next one may go.
func (r *run) killNode(ctx context.Context, s *stage, st step) error {
	if st.kind == stepLeader {
		n, err := r.cluster.leads(ctx, r.prefix, st.node)
		if err != nil {
			return err
		}
		s.result.leaders += n
	}
	r.outage(st.kind, st.node)
	if err := r.cluster.killNode(ctx, st.node); err != nil {
		return err
	}
	pause(ctx, st.hold)
	r.back(st.kind)
	if err := r.cluster.startNode(ctx, st.node); err != nil {
		return err
	}
	return r.cluster.awaitWhole(ctx, r.prefix)
}

// freezeFor freezes one node, or all but one, for a while.
func (r *run) freezeFor(ctx context.Context, st step) error {
	nodes := []int{st.node}
	if st.kind == stepMinISR {
		nodes = nil
		for i := range r.cluster.nodes {
			if i != st.node {
				nodes = append(nodes, i)
			}
		}
	}
	r.outage(st.kind, st.node)
	if err := r.cluster.freeze(nodes...); err != nil {
		return err
	}
	pause(ctx, st.hold)
	if err := r.cluster.thaw(); err != nil {
		return err
	}
	r.back(st.kind)
	return r.cluster.awaitWhole(ctx, r.prefix)
}

// reloadPatience is how long a reload may take, and then for how long requests
// with the old proof may be on their way.
const (
	reloadPatience = 10 * time.Second
	oldProofs      = 3 * time.Second
)

// rotate replaces every secret: first both are valid, then senders use the new
// one, then the old one goes.
func (r *run) rotate(ctx context.Context, s *stage) error {
	r.journal.fault(time.Now(), stepReload, 0, "")
	old := r.keys.current.Load()
	s.receiver.keep = []int64{old + 1, old}
	if err := r.reload(ctx, s, s.receiver.config(), true); err != nil {
		return err
	}
	r.keys.current.Store(old + 1)
	pause(ctx, oldProofs)
	s.receiver.keep = []int64{old + 1}
	return r.reload(ctx, s, s.receiver.config(), true)
}

// badReload offers a configuration that does not load; everything must stay.
func (r *run) badReload(ctx context.Context, s *stage) error {
	r.journal.fault(time.Now(), stepBad, 0, "")
	if err := r.reload(ctx, s, s.receiver.config()+"no_such_key: 1\n", false); err != nil {
		return err
	}
	return s.receiver.writeConfig(s.receiver.config())
}

// reload writes a configuration, signals, and waits until the receiver has
// counted a reload with the result that is wanted.
func (r *run) reload(ctx context.Context, s *stage, config string, good bool) error {
	label := `result="done"`
	if !good {
		label = `result="refused"`
	}
	before, err := s.receiver.scrape(ctx)
	if err != nil {
		return err
	}
	if err := s.receiver.writeConfig(config); err != nil {
		return err
	}
	if err := s.receiver.hangUp(); err != nil {
		return err
	}
	begun := time.Now()
	for time.Since(begun) < reloadPatience && s.receiver.running() {
		page, err := s.receiver.scrape(ctx)
		if err == nil && page.sum(metricReloads, label) > before.sum(metricReloads, label) {
			s.result.longest("the slowest reload took", time.Since(begun))
			return nil
		}
		if !pause(ctx, pollEvery) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("chaos: the receiver counted no reload with %s; its output ends with:\n%s", label, s.receiver.tail())
}

// metricReloads counts reloads by result.
const metricReloads = "postrider_config_reloads_total"
