package broker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol/produce"
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

	l    *lane
	wait time.Duration // for the answer
	trip bool          // the driver packed it; else its lane's goroutine waits for done
	// Where the batch stands in its request.
	topic, part int

	err  error         // the answer, written before done
	done chan struct{} // one token with the answer
}

func (s *seat) answer(err error) {
	s.err = err
	s.done <- struct{}{} // the lane may use the seat again: nobody touches it from here on
}

// convoy brings the batches of many lanes to one leader in few requests. While
// a request is in flight those for the next one gather; nobody waits for a timer
// when no request is in flight.
//
// A broker answers a request when the last of its partitions is replicated or
// timed out. So only batches that are expected to be quick travel together: a
// lane whose last attempt failed or took long sends a request of its own until
// one is quick again (see delivery.solitary).
type convoy struct {
	p *GroupCommitter

	mu      sync.Mutex
	ready   []*lane // what they have in line goes with the next request
	queue   []*seat // of lanes that work for themselves
	idle    []*lane // memory for the next ready
	drivers int     // of this shift
	shift   uint64  // grows when a request in flight is overtaken
	late    bool    // the request in flight is away for longer than patience
	timer   *time.Timer
	spare   *load
}

// admit lets a lane go with the next request, of which launch makes sure.
func (v *convoy) admit(l *lane) {
	v.mu.Lock()
	v.ready = append(v.ready, l)
	v.mu.Unlock()
}

// launch makes sure that what waits will be sent.
func (v *convoy) launch() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.drivers < convoyRequests {
		v.employ()
		return
	}
	v.overtake()
}

// board queues s and makes sure that somebody will send it.
func (v *convoy) board(s *seat) {
	v.mu.Lock()
	v.queue = append(v.queue, s)
	v.mu.Unlock()
	v.launch()
}

// overdue says that the request in flight is away for longer than patience.
func (v *convoy) overdue() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.late = v.drivers > 0
	v.overtake()
}

// overtake sends what waits although the request in flight was not answered yet, if
// that is late. The drivers that are under way go home when they come back. The
// caller holds mu.
func (v *convoy) overtake() {
	if v.late && len(v.ready)+len(v.queue) > 0 {
		v.shift++
		v.drivers, v.late = 0, false
		v.employ()
	}
}

// employ starts a driver, for whom Close waits. The caller holds mu.
func (v *convoy) employ() {
	if len(v.ready)+len(v.queue) == 0 {
		return
	}
	if v.p.start() {
		v.drivers++
		go v.drive(v.shift)
		return
	}
	for _, l := range v.ready { // a closed publisher; seats' lanes are busy, so there are none
		l.strand()
	}
	clear(v.ready)
	v.ready = v.ready[:0]
}

// drive sends request after request until nothing waits or the shift ends.
func (v *convoy) drive(shift uint64) {
	defer v.p.done()
	for {
		runtime.Gosched() // whoever is ready at the same instant gets aboard, or was just answered
		r := v.next(shift)
		if r == nil {
			return
		}
		v.settle(r, shift)
	}
}

// next forms a request of what waits; nil means that the driver goes home.
func (v *convoy) next(shift uint64) *load {
	for {
		r, lanes, on := v.gather(shift)
		if !on {
			return nil
		}
		v.pack(r, lanes)
		if len(r.seats) > 0 {
			return r
		}
		v.mu.Lock()
		v.spare = r
		v.mu.Unlock()
	}
}

// gather takes the seats that fit into a request, and the lanes that are to be
// packed. on is false when the driver goes home.
func (v *convoy) gather(shift uint64) (r *load, lanes []*lane, on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if shift != v.shift {
		return nil, nil, false
	}
	v.late = false
	if len(v.ready)+len(v.queue) == 0 {
		v.drivers--
		v.timer.Stop()
		return nil, nil, false
	}
	r = v.load()
	v.seat(r)
	lanes, v.ready, v.idle = v.ready, v.idle[:0], nil
	if v.timer == nil {
		v.timer = time.AfterFunc(v.p.patience, v.overdue)
	} else {
		v.timer.Reset(v.p.patience)
	}
	return r, lanes, true
}

// seat moves queued seats into a request. The caller holds mu.
func (v *convoy) seat(r *load) {
	n := 0
	for _, s := range v.queue {
		if len(r.seats) > 0 && r.size+len(s.data) > convoyBytes {
			break
		}
		if n++; s.open() { // else its lane gave up
			r.add(s)
		}
	}
	rest := copy(v.queue, v.queue[n:])
	clear(v.queue[rest:])
	v.queue = v.queue[:rest]
}

// pack fills a request with what the lanes have in line. Lanes that it has no room
// for go before others with the next one.
func (v *convoy) pack(r *load, lanes []*lane) {
	now, n := v.p.opts.Now(), 0
	for _, l := range lanes {
		if r.size > convoyBytes-l.p.opts.MaxBatchBytes && len(r.seats) > 0 {
			break
		}
		n++
		if s := l.pack(now); s != nil {
			r.add(s)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if n < len(lanes) {
		v.ready = slices.Insert(v.ready, 0, lanes[n:]...)
	}
	clear(lanes)
	v.idle = lanes[:0]
}

func (v *convoy) load() *load {
	if r := v.spare; r != nil {
		v.spare = nil
		return r
	}
	return newLoad()
}

// settle carries a request to its leader and brings the answers to its seats.
func (v *convoy) settle(r *load, shift uint64) {
	began := v.p.opts.Now()
	answer, err := r.send(v.p)
	took := v.p.opts.Now().Sub(began)
	if err != nil && len(r.seats) > 1 && unsent(err) {
		err = errApart
	}
	lost := err != nil // then r is not used again
	var more []*lane
	for i, s := range r.seats {
		if !lost {
			r.seats[i], err = nil, outcomeOf(answer, s)
		}
		if !s.trip {
			s.answer(err)
			continue
		}
		l := s.l
		if l.arrive(s, err, took) {
			more = append(more, l)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !lost {
		r.reset()
		v.spare = r
	}
	v.ready = append(v.ready, more...)
	if shift != v.shift && v.drivers < convoyRequests {
		v.employ()
	}
}

// send carries the request to its leader.
func (r *load) send(p *GroupCommitter) (*produce.Response, error) {
	wait := time.Duration(0)
	for _, s := range r.seats {
		wait = max(wait, s.wait)
	}
	ctx, cancel := context.WithTimeout(p.root, wait)
	defer cancel()
	return r.roundTrip(ctx, p)
}

// unsent recognizes failures that come before the first byte is written: the
// leaders differ or one is not known, or a lane withdrew its batch.
func unsent(err error) bool {
	return errors.As(err, new(*rawproduce.Error)) || errors.Is(err, errRevoked)
}
