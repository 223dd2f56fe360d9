//go:build unix

package downstream_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// amounts is how much of everything is done.
type amounts struct {
	rate      int
	calm      time.Duration // of scenes in which only records are odd
	kills     int
	unnoticed int           // of the kills: the group learns of them only when the session ends
	rebalance time.Duration // how long, with a change every
	every     time.Duration
	restarts  int
	freezes   []time.Duration
	delays    []time.Duration
	session   time.Duration
}

// The profiles: of every plain go test, of CI with a real Kafka, and of the figures.
func tiny() amounts {
	return amounts{
		rate: 400, calm: time.Second, kills: 3, rebalance: 2400 * time.Millisecond, every: 400 * time.Millisecond, restarts: 1,
		delays: []time.Duration{time.Second}, session: 9 * time.Second,
	}
}

func short() amounts {
	return amounts{
		rate: 300, calm: 10 * time.Second, kills: 24, unnoticed: 1, rebalance: 20 * time.Second, every: 2 * time.Second, restarts: 1,
		freezes: []time.Duration{3 * time.Second}, delays: []time.Duration{time.Second, 3 * time.Second}, session: 9 * time.Second,
	}
}

func long() amounts {
	return amounts{
		rate: 300, calm: time.Minute, kills: 100, unnoticed: 6, rebalance: time.Minute, every: 2 * time.Second, restarts: 3,
		freezes: []time.Duration{3 * time.Second, 12 * time.Second},
		delays:  []time.Duration{time.Second, 3 * time.Second}, session: 9 * time.Second,
	}
}

// TestDownstream: whatever happens to consumers, brokers and records, each event is
// handled at least once, and with Once has exactly one effect.
func TestDownstream(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	rep := &report{}
	defer rep.write(t)
	at, a := realSite(), short()
	switch {
	case at == nil:
		t.Parallel() // nobody else has this broker
		at, a = embeddedSite(t), tiny()
	case *full:
		a = long()
	}
	t.Run("members", func(t *testing.T) {
		for _, s := range a.scenes() {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				play(t, at, rep, s)
			})
		}
	})
	t.Run("brokers", func(t *testing.T) {
		if at.own == nil && at.dir == "" {
			t.Skip("POSTRIDER_TEST_KAFKA_DIR is not set: no broker can be killed")
		}
		play(t, at, rep, a.brokersAway())
	})
}

// usual is what every load holds.
func usual() mixture { return mixture{again: 0.15, conflict: 0.03} }

// scenes are those that leave the brokers alone.
func (a amounts) scenes() []scene {
	return []scene{a.repeats(), a.killing(), a.rebalancing(), a.failing()}
}

// repeats has everything published several times, and all of it replayed while the
// group reads.
func (a amounts) repeats() scene {
	return scene{
		name: "replay", members: 2, rate: a.rate, session: a.session, graceful: true, mixture: mixture{again: 0.5, conflict: 0.1},
		disturb: func(r *run) {
			r.pause(a.calm)
			copies := r.replay()
			r.notes = append(r.notes, fmt.Sprintf("a replay of %d records", copies))
		},
	}
}

// killing kills members in the middle of their work.
func (a amounts) killing() scene {
	return scene{
		name: "kill", members: 4, rate: a.rate, work: 20 * time.Millisecond, session: a.session, mixture: usual(),
		disturb: func(r *run) {
			for i := range a.kills {
				r.pause(rand.N(300 * time.Millisecond))
				n := r.store.figures().effects
				p := r.crew.kill()
				r.crew.start()
				if i >= a.kills-a.unnoticed {
					r.pause(time.Second)
				} else if p != nil {
					r.crew.evict(r.ctx, p)
				}
				r.progress(n + a.rate/4)
			}
			r.notes = append(r.notes, fmt.Sprintf("%d × kill -9", r.crew.kills))
		},
	}
}

// rebalancing has members come and go all the time.
func (a amounts) rebalancing() scene {
	return scene{
		name: "rebalance", members: 2, rate: a.rate, work: 10 * time.Millisecond, session: a.session, graceful: true, mixture: usual(),
		disturb: func(r *run) {
			tick := time.NewTicker(a.every)
			defer tick.Stop()
			joins, stops := 0, 0
			for end := time.Now().Add(a.rebalance); time.Now().Before(end); {
				if n := r.crew.size(); n < 2 || n < 4 && rand.IntN(2) == 0 {
					r.crew.start()
					joins++
				} else {
					r.crew.stopOne()
					stops++
				}
				<-tick.C
			}
			r.notes = append(r.notes, fmt.Sprintf("%d joins, %d leaves in %s", joins, stops, a.rebalance))
		},
	}
}

// failing has handlers fail in every way, and members killed meanwhile.
func (a amounts) failing() scene {
	return scene{
		name: "retry", members: 3, rate: a.rate / 2, session: a.session, delays: a.delays,
		mixture: mixture{again: 0.1, conflict: 0.03, do: map[string]float64{
			doFail + " 1": 0.03, doFail + " 3": 0.03, doFail + " 5": a.fifth(), doAlways: 0.01, doPermanent: 0.01, doPanic: 0.01, doPoison: 0.01,
		}},
		disturb: func(r *run) {
			for range 3 {
				r.pause(a.calm / 3)
				if p := r.crew.kill(); p != nil {
					r.crew.start()
					r.crew.evict(r.ctx, p)
				}
			}
			r.notes = append(r.notes, "failures, panics, poisoned records, 3 × kill -9")
		},
	}
}

// fifth is the share of marks whose fifth attempt fails, where there are that many.
func (a amounts) fifth() float64 {
	if len(a.delays) < 2 {
		return 0
	}
	return 0.02
}

// brokersAway has brokers die and come back, and fall silent.
func (a amounts) brokersAway() scene {
	return scene{
		name: "broker", members: 3, rate: a.rate, work: 5 * time.Millisecond, session: a.session, mixture: usual(),
		disturb: func(r *run) {
			for i := range a.restarts {
				n := r.store.figures().effects
				if err := r.site.restart(r.ctx, i%len(r.site.brokers)); err != nil {
					r.Fatal(err)
				}
				r.progress(n + a.rate/4)
			}
			for i, d := range a.freezes {
				n := r.store.figures().effects
				thaw, err := r.site.freeze(i % len(r.site.brokers))
				if err != nil {
					r.Fatal(err)
				}
				r.pause(d)
				if err := thaw(); err != nil {
					r.Fatal(err)
				}
				r.progress(n + a.rate/4)
			}
			r.notes = append(r.notes, fmt.Sprintf("%d × kill -9 of the broker, %d freezes", a.restarts, len(a.freezes)))
		},
	}
}

// replay publishes everything that lies in the topics once more, by the engine of
// postrider replay, and returns how many records that was.
func (r *run) replay() int64 {
	r.Helper()
	publisher := broker.NewPublisher(r.client, broker.PublisherOptions{Now: time.Now, Budget: bound})
	defer publisher.Close(r.ctx)
	journal := r.topic("replays")
	host, err := os.Hostname()
	if err != nil {
		r.Fatal(err)
	}
	engine := replay.New(replay.Options{
		Client: r.client, Publisher: publisher, Journal: journal, State: []string{journal}, KeyKind: selection.KeyMessage, Host: host, PID: os.Getpid(),
		Now: time.Now, NewID: func() string { return uuid.Must(uuid.NewV7()).String() }, Alive: func(pid int) bool { return syscall.Kill(pid, 0) == nil },
	})
	plan, err := engine.Plan(r.ctx, replay.Request{
		Select: selection.Selection{Topics: r.topics, All: true}, To: replay.Target{Kind: replay.ToTopic}, AllowSameTopic: true, By: "proof",
	}, replay.PlanOptions{})
	if err != nil {
		r.Fatal(err)
	}
	done, err := engine.Execute(r.ctx, plan, nil)
	if err != nil || done.State != replay.Completed {
		r.Fatalf("the replay is %s: %v", done.State, err)
	}
	return plan.Records
}
