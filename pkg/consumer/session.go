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

	revoked <-chan struct{} // the partitions are to be given back

	work     context.Context // of the handlers
	cancel   context.CancelFunc
	troubled atomic.Bool // the breaker wants to know of successes

	once      sync.Once
	fail      error         // why the session ends for good
	over      chan struct{} // it has to end
	strangers sync.Once     // the log was told of records of other groups
}

// newSession prepares the work on an assignment.
func newSession(ctx context.Context, c *Consumer, a *broker.Assignment) *session {
	s := &session{
		c: c, a: a, sched: newScheduler(&c.cfg, c.breaker),
		parts: map[string]map[int]*partition{}, revoked: a.Revoked(), over: make(chan struct{}),
	}
	s.work, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.troubled.Store(true) // the breaker may know of failures
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
	select {
	case <-ctx.Done():
	case <-s.revoked:
	case <-s.over:
	}
	stop()
	s.sched.close()
	late := s.drain(&workers)
	background.Wait()
	s.commit(context.WithoutCancel(ctx), s.positions())
	if late != nil && ctx.Err() == nil { // others handle those records: that goes on
		s.c.cfg.Log.Error("consumer gives partitions back while handlers run", zap.String("reason_code", "consumer_late"), zap.Error(late))
		late = nil
	}
	return errors.Join(s.fail, late)
}

// drain waits for the workers, for a shorter time where the group waits, too. Handlers
// that do not end in time are told to, and then left behind: their records are not
// finished.
func (s *session) drain(workers *sync.WaitGroup) error {
	defer s.cancel()
	began := s.c.cfg.Now()
	gone := make(chan struct{})
	go func() {
		workers.Wait()
		close(gone)
	}()
	timer := time.NewTimer(s.c.cfg.StopTimeout)
	defer timer.Stop()
	select {
	case <-gone:
		return nil
	case <-timer.C:
	case <-s.revoked:
		if within(gone, min(s.c.cfg.StopTimeout, mostDrain)) {
			return nil
		}
	}
	s.cancel()
	if within(gone, grace) {
		return nil
	}
	s.sched.mu.Lock()
	n := s.sched.running
	s.sched.mu.Unlock()
	return fmt.Errorf("consumer: %d records are still with handlers that do not heed the end of their context, %s after they were told to stop; "+
		"they will be handled again", n, s.c.cfg.Now().Sub(began).Round(time.Millisecond))
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

// read reads the partitions until ctx ends, and goes on behind gaps where it may.
func (s *session) read(ctx context.Context) {
	for {
		err := s.c.client.Stream(ctx, s.ahead(), broker.StreamOptions{Room: s.room, Wake: s.sched.room, Deliver: s.deliver})
		if ctx.Err() != nil {
			return
		}
		if gap, ok := errors.AsType[*broker.OffsetGapError](err); ok {
			err = s.gap(gap)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// ahead is what to read next of each partition.
func (s *session) ahead() []broker.Position {
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	list := make([]broker.Position, 0, len(s.a.Partitions))
	for _, at := range s.a.Partitions {
		at.Offset = s.parts[at.Topic][at.Partition].next
		list = append(list, at)
	}
	return list
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
	tasks := make([]task, 0, len(b.Messages))
	for i := range b.Messages {
		m := &b.Messages[i]
		tasks = tasks[:len(tasks)+1]
		t := &tasks[len(tasks)-1]
		t.part, t.stage = p, p.stage
		t.size = len(m.Key) + len(m.Value) + perRecord
		t.m = Message{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers}
		switch {
		case p.delay == 0:
		case s.strange(&t.m):
			tasks = tasks[:len(tasks)-1]
		default:
			t.m.Attempt = triedBefore(&t.m)
		}
	}
	s.sched.add(p, tasks, b.Next, b.HighWater)
	return nil
}

// perRecord is what a record takes in memory beside its key and value, roughly.
const perRecord = 512

// strange reports whether a record of a retry topic was put there by another group,
// which handles it; this one has had it from where it lay first. What a replay
// put there is for whoever reads it.
func (s *session) strange(m *Message) bool {
	group, ok := m.Header(HeaderGroup)
	if _, copied := m.Header(headerReplayID); copied || !ok || group == s.c.cfg.Group {
		return false
	}
	s.strangers.Do(func() {
		s.c.cfg.Log.Warn("a retry topic holds records of another group, which are left to it: give each group a Retry.Prefix of its own",
			zap.String("reason_code", "consumer_prefix"), zap.String("topic", m.Topic), zap.String("group", s.c.cfg.Group), zap.String("other", group))
	})
	return true
}

// gap asks what to do about records that are gone; nil goes on behind them. What was
// read before stays to be finished: the gap does not tell of it.
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
	if gap.To < gap.From { // offsets have another meaning now
		p.tasks = nil
	}
	p.next = gap.To
	return nil
}

// errAgain has the group joined anew.
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
		if i > 0 && s.sched.hold.Load() {
			s.sched.back(taken[i:])
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

// errGone is told of a handler that ends its goroutine: nobody can keep that from
// happening, or knows what became of the record.
var errGone = errors.New("it ended its goroutine instead of returning, by runtime.Goexit, or FailNow of a test")

// call calls the handler, and survives it.
func (s *session) call(d *desk, t *task) (err error, took time.Duration) { //nolint:revive,staticcheck // the error is the result of the handler, not of the call
	began := s.c.cfg.Now()
	ctx := &deadline{Context: s.work, now: s.c.cfg.Now, at: began.Add(s.c.cfg.Timeout)}
	defer ctx.end(context.Canceled)
	d.sit(t, began)
	returned := false
	defer func() {
		d.rise()
		took = s.c.cfg.Now().Sub(began)
		if r := recover(); r == nil && !returned {
			s.end(fmt.Errorf("consumer: the handler of %s: %w", t.m.Place(), errGone))
		} else if r != nil {
			s.c.cfg.Log.Error("a handler panicked", zap.String("reason_code", "consumer_panic"), zap.String("topic", t.m.Topic),
				zap.Int("partition", t.m.Partition), zap.Int64("offset", t.m.Offset), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("consumer: the handler panicked: %v", r)
		}
	}()
	err = s.c.handle(ctx, &t.m)
	returned = true
	return err, took
}
