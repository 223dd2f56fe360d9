package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// grace is how long handlers have after their context was ended, before they are
// left behind.
const grace = 2 * time.Second

// session is the work on one assignment: read, handle, commit, until it is revoked
// or the Consumer is told to stop.
type session struct {
	c     *Consumer
	a     *broker.Assignment
	sched *scheduler
	parts map[string]map[int]*partition
	desks []*desk // one a worker

	work     context.Context // of the handlers
	cancel   context.CancelFunc
	troubled atomic.Bool // the breaker wants to know of successes

	once sync.Once
	fail error         // why the session ends for good
	over chan struct{} // it has to end
}

// newSession prepares the work on an assignment.
func newSession(ctx context.Context, c *Consumer, a *broker.Assignment) *session {
	s := &session{
		c: c, a: a, sched: newScheduler(&c.cfg, c.breaker),
		parts: map[string]map[int]*partition{}, over: make(chan struct{}),
	}
	s.work, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	room := max(int(c.cfg.MaxBytes)/max(len(a.Partitions), 1), leastRoom)
	for range c.cfg.Concurrency {
		s.desks = append(s.desks, &desk{})
	}
	for _, at := range a.Partitions {
		p := &partition{topic: at.Topic, number: at.Partition, next: at.Offset, committed: at.Offset, highWater: -1, room: room}
		p.delay, p.stage = c.stageOf(at.Topic)
		if s.parts[at.Topic] == nil {
			s.parts[at.Topic] = map[int]*partition{}
		}
		s.parts[at.Topic][at.Partition] = p
	}
	return s
}

// run works until ctx ends, the assignment is revoked, or something fails; nil for
// the first two. When it returns, the last position is committed, and no handler
// runs, unless the error says so.
func (s *session) run(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	var background, workers sync.WaitGroup
	background.Go(func() { s.read(reading) })
	background.Go(func() { s.commitNowAndThen(reading) })
	for _, d := range s.desks {
		workers.Go(func() { s.worker(d) }) //nolint:contextcheck // handlers outlive ctx by StopTimeout
	}
	wait := s.c.cfg.StopTimeout
	select {
	case <-ctx.Done():
	case <-s.a.Revoked():
		wait = min(wait, mostDrain)
	case <-s.over:
		wait = min(wait, mostDrain)
	}
	stop()
	s.sched.close()
	late := s.drain(&workers, wait)
	background.Wait()
	s.commit(context.WithoutCancel(ctx), s.positions())
	if late != nil && ctx.Err() == nil { // others handle those records: that goes on
		s.c.cfg.Log.Error("consumer gives partitions back while handlers run", zap.String("reason_code", "consumer_late"), zap.Error(late))
		late = nil
	}
	return errors.Join(s.fail, late)
}

// drain waits for the workers. Handlers that do not end in time are told to, and
// then left behind: their records are not finished.
func (s *session) drain(workers *sync.WaitGroup, wait time.Duration) error {
	defer s.cancel()
	gone := make(chan struct{})
	go func() {
		workers.Wait()
		close(gone)
	}()
	if within(gone, wait) {
		return nil
	}
	s.cancel()
	if within(gone, grace) {
		return nil
	}
	s.sched.mu.Lock()
	n := s.sched.running
	s.sched.mu.Unlock()
	return fmt.Errorf("consumer: %d records are still with handlers that do not heed the end of their context, %s after they were told to stop; "+
		"they will be handled again", n, wait+grace)
}

func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// end ends the session for a reason.
func (s *session) end(err error) {
	s.once.Do(func() {
		s.fail = err
		close(s.over)
	})
}

// read reads the partitions until ctx ends.
func (s *session) read(ctx context.Context) {
	err := s.c.client.Stream(ctx, s.a.Partitions, broker.StreamOptions{Room: s.room, Wake: s.sched.room, Deliver: s.deliver})
	if ctx.Err() != nil {
		return
	}
	if gap, ok := errors.AsType[*broker.OffsetGapError](err); ok {
		err = s.gap(gap)
	}
	s.end(err)
}

// room implements broker.StreamOptions.
func (s *session) room(topic string, partition int) int {
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	return s.parts[topic][partition].ask()
}

// deliver implements broker.StreamOptions.
func (s *session) deliver(b broker.Batch) error {
	p := s.parts[b.Topic][b.Partition]
	tasks := make([]task, len(b.Messages))
	for i := range b.Messages {
		m := &b.Messages[i]
		t := &tasks[i]
		t.part, t.stage = p, p.stage
		t.size = len(m.Key) + len(m.Value) + perRecord
		t.m = Message{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers}
		if p.delay > 0 {
			t.m.Attempt = triedBefore(&t.m)
		}
	}
	s.sched.add(p, tasks, b.Next, b.HighWater)
	return nil
}

// perRecord is what a record takes in memory beside its key and value, roughly.
const perRecord = 512

// gap asks what to do about records that are gone.
func (s *session) gap(g *broker.OffsetGapError) error {
	gap := &GapError{Group: s.c.cfg.Group, Topic: g.Topic, Partition: g.Partition, From: g.Offset, To: g.Log.First}
	if s.c.cfg.OnGap == nil {
		return gap
	}
	if err := s.c.cfg.OnGap(gap); err != nil {
		return err
	}
	s.c.cfg.Log.Warn("consumer goes on behind records that were deleted before they were read",
		zap.String("reason_code", "consumer_gap"), zap.String("topic", gap.Topic), zap.Int("partition", gap.Partition),
		zap.Int64("from", gap.From), zap.Int64("to", gap.To))
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	p := s.parts[g.Topic][g.Partition]
	p.tasks, p.next = nil, gap.To
	return errAgain
}

// errAgain ends a session that another is to follow.
var errAgain = errors.New("consumer: begin anew")

// worker runs tasks until the scheduler is closed. A single worker takes many at once,
// which costs less; of several each takes one, so that none waits behind one that
// hangs while others have nothing to do.
func (s *session) worker(d *desk) {
	most := 1
	if s.c.cfg.Concurrency == 1 {
		most = mostTaken
	}
	list := make([]*task, 0, most)
	for {
		taken, probe := s.sched.take(list[:0], most)
		if len(taken) == 0 {
			return
		}
		s.handle(d, taken, probe)
	}
}

// handle runs tasks one after the other. Those that are done with are told in one go,
// but not later than it takes to notice.
func (s *session) handle(d *desk, taken []*task, probe bool) {
	began := s.c.cfg.Now()
	finished := taken[:0]
	for i, t := range taken {
		if i > 0 && s.work.Err() != nil {
			s.sched.drop(len(taken) - i)
			break
		}
		if s.attempt(d, t, probe) {
			finished = append(finished, t)
		}
		if len(finished) > 0 && i+1 < len(taken) && s.c.cfg.Now().Sub(began) > quickTaken {
			s.sched.done(finished)
			finished, began = finished[len(finished):], s.c.cfg.Now()
		}
	}
	if len(finished) > 0 {
		s.sched.done(finished)
	}
}

// call calls the handler, and survives it.
func (s *session) call(d *desk, t *task) (err error, took time.Duration) { //nolint:revive,staticcheck // the error is the result of the handler, not of the call
	began := s.c.cfg.Now()
	ctx := &deadline{Context: s.work, now: s.c.cfg.Now, at: began.Add(s.c.cfg.Timeout)}
	defer ctx.end(context.Canceled)
	d.sit(t, began)
	defer func() {
		d.rise()
		took = s.c.cfg.Now().Sub(began)
		if r := recover(); r != nil {
			s.c.cfg.Log.Error("a handler panicked", zap.String("reason_code", "consumer_panic"), zap.String("topic", t.m.Topic),
				zap.Int("partition", t.m.Partition), zap.Int64("offset", t.m.Offset), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("consumer: the handler panicked: %v", r)
		}
	}()
	return s.c.handle(ctx, &t.m), took
}
