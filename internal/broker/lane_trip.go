package broker

import (
	"errors"
	"slices"
	"time"
)

// A trip is one group's way with a convoy while all goes well. The convoy's driver
// does the lane's work then: it claims what waits when the request leaves, not
// before, encodes it, and settles it when the answer is there. No goroutine has to
// be woken for that but those that wait for the records. Whatever goes wrong is
// handed to a goroutine of the lane's own, with the batch as it was sent.

// fit returns the convoy that the lane goes with if nothing speaks against it: a
// doubt about its last outcome, a last attempt that was slow, or that its producer
// id or its leader is not known. The caller works on the lane, or is about to.
func (l *lane) fit() *convoy {
	if l.slow || l.doubt {
		return nil
	}
	if l.id.generation == 0 {
		id, ok := l.p.ids.peek(l.left)
		if !ok {
			return nil
		}
		l.id = id
	}
	return l.charted()
}

// aboard is fit for whoever works on the lane, if a record in memory is next in line.
func (l *lane) aboard() *convoy {
	l.mu.Lock()
	next := l.head < len(l.queue) && l.queue[l.head].e != nil
	l.mu.Unlock()
	if !next {
		return nil
	}
	return l.fit()
}

// pack claims what waits and seals it for the request that leaves now. nil means
// that nothing of the lane goes with it: the lane rests, or works for itself.
func (l *lane) pack(now time.Time) *seat {
	for {
		group, _, idle := l.take(l.group[:0], nil, false)
		if idle {
			return nil // somebody else may be at work already
		}
		if l.group = group; len(group) == 0 {
			l.dispatch()
			return nil
		}
		l.trip = delivery{l: l, b: l.p.batches.get(), group: group, began: now}
		if l.trip.reform(now) {
			break
		}
		l.unpack()
	}
	d := &l.trip
	wait := min(l.p.opts.AttemptTimeout, max(d.until.Sub(now), time.Millisecond))
	if d.solitary(wait) {
		l.hand(nil, errApart, 0)
		return nil
	}
	d.tries = 1
	d.b.seal(l.id, l.sequence)
	s := l.sit(d.b.buf, wait)
	s.trip = true
	return s
}

// unpack ends a trip of which nothing is open any more.
func (l *lane) unpack() {
	l.p.batches.put(l.trip.b)
	clear(l.group)
	l.group, l.trip = l.group[:0], delivery{}
}

// arrive ends the trip of a seat that was answered, or not: err is nil, an
// *answerError, or a failure below the protocol. more is true if something waits that
// goes with the convoy.
func (l *lane) arrive(s *seat, err error, took time.Duration) (more bool) {
	if err != nil {
		l.hand(s, err, took)
		return false
	}
	l.slow = took > slowAttempt
	l.seat = s
	l.trip.accept()
	l.expose(false)
	l.unpack()
	return l.rejoin()
}

// rejoin is true if the lane goes on with the convoy; else it rests, or works for
// itself.
func (l *lane) rejoin() bool {
	l.mu.Lock()
	idle := l.rest(false)
	stored := !idle && l.queue[l.head].e == nil
	l.mu.Unlock()
	if idle {
		return false
	}
	if stored || l.fit() == nil {
		l.dispatch()
		return false
	}
	return true
}

// dispatch lets the lane work for itself. The caller is a driver: as long as one is
// at work, goroutines may be started.
func (l *lane) dispatch() {
	if l.p.start() {
		go l.run()
	}
}

// hand gives a trip with what it met to a goroutine of the lane's own.
func (l *lane) hand(s *seat, err error, took time.Duration) {
	if l.p.start() {
		go l.pursue(s, err, took, l.p.client.generation())
	}
}

// pursue goes on with a trip that met trouble: from here on it is a delivery like
// any other.
func (l *lane) pursue(s *seat, err error, took time.Duration, seen uint64) {
	defer l.p.done()
	d := l.trip
	l.trip = delivery{}
	if errors.Is(err, errApart) { // nothing was sent
		d.tries, d.apart = 0, true
		if s != nil {
			l.topic.routes.Store(nil)
		}
		l.conclude(&d, d.run())
	} else {
		r, err := d.learn(s, err, took)
		done, culprit := d.react(r, err, seen)
		if !done {
			culprit = d.run()
		}
		l.conclude(&d, culprit)
	}
	if l.doubt {
		l.forget()
	}
	clear(l.group)
	l.work(d.b)
}

// strand drops what is in line: no driver can be had, as the publisher is closed.
func (l *lane) strand() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abandon(ErrClosed)
	l.queue, l.head, l.running = l.queue[:0], 0, false
}

// fleet is the convoys that one call has lanes admitted to.
type fleet struct {
	convoys [4]*convoy
	n       int
}

// add remembers a convoy; where there are too many, one is launched at once.
func (f *fleet) add(v *convoy) {
	if slices.Contains(f.convoys[:f.n], v) {
		return
	}
	if f.n == len(f.convoys) {
		v.launch()
		return
	}
	f.convoys[f.n] = v
	f.n++
}

// launch makes sure that somebody drives each of them.
func (f *fleet) launch() {
	for i, v := range f.convoys[:f.n] {
		v.launch()
		f.convoys[i] = nil
	}
	f.n = 0
}
