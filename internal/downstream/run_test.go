//go:build unix

package downstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
)

// scene is one way to disturb a group of consumers at work.
type scene struct {
	name    string
	members int
	rate    int // records published a second
	work    time.Duration
	delays  []time.Duration // of retry topics; empty: none
	mixture mixture
	// disturb does it, and returns when it is over.
	disturb func(r *run)
	// session is as of consumer.Config.
	session time.Duration
	// graceful scenes let every member finish: no two handlers ever have one key.
	graceful bool
}

// run is one scene with topics and a group of its own.
type run struct {
	*testing.T
	ctx     context.Context
	scene   scene
	site    *site
	prefix  string
	topics  []string
	aside   []string // retry topics by delay, then dead letters
	client  *broker.Client
	store   *store
	crew    *crew
	load    *load
	library *library
	report  *report

	audits int
	breach []string
	notes  []string
}

// play plays a scene and judges it.
func play(t *testing.T, at *site, rep *report, s scene) {
	t.Helper()
	r := newRun(t, at, rep, s)
	publisher := broker.NewPublisher(r.client, broker.PublisherOptions{Now: time.Now, Budget: bound, AttemptTimeout: 4 * time.Second})
	defer func() {
		if err := publisher.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	loading, enough := context.WithCancel(r.ctx)
	defer enough()
	auditing, ended := context.WithCancel(r.ctx)
	var background sync.WaitGroup
	failed := make(chan error, 1)
	background.Go(func() { failed <- r.load.run(loading, publisher) })
	background.Go(func() { r.auditNowAndThen(auditing) })
	for range s.members {
		r.crew.start()
	}
	defer r.crew.stopAll()
	began := time.Now()
	r.until("the first effects", func() (bool, error) { return r.store.figures().effects > 20, nil })
	first := time.Since(began)
	s.disturb(r)
	over := time.Now()
	enough()
	if err := <-failed; err != nil {
		t.Error(err)
	}
	r.drain()
	drained := time.Since(over)
	stopping := time.Now()
	r.crew.stopAll()
	t.Logf("first effects after %.1f s, disturbed for %.1f s, drained after %.1f s, stopped in %.1f s",
		first.Seconds(), over.Sub(began.Add(first)).Seconds(), drained.Seconds(), time.Since(stopping).Seconds())
	ended()
	background.Wait()
	r.judge()
	r.report.add(r, drained)
}

func newRun(t *testing.T, at *site, rep *report, s scene) *run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	t.Cleanup(cancel)
	r := &run{T: t, ctx: ctx, scene: s, site: at, report: rep, prefix: "down-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:8] + "-" + s.name}
	client, err := broker.Dial(broker.Options{Brokers: at.brokers, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r.client, r.store = client, newStore(t)
	for _, kind := range []string{"bounced", "delivered", "opened"} {
		r.topics = append(r.topics, r.topic(kind))
	}
	group := r.prefix + ".group"
	r.load = newLoad(s.name, r.topics, s.rate, s.mixture)
	for _, d := range s.delays {
		r.aside = append(r.aside, group+".retry."+d.String())
	}
	r.aside = append(r.aside, group+".dead")
	r.library = newLibrary(client, r.topics, r.aside)
	if s.delays == nil {
		s.delays = []time.Duration{}
	}
	r.crew = &crew{t: t, client: client, member: member{
		Name: s.name, Brokers: at.brokers, Group: group, Topics: r.topics, Store: r.store.addr(), Delays: s.delays, Work: s.work, Session: s.session,
	}}
	return r
}

// patience is how long a scene may take in all.
func patience() time.Duration {
	if *full {
		return 15 * time.Minute
	}
	return 3 * time.Minute
}

// topic makes a topic and returns its name.
func (r *run) topic(name string) string {
	r.Helper()
	name = r.prefix + "." + name
	if _, err := r.client.EnsureTopics(r.ctx, []broker.TopicSpec{{Name: name, Partitions: partitions, Embedded: r.site.own != nil}}, true); err != nil {
		r.Fatal(err)
	}
	return name
}

// until waits for a condition. Errors of asking are none of it while a broker may be
// away.
func (r *run) until(what string, holds func() (bool, error)) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, bound)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok {
			return
		}
		if troubles := r.crew.troubles(); len(troubles) > 0 {
			r.Fatalf("%s", strings.Join(troubles, "\n"))
		}
		select {
		case <-ctx.Done():
			r.wedged(what, err)
		case <-tick.C:
		}
	}
}

// wedged ends the test with what the members said last.
func (r *run) wedged(what string, err error) {
	r.Helper()
	var said strings.Builder
	for p := r.crew.pick(); p != nil; p = r.crew.pick() {
		fmt.Fprintf(&said, "--- %s\n%s\n", p.name, p.said)
		r.crew.ending.Go(func() { r.crew.end(p) })
	}
	r.Fatalf("%s: no sight of it within %s (%v); %+v\n%s", what, bound, err, r.store.figures(), said.String())
}

// pause lets a disturbance last.
func (r *run) pause(d time.Duration) {
	r.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
		r.Fatal("the scene took too long")
	}
}

// progress waits until there are n effects.
func (r *run) progress(n int) {
	r.Helper()
	r.until("progress", func() (bool, error) { return r.store.figures().effects >= n, nil })
}

// offsets are what the group has committed.
func (r *run) offsets() ([]broker.GroupOffset, error) {
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
	defer cancel()
	g, err := r.client.Group(ctx, r.crew.member.Group)
	return g.Offsets, err
}

// drain waits until the group has committed all there is.
func (r *run) drain() {
	r.Helper()
	var left []string
	r.until("everything drained", func() (bool, error) {
		offsets, err := r.offsets()
		if err != nil {
			return false, err
		}
		left, err = r.library.undrained(r.ctx, offsets, r.aside[len(r.aside)-1])
		return err == nil && len(left) == 0, errors.Join(err, fmt.Errorf("left: %v", left))
	})
}

// auditNowAndThen compares what is committed with what was done.
func (r *run) auditNowAndThen(ctx context.Context) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = r.audit() //nolint:contextcheck // the look that is under way may end; a broker may be away
	}
}

// audit looks once. The order is what makes it sound: first what is committed, then
// what was done.
func (r *run) audit() error {
	offsets, err := r.offsets()
	if err != nil {
		return err
	}
	if err := r.library.catchUp(r.ctx); err != nil {
		return err
	}
	r.audits++
	r.breach = append(r.breach, r.library.beyond(offsets, r.store.done())...)
	return nil
}
