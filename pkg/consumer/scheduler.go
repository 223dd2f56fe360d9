package consumer

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mostTaken  = 64               // tasks that a worker which is alone takes at once
	quickTaken = time.Millisecond // how late they are told to be finished
)

// scheduler hands tasks to workers: those of one key one after the other, in the
// order read, and others as they come. It is made for one assignment.
type scheduler struct {
	seed      maphash.Seed
	now       func() time.Time
	mostAfter time.Duration // see Retry.MaxAfter

	mu      sync.Mutex
	wake    sync.Cond
	ready   queue
	chains  map[uint64]*task // the last task of each key that is ready, running or waiting
	breaker *breaker
	alarm   *time.Timer           // for the breaker
	parked  map[*task]*time.Timer // wait for another attempt, or their time
	running int
	closed  bool
	room    chan struct{} // a partition that had no room has some

	// hold says that tasks which were taken and not begun are to be given back: the
	// breaker has opened since, or the scheduler is closed.
	hold atomic.Bool
}

func newScheduler(cfg *Config, b *breaker) *scheduler {
	s := &scheduler{
		seed: maphash.MakeSeed(), now: cfg.Now, mostAfter: cfg.Retry.MaxAfter,
		chains: map[uint64]*task{}, parked: map[*task]*time.Timer{}, breaker: b, room: make(chan struct{}, 1),
	}
	b.release(cfg.Now())
	s.wake.L = &s.mu
	return s
}

// add takes what was read of a partition.
func (s *scheduler) add(p *partition, tasks []task, next, highWater int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	p.add(tasks, next, highWater)
	for i := range tasks {
		t := &tasks[i]
		if p.delay > 0 {
			now := s.now()
			if due := t.due(now, s.mostAfter); due.After(now) {
				s.park(t, due.Sub(now), s.line)
				continue
			}
		}
		s.line(t)
	}
	s.call(len(tasks))
}

// line puts a task in line behind those of its key.
func (s *scheduler) line(t *task) {
	if t.m.Key == nil {
		s.ready.push(t)
		return
	}
	t.keyed, t.chain = true, maphash.Bytes(s.seed, t.m.Key)
	last := s.chains[t.chain]
	s.chains[t.chain] = t
	if last != nil {
		last.next = t
		return
	}
	s.ready.push(t)
}

// call wakes as many workers as n tasks need.
func (s *scheduler) call(n int) {
	if n == 1 {
		s.wake.Signal()
		return
	}
	s.wake.Broadcast()
}

// park has a task come back after a while, by way of again. The caller holds mu.
func (s *scheduler) park(t *task, d time.Duration, again func(*task)) {
	s.parked[t] = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.parked, t)
		if !s.closed {
			again(t)
			s.call(1)
		}
	})
}

// take waits for tasks and moves at most n to list; none when the scheduler is closed.
// probe says that there is one, and that it shows whether the breaker can close.
func (s *scheduler) take(list []*task, n int) (taken []*task, probe bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		if s.ready.len() == 0 {
			s.wake.Wait()
			continue
		}
		ok, probe, after := s.breaker.admit(s.now())
		if !ok {
			s.rest(after)
			continue
		}
		if probe {
			n = 1
		}
		s.hold.Store(false)
		for len(list) < n && s.ready.len() > 0 {
			list = append(list, s.ready.pop())
		}
		s.running += len(list)
		if s.ready.len() > 0 && !probe {
			s.wake.Signal() // one waker wakes the next
		}
		return list, probe
	}
	return nil, false
}

// rest waits until the breaker may admit a task.
func (s *scheduler) rest(after time.Duration) {
	if after > 0 {
		if s.alarm != nil {
			s.alarm.Stop()
		}
		s.alarm = time.AfterFunc(after, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wake.Broadcast()
		})
	}
	s.wake.Wait()
}

// done finishes tasks. Those of the same keys that stand behind them are ready then.
func (s *scheduler) done(list []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	freed := false
	for _, t := range list {
		s.advance(t)
		freed = t.part.done(t) || freed
	}
	s.running -= len(list)
	if freed {
		select {
		case s.room <- struct{}{}:
		default:
		}
	}
}

// advance has the next task of a key be ready.
func (s *scheduler) advance(t *task) {
	switch {
	case !t.keyed:
	case t.next != nil:
		s.ready.push(t.next)
		t.next = nil
		s.wake.Signal()
	default:
		delete(s.chains, t.chain)
	}
}

// again has a task that ran run again after a while. Its key waits with it.
func (s *scheduler) again(t *task, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.closed {
		return
	}
	if after <= 0 {
		s.ready.push(t)
		s.wake.Signal()
		return
	}
	s.park(t, after, s.ready.push)
}

// back has tasks that were taken and not begun be taken again.
func (s *scheduler) back(list []*task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running -= len(list)
	for _, t := range list {
		s.ready.push(t)
	}
}

// drop forgets a task that ran: it is not finished, and will be read again.
func (s *scheduler) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running -= n
}

// succeed tells the breaker of a success; it reports whether that closed it.
func (s *scheduler) succeed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := s.breaker.success()
	if closed {
		s.wake.Broadcast()
	}
	return closed
}

// judge calls fn with the breaker; afterwards workers look at it anew.
func (s *scheduler) judge(fn func(*breaker) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := fn(s.breaker)
	state, _ := s.breaker.told()
	s.hold.Store(s.closed || state != BreakerClosed)
	s.wake.Broadcast()
	return changed
}

// close sends the workers home. Tasks that wait are dropped.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.hold.Store(true)
	if s.alarm != nil {
		s.alarm.Stop()
	}
	for _, timer := range s.parked {
		timer.Stop()
	}
	clear(s.parked)
	s.wake.Broadcast()
}

// queue is first in, first out.
type queue struct {
	ring []*task
	head int
	n    int
}

func (q *queue) len() int { return q.n }

func (q *queue) push(t *task) {
	if q.n == len(q.ring) {
		grown := make([]*task, max(2*q.n, 64))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = t
	q.n++
}

func (q *queue) pop() *task {
	t := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return t
}
