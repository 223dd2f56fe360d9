package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Kinds of steps. Those with a hold undo themselves after it.
const (
	stepKill     = faultBridgeKill  // kill -9 of the receiver, started again at once
	stepTerm     = "bridge-sigterm" // an orderly stop under load, started again
	stepNodeKill = "broker-kill"    // kill -9 of a node, started again after hold
	stepFreeze   = "broker-freeze"  // SIGSTOP of a node for hold
	stepFrozen   = "broker-frozen"  // SIGSTOP of a node until thaw
	stepThaw     = "broker-thaw"    // SIGCONT
	stepLeader   = "leader-kill"    // kill -9 of a node that leads, started again after hold
	stepMinISR   = "min-isr"        // SIGSTOP of all nodes but one for hold
	stepReload   = "reload"         // SIGHUP with new secrets
	stepBad      = "bad-reload"     // SIGHUP with a configuration that does not load
)

// step is one thing that is broken.
type step struct {
	after time.Duration // since the last step was over
	kind  string
	node  int
	hold  time.Duration
}

// phase is one part of a plan.
type phase struct {
	name    string
	about   string
	scene   string // how it runs; "" is load with steps
	rate    float64
	senders int
	mix     mix
	ordered bool // events of one key have to keep their order
	todo    []step
	tail    time.Duration // load after the last step
	size    int           // of the scene: events or rounds
	extra   string        // configuration of the receiver
}

// Scenes: phases that are more than steps under load.
const (
	sceneDrain    = "drain"
	sceneDisk     = "disk"
	sceneRolling  = "rolling"
	sceneOverload = "overload"
	sceneLate     = "late"
)

// amounts says how much of everything a round has.
type amounts struct {
	nodes                                           int // of the cluster
	kills, killsSpooled, terms, brokerKills         int
	freezes, reloads, rolls, leaders, minISR, drain int
	disk, overload, late, duplicates                time.Duration
	rate                                            float64
}

// The profiles. Each has one round or more, on a cluster of its own.
const (
	profileShort  = "short"  // what CI runs, on one node
	profileShort3 = "short3" // and on three
	profileLong   = "long"   // the figures of docs/reliability.md, on one node and then on three
	profileSoak   = "soak"   // long again and again, with new seeds
)

// rounds lists a profile's rounds; nil is no profile.
func rounds(profile string) []amounts {
	switch profile {
	case profileShort:
		return []amounts{shortRound()}
	case profileShort3:
		return []amounts{{nodes: 3, kills: 4, leaders: 2, minISR: 1, freezes: 1, rate: 150}}
	case profileLong, profileSoak:
		return []amounts{longRound(), {nodes: 3, kills: 10, leaders: 10, minISR: 4, freezes: 4, terms: 2, rate: 200}}
	}
	return nil
}

func shortRound() amounts {
	return amounts{
		nodes: 1, kills: 16, killsSpooled: 4, terms: 3, brokerKills: 2, freezes: 2, reloads: 2, rolls: 1, drain: 10_000,
		disk: 4 * time.Second, late: 3 * time.Second, duplicates: 5 * time.Second, rate: 250,
	}
}

func longRound() amounts {
	return amounts{
		nodes: 1, kills: 170, killsSpooled: 30, terms: 20, brokerKills: 20, freezes: 10, reloads: 20, rolls: 10, drain: 100_000,
		disk: 15 * time.Second, overload: 20 * time.Second, late: 8 * time.Second, duplicates: 30 * time.Second, rate: 400,
	}
}

// Loads that phases share.
func usual() mix {
	return mix{batches: 0.2, batchSize: 12, once: 0.1}
}

// planner draws phases. Each phase has random numbers of its own, so that leaving
// one out changes no other.
type planner struct {
	seed  uint64
	total amounts
}

// plan is what a round does with a seed, in order; only keeps some of it, none
// means all.
func plan(round amounts, seed uint64, only []string) []phase {
	p := planner{seed, round}
	all := []phase{
		p.kill(), p.killSpooled(), p.brokerKill(), p.freeze(), p.leader(), p.minISR(), p.term(), p.reload(),
		p.rolling(), p.late(), p.duplicates(), p.disk(), p.drain(), p.overload(),
	}
	return slices.DeleteFunc(all, func(ph phase) bool {
		if ph.name == "" {
			return true
		}
		return len(only) > 0 && !slices.Contains(only, ph.name)
	})
}

// random is the source of one phase.
func (p *planner) random(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name) // never fails
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return (from + time.Duration(r.Int64N(int64(to-from)))).Round(time.Millisecond)
}

// base is a phase of load with steps; no steps, no phase.
func (p *planner) base(name, about string, steps []step) phase {
	if len(steps) == 0 {
		return phase{}
	}
	return phase{name: name, about: about, rate: p.total.rate, senders: 32, mix: usual(), ordered: true, todo: steps, tail: 2 * time.Second}
}

// repeat draws n steps.
func repeat(n int, draw func() step) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = draw()
	}
	return steps
}

func (p *planner) kill() phase {
	r := p.random("kill")
	return p.base("kill", "kill -9 of the receiver at random times, started again at once", repeat(p.total.kills, func() step {
		return step{after: between(r, 150*time.Millisecond, 1200*time.Millisecond), kind: stepKill}
	}))
}

// killSpooled kills while the broker is frozen and just after it is back, so
// that the spool is full of what the next process must find.
func (p *planner) killSpooled() phase {
	r := p.random("kill-spooled")
	var steps []step
	for n := p.total.killsSpooled; n > 0; {
		steps = append(steps, step{after: between(r, 200*time.Millisecond, time.Second), kind: stepFrozen})
		for range min(n, 1+r.IntN(2)) {
			steps = append(steps, step{after: between(r, 2500*time.Millisecond, 5*time.Second), kind: stepKill})
			n--
		}
		steps = append(steps, step{after: between(r, 500*time.Millisecond, 2*time.Second), kind: stepThaw})
		if n > 0 { // while the spool drains
			steps = append(steps, step{after: between(r, 5*time.Millisecond, 300*time.Millisecond), kind: stepKill})
			n--
		}
	}
	return p.base("kill-spooled", "kill -9 of the receiver while Kafka is frozen, and while the spool drains", steps)
}

func (p *planner) brokerKill() phase {
	r := p.random("broker-kill")
	return p.base("broker-kill", "kill -9 of the only broker, away for a while", repeat(p.total.brokerKills, func() step {
		return step{after: between(r, 500*time.Millisecond, 2*time.Second), kind: stepNodeKill, hold: between(r, 0, 6*time.Second)}
	}))
}

func (p *planner) freeze() phase {
	r := p.random("broker-freeze")
	return p.base("broker-freeze", "SIGSTOP of a broker: connections stay, nothing answers", repeat(p.total.freezes, func() step {
		return step{
			after: between(r, 500*time.Millisecond, 2*time.Second), kind: stepFreeze,
			node: r.IntN(p.total.nodes), hold: between(r, time.Second, 9*time.Second),
		}
	}))
}

func (p *planner) leader() phase {
	r := p.random("leader-change")
	return p.base("leader-change", "kill -9 of a node that leads partitions", repeat(p.total.leaders, func() step {
		return step{
			after: between(r, time.Second, 3*time.Second), kind: stepLeader,
			node: r.IntN(p.total.nodes), hold: between(r, 2*time.Second, 8*time.Second),
		}
	}))
}

func (p *planner) minISR() phase {
	r := p.random("min-isr")
	return p.base("min-isr", "SIGSTOP of all nodes but one: fewer in sync than Kafka may accept with", repeat(p.total.minISR, func() step {
		return step{
			after: between(r, time.Second, 2*time.Second), kind: stepMinISR,
			node: r.IntN(p.total.nodes), hold: between(r, 4*time.Second, 12*time.Second),
		}
	}))
}

func (p *planner) term() phase {
	r := p.random("sigterm")
	return p.base("sigterm", "SIGTERM under load: exit code 0 in less than 25 s", repeat(p.total.terms, func() step {
		return step{after: between(r, 100*time.Millisecond, 1500*time.Millisecond), kind: stepTerm}
	}))
}

// reload alternates between new secrets and a configuration that does not load.
func (p *planner) reload() phase {
	r := p.random("reload")
	var steps []step
	for i := range p.total.reloads {
		steps = append(steps, step{after: between(r, 300*time.Millisecond, time.Second), kind: stepReload})
		if i%3 == 1 {
			steps = append(steps, step{after: between(r, 100*time.Millisecond, 500*time.Millisecond), kind: stepBad})
		}
	}
	return p.base("reload", "SIGHUP with rotated secrets, and with a broken configuration", steps)
}

func (p *planner) rolling() phase {
	if p.total.rolls == 0 {
		return phase{}
	}
	return phase{
		name: "rolling", about: "two receivers, one after the other restarted; what one does not take goes to the other", scene: sceneRolling,
		rate: p.total.rate, senders: 32, mix: mix{batches: 0.2, batchSize: 12}, size: p.total.rolls,
	}
}

func (p *planner) late() phase {
	if p.total.late == 0 {
		return phase{}
	}
	return phase{
		name: "start-without-broker", about: "the receiver starts and takes webhooks while Kafka is away", scene: sceneLate,
		rate: p.total.rate, senders: 32, mix: usual(), ordered: true, tail: p.total.late,
	}
}

func (p *planner) duplicates() phase {
	if p.total.duplicates == 0 {
		return phase{}
	}
	r := p.random("duplicates")
	return phase{
		name: "duplicates", about: "each request up to five times, at once and later, over a restart; other content under known ids",
		rate: p.total.rate / 2, senders: 32, mix: mix{batches: 0.2, batchSize: 12, copies: 5, conflicts: 0.2},
		todo: []step{{after: between(r, time.Second, 2*time.Second), kind: stepTerm}}, tail: p.total.duplicates,
	}
}

func (p *planner) disk() phase {
	if p.total.disk == 0 {
		return phase{}
	}
	return phase{
		name: "disk-full", about: "Kafka is away until the spool's disk is full: refusals that providers retry, and nothing accepted is lost",
		scene: sceneDisk, rate: p.total.rate, senders: 32, mix: mix{batches: 0.5, batchSize: 60, once: 0.1}, ordered: true, tail: p.total.disk,
	}
}

func (p *planner) drain() phase {
	if p.total.drain == 0 {
		return phase{}
	}
	return phase{
		name: "outage-drain", about: fmt.Sprintf("Kafka is away until %d events are in the spool", p.total.drain), scene: sceneDrain,
		senders: 32, rate: p.total.rate, mix: mix{batches: 0.5, batchSize: 40, once: 0.1}, ordered: true, size: p.total.drain,
	}
}

func (p *planner) overload() phase {
	if p.total.overload == 0 {
		return phase{}
	}
	return phase{
		name: "overload", about: "2,000 connections that wait for nothing, large batches among them", scene: sceneOverload,
		senders: 2000, mix: mix{batches: 0.03, batchSize: 200}, tail: p.total.overload,
	}
}

// writePlan prints a plan.
func writePlan(w io.Writer, phases []phase) {
	for _, ph := range phases {
		fmt.Fprintf(w, "%s: %s\n  load: %g requests/s from %d senders, then %s\n", ph.name, ph.about, ph.rate, ph.senders, ph.tail)
		for _, s := range ph.todo {
			line := fmt.Sprintf("  after %s: %s", s.after, s.kind)
			if strings.HasPrefix(s.kind, "broker") || s.kind == stepLeader || s.kind == stepMinISR {
				line += fmt.Sprintf(" node %d", s.node)
			}
			if s.hold > 0 {
				line += fmt.Sprintf(" for %s", s.hold)
			}
			fmt.Fprintln(w, line)
		}
	}
}
