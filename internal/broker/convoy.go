package broker

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

const (
	// convoyRequests is how many shared requests one leader has in flight
	// before batches begin to wait for each other.
	convoyRequests = 1
	// convoyBytes bounds the batches of one shared request, unless a single one
	// is larger. Brokers refuse requests above socket.request.max.bytes, 100 MiB
	// by default, and read one as a whole before they look at it.
	convoyBytes = 8 << 20
	// convoyPatience is how long a batch waits for the request before its own.
	// Then it goes all the same, with everybody else who waits: nobody stays
	// behind a request that a frozen replica keeps from being answered, nor
	// behind one to a leader that is far away.
	convoyPatience = 20 * time.Millisecond
	// slowAttempt is what an attempt may take without being kept apart from
	// others the next time.
	slowAttempt = 100 * time.Millisecond
)

// errApart: a shared request came to nothing because of one of its batches.
// Nothing of it was sent; each goes alone.
var errApart = errors.New("shared produce request can't be sent as a whole")

// seat is a lane's batch on its way to a leader.
type seat struct {
	handover

	l     *lane
	wait  time.Duration // for the answer, from boarding
	shift uint64        // of the convoy, at boarding

	err  error         // the answer, written before done
	done chan struct{} // one token with the answer
}

func (s *seat) answer(err error) {
	s.err = err
	s.done <- struct{}{} // the lane may use the seat again: nobody touches it from here on
}

// convoy brings the batches of many lanes to one leader in few requests. While
// a request is in flight the batches for the next one gather; nobody waits for
// a timer when no request is in flight.
//
// A broker answers a request when the last of its partitions is replicated or
// timed out. So only batches that are expected to be quick travel together: a
// lane whose last attempt failed or took long sends a request of its own until
// one is quick again (see delivery.solitary).
type convoy struct {
	p *GroupCommitter

	mu      sync.Mutex
	queue   []*seat
	drivers int    // of this shift
	shift   uint64 // grows when a request in flight is overtaken
	spare   *load
}

// board queues s and makes sure that somebody will send it.
func (v *convoy) board(s *seat) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queue = append(v.queue, s)
	s.shift = v.shift
	if v.drivers < convoyRequests {
		v.employ()
	}
}

// overtake sends what is queued although s was not answered yet. The drivers
// that are under way go home when they come back.
func (v *convoy) overtake(s *seat) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.shift == v.shift && len(v.queue) > 0 {
		v.shift++
		v.drivers = 0
		v.employ()
	}
}

// employ starts a driver, for whom Close waits: the caller is a busy lane.
func (v *convoy) employ() {
	if v.p.start() {
		v.drivers++
		go v.drive(v.shift)
	}
}

// drive sends request after request until nothing is queued or the shift ends.
func (v *convoy) drive(shift uint64) {
	defer v.p.done()
	for {
		// The lanes that became ready at the same instant get aboard first:
		// those of one webhook, and those that were just answered.
		runtime.Gosched()
		r := v.next(shift)
		if r == nil {
			return
		}
		if r.send(v.p) {
			v.mu.Lock()
			v.spare = r
			v.mu.Unlock()
		}
	}
}

// next takes what fits into a request; nil means that the driver goes home.
func (v *convoy) next(shift uint64) *load {
	v.mu.Lock()
	defer v.mu.Unlock()
	if shift != v.shift {
		return nil
	}
	var r *load
	n, size := 0, 0
	for _, s := range v.queue {
		if size += len(s.data); size > convoyBytes && r != nil {
			break
		}
		if n++; !s.open() {
			continue // its lane gave up
		}
		if r == nil {
			r = v.load()
		}
		r.add(s)
	}
	rest := copy(v.queue, v.queue[n:])
	clear(v.queue[rest:])
	v.queue = v.queue[:rest]
	if r == nil {
		v.drivers--
	}
	return r
}

func (v *convoy) load() *load {
	if r := v.spare; r != nil {
		v.spare = nil
		return r
	}
	return newLoad()
}

// send carries the seats to their leader and answers them. It reports whether
// the load may be used again.
func (r *load) send(p *GroupCommitter) bool {
	wait := time.Duration(0)
	for _, s := range r.seats {
		wait = max(wait, s.wait)
	}
	ctx, cancel := context.WithTimeout(p.root, wait)
	answer, err := r.roundTrip(ctx, p)
	cancel()
	if err != nil {
		if len(r.seats) > 1 && unsent(err) {
			err = errApart
		}
		for _, s := range r.seats {
			s.answer(err)
		}
		return false
	}
	for i, s := range r.seats {
		r.seats[i] = nil
		s.answer(outcomeOf(answer, s.l))
	}
	r.reset()
	return true
}

// unsent recognizes failures that come before the first byte is written: the
// leaders differ or one is not known, or a lane withdrew its batch.
func unsent(err error) bool {
	return errors.As(err, new(*rawproduce.Error)) || errors.Is(err, errRevoked)
}
