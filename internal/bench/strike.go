package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// How a trial goes: load, a kill, load while it is down, a restart, load.
const (
	beforeStrike  = 4 * time.Second
	downForBroker = 5 * time.Second
	downForItself = time.Second
	afterHealing  = 10 * time.Second
	settledAfter  = 3 * time.Second  // without a change in the topic
	settledAtMost = 60 * time.Second // whatever still changes
)

// What is killed.
const (
	strikeBroker = "broker, kill -9"
	strikeItself = "itself, kill -9"
)

// outage is one trial: what was accepted, and what of it Kafka holds in the end.
type outage struct {
	Target     string `json:"target"`
	Killed     string `json:"killed"`
	Accepted   int    `json:"accepted"`   // answered 200
	Refused    int    `json:"refused"`    // answered otherwise: the sender tries again
	Unanswered int    `json:"unanswered"` // likewise
	Lost       int    `json:"lost"`       // accepted, and not in the topic
	Twice      int    `json:"twice"`      // in the topic more than once
	Ghosts     int    `json:"ghosts"`     // not accepted, and in the topic all the same
	Longest    number `json:"longest_answer_ms"`
	Trouble    string `json:"trouble,omitempty"` // why it did not come to an end
}

// strikes breaks everything once under every entrant.
func (v *versus) strikes(ctx context.Context) ([]outage, error) {
	var all []outage
	for _, e := range v.entries {
		for _, what := range []string{strikeBroker, strikeItself} {
			if e.topic == nil || e.name == targetProduce || what == strikeBroker && (e.embedded || !v.cluster.mortal()) {
				continue
			}
			v.tell(e.name + ": killing " + what)
			got, err := v.strike(ctx, e, what)
			if ctx.Err() != nil {
				return all, fmt.Errorf("bench: stopped: %w", ctx.Err())
			}
			if err != nil {
				got.Trouble = err.Error()
			}
			all = append(all, got)
		}
	}
	return all, nil
}

// strike is one trial.
func (v *versus) strike(ctx context.Context, e entrant, what string) (got outage, err error) {
	got = outage{Target: e.name, Killed: what}
	tag := ".broker-killed" // a dot: kafka's is not kafka-broker's
	if what == strikeItself {
		tag = ".killed"
	}
	s, err := newStand(ctx, filepath.Join(v.dir, e.name+tag), v.prefix+"-"+e.name+tag)
	if err != nil {
		return got, err
	}
	if err := v.revive(ctx); err != nil {
		return got, err
	}
	t, err := e.launch(ctx, s)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, t.process.stop()) }()
	load := &steady{address: t.process.ready.Listen, conns: steadyConns, rate: steadyRate, write: v.writer(e), ledger: newLedger()}
	hurt := func() error { return v.killBroker(ctx) }
	if what == strikeItself {
		hurt = func() (err error) {
			t, err = relaunch(ctx, e, s, t)
			return err
		}
	}
	if err := load.through(ctx, hurt); err != nil {
		return got, err
	}
	found, err := v.found(ctx, e, s)
	if err != nil {
		return got, err
	}
	load.ledger.compare(found, &got)
	return got, nil
}

// writer makes the requests that an entrant takes.
func (v *versus) writer(e entrant) func(int, time.Time) ([]byte, error) {
	if e.otlp {
		return logRequest
	}
	return func(serial int, now time.Time) ([]byte, error) { return singleRequest(serial, v.signs.secret, now) }
}

// through keeps the load up while something is hurt and heals.
func (s *steady) through(ctx context.Context, hurt func() error) error {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx, stop)
	}()
	err := pause(ctx, beforeStrike)
	if err == nil {
		err = hurt()
	}
	if err == nil {
		err = pause(ctx, afterHealing)
	}
	close(stop)
	<-done
	return err
}

// revive starts a broker that a trial before has left dead, and waits for it.
func (v *versus) revive(ctx context.Context) error {
	if v.cluster.mortal() {
		if err := v.cluster.start(ctx); err != nil {
			return err
		}
	}
	return v.reachable(ctx)
}

// killBroker kills the broker and starts it again.
func (v *versus) killBroker(ctx context.Context) error {
	err := v.cluster.kill(ctx)
	if err == nil {
		err = pause(ctx, downForBroker)
	}
	return errors.Join(err, v.cluster.start(ctx))
}

// relaunch kills a process and starts it again where it was.
func relaunch(ctx context.Context, e entrant, s stand, t *target) (*target, error) {
	if err := t.process.kill(); err != nil {
		return t, err
	}
	if err := pause(ctx, downForItself); err != nil {
		return t, err
	}
	again, err := e.launch(ctx, s)
	if err != nil {
		return t, err
	}
	return again, nil
}

// found waits until an entrant's topic does not grow any more and counts its events by
// their serials.
func (v *versus) found(ctx context.Context, e entrant, s stand) (map[int]int, error) {
	client := v.client
	if e.embedded {
		own, err := broker.Dial(broker.Options{Brokers: []string{s.kafka}, Timeout: time.Minute})
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer own.Close()
		client = own
	}
	topic := e.topic(s.prefix)
	if err := grown(ctx, client, topic); err != nil {
		return nil, err
	}
	return serials(ctx, client, topic)
}

// grown waits until a topic does not grow any more.
func grown(ctx context.Context, client *broker.Client, topic string) error {
	last, begin := -1, time.Now()
	for changed := begin; time.Since(changed) < settledAfter && time.Since(begin) < settledAtMost; {
		now, err := held(ctx, client, topic)
		if err != nil {
			return err
		}
		if now != last {
			last, changed = now, time.Now()
		}
		if err := pause(ctx, settlePoll); err != nil {
			return err
		}
	}
	return nil
}

// serials reads a topic and counts every event.
func serials(ctx context.Context, client *broker.Client, topic string) (map[int]int, error) {
	ranges, err := client.Offsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	found := make(map[int]int)
	for p, r := range ranges {
		err := client.Scan(ctx, topic, p, r.First, r.Next, broker.ScanOptions{}, func(c broker.Chunk) error {
			for _, m := range c.Messages {
				if serial, ok := serialIn(m.Value); ok {
					found[serial]++
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	return found, nil
}

// serialIn finds the id of an event in whatever a program made of it.
func serialIn(value []byte) (int, bool) {
	const digits = 32
	for {
		_, rest, ok := bytes.Cut(value, []byte("evt_"))
		if !ok || len(rest) < digits {
			return 0, false
		}
		if serial, err := strconv.ParseUint(string(rest[digits-15:digits]), 16, 60); err == nil && eventID(int(serial)) == "evt_"+string(rest[:digits]) {
			return int(serial), true
		}
		value = rest
	}
}

// compare holds what was answered against what was found.
func (l *ledger) compare(found map[int]int, o *outage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for serial, got := range l.outcomes {
		copies := found[serial]
		if copies > 1 {
			o.Twice++
		}
		if got != accepted && copies > 0 {
			o.Ghosts++
		}
		switch got {
		case accepted:
			o.Accepted++
			if copies == 0 {
				o.Lost++
			}
		case refused:
			o.Refused++
		case unanswered:
			o.Unanswered++
		}
	}
	o.Longest = milliseconds(l.longest)
}
