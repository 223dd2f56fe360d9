package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Load under which something is broken.
const (
	steadyConns   = 64
	steadyRate    = 400 // requests a second, as long as they are answered
	steadyLongest = 3 * time.Minute
)

// outcome is what became of one request.
type outcome uint8

const (
	accepted   outcome = iota + 1 // answered 200
	refused                       // answered otherwise
	unanswered                    // not at all
)

// ledger remembers what was answered to every event that was sent. Safe for concurrent
// use.
type ledger struct {
	mu       sync.Mutex
	next     int
	outcomes map[int]outcome // by the serial of the event
	longest  time.Duration   // of an answer
}

func newLedger() *ledger { return &ledger{outcomes: make(map[int]outcome)} }

// take returns the serial of the next event.
func (l *ledger) take() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

// note writes an outcome down.
func (l *ledger) note(serial int, got outcome, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes[serial] = got
	if got != unanswered {
		l.longest = max(l.longest, took)
	}
}

// steady sends distinct events at an even pace over some connections. It repeats none,
// whatever the answer: what is refused is left to the one who asked.
type steady struct {
	address string
	conns   int
	rate    int // requests a second
	write   func(serial int, now time.Time) ([]byte, error)
	ledger  *ledger
}

// run sends until stop is closed, and waits for the answers to what was sent.
func (s *steady) run(ctx context.Context, stop <-chan struct{}) {
	every := time.Second * time.Duration(s.conns) / time.Duration(s.rate)
	var wg sync.WaitGroup
	for i := range s.conns {
		wg.Go(func() {
			if first := every * time.Duration(i) / time.Duration(s.conns); pause(ctx, first) == nil {
				s.pace(ctx, every, stop)
			}
		})
	}
	wg.Wait()
}

// pace is one connection.
func (s *steady) pace(ctx context.Context, every time.Duration, stop <-chan struct{}) {
	c := &client{address: s.address}
	defer c.hangUp()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			s.one(ctx, c)
		}
	}
}

// one sends an event and writes down what was answered.
func (s *steady) one(ctx context.Context, c *client) {
	begin, serial := time.Now(), s.ledger.take()
	request, err := s.write(serial, begin)
	if err != nil {
		return // not sent, and therefore nothing to write down
	}
	status, err := c.send(ctx, request, window{to: begin, grace: steadyLongest})
	got := accepted
	switch {
	case status == 0 && err != nil:
		got = unanswered
	case status != http.StatusOK:
		got = refused
	}
	s.ledger.note(serial, got, time.Since(begin))
}
