package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// answerGrace is how long after the window a response may come before it counts
// as missing; the receiver promises an answer within 2.5 s.
const answerGrace = 5 * time.Second

// errPoolTooSmall says that the warm-up left nothing to measure.
var errPoolTooSmall = errors.New("bench: no request was answered within the measured time; " +
	"give a larger -pool, or look at the errors above")

// load is one measurement: c connections, closed loop.
type load struct {
	address          string
	conns            int
	warmup, duration time.Duration
}

// observed is what a load measured.
type observed struct {
	tally
	seconds float64 // the window, shorter than asked for if the pool ran out
	before  usage   // of the processors, at the window's begin
	after   usage   // and at its end
}

// run puts the load on the target. sample reads the processes' usage; it is
// called when the measured time begins and when it ends.
func (l load) run(ctx context.Context, p *pool, sample func() usage) (*observed, error) {
	begin := time.Now()
	w := window{from: begin.Add(l.warmup), grace: answerGrace}
	w.to = w.from.Add(l.duration)
	clients := make([]client, l.conns)
	var wg sync.WaitGroup
	for i := range clients {
		clients[i].address = l.address
		wg.Go(func() { clients[i].run(ctx, p, w) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	o := &observed{}
	waitUntil(w.from, done)
	o.before = sample()
	waitUntil(w.to, done)
	o.after = sample()
	<-done
	for i := range clients {
		o.merge(&clients[i].counted)
	}
	return o, o.close(ctx, w)
}

// close works out how long was measured.
func (o *observed) close(ctx context.Context, w window) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bench: stopped: %w", err)
	}
	end := w.to
	if o.ranOut && o.last.Before(end) {
		end = o.last
	}
	if o.seconds = end.Sub(w.from).Seconds(); o.seconds <= 0 || o.latency.total == 0 {
		return fmt.Errorf("%w (%v)", errPoolTooSmall, o.errors)
	}
	return nil
}

// waitUntil returns at a time, or when done is closed.
func waitUntil(at time.Time, done <-chan struct{}) {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
	case <-done:
	}
}
