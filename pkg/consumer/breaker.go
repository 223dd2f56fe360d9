package consumer

import (
	"sync"
	"time"
)

// breaker decides whether records may be handled. It outlives the sessions: a
// rebalance mends nothing. Safe for concurrent use.
type breaker struct {
	o Breaker

	mu     sync.Mutex
	state  string
	reason string
	failed map[Place]struct{} // the records that failed since the last success, by their origins
	wait   time.Duration
	until  time.Time // open: when one is tried
}

func newBreaker(o Breaker) *breaker {
	return &breaker{o: o, state: BreakerClosed, wait: o.MinWait, failed: map[Place]struct{}{}}
}

// admit reports whether a task may be run now, and whether it is the one that tries.
// Else, after is how long until one may.
func (b *breaker) admit(now time.Time) (ok, probe bool, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state == BreakerClosed:
		return true, false, 0
	case b.state == BreakerOpen && !now.Before(b.until):
		b.state = BreakerHalfOpen
		return true, true, 0
	case b.state == BreakerOpen:
		return false, false, b.until.Sub(now)
	}
	return false, false, 0 // the outcome of the probe decides
}

// success closes it. It reports whether it was not closed.
func (b *breaker) success() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.failed)
	was := b.state != BreakerClosed
	b.state, b.reason, b.wait = BreakerClosed, "", b.o.MinWait
	return was
}

// failure counts a record that failed, once between two successes, however often it comes
// back from retry topics, and reports whether that opened the breaker.
func (b *breaker) failure(of Place, probe bool, now time.Time, reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.failed) < b.o.Failures {
		b.failed[of] = struct{}{}
	}
	tried := probe && b.state == BreakerHalfOpen
	if tried || b.state == BreakerClosed && b.o.Failures > 0 && len(b.failed) >= b.o.Failures {
		return b.open(tried, now, reason)
	}
	return false
}

// trip opens it for a while, twice as long as the last time if that was a probe's
// failure. It reports whether it was closed.
func (b *breaker) trip(probe bool, now time.Time, reason string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open(probe, now, reason)
}

// open is trip; the caller holds mu.
func (b *breaker) open(probe bool, now time.Time, reason string) bool {
	if b.state == BreakerOpen || b.state == BreakerHalfOpen && !probe {
		return false // one of those that ran when it opened
	}
	if probe {
		b.wait = min(2*b.wait, b.o.MaxWait)
	}
	opened := b.state == BreakerClosed
	b.state, b.reason, b.until = BreakerOpen, reason, now.Add(b.wait)
	return opened
}

// release has the next task try, where a probe ended without an outcome.
func (b *breaker) release(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerHalfOpen {
		b.state, b.until = BreakerOpen, now
	}
}

// told returns its state, and why it is not closed.
func (b *breaker) told() (state, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.reason
}
