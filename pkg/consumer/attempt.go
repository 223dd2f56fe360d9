package consumer

import (
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// attempt runs a task once, and sees to what follows. It reports whether the task is
// done with.
func (s *session) attempt(d *desk, t *task, probe bool) bool {
	if t.pending != nil {
		ok := s.putAside(t, probe)
		if ok {
			s.succeeded(probe)
		}
		return ok
	}
	t.m.Attempt++
	t.tries++
	t.m.passed = false
	err, took := s.call(d, t)
	if err == nil || errors.Is(err, ErrSkip) {
		s.finished(probe, t.m.passed || err != nil)
		s.observe(t, Handled, took, nil)
		return true
	}
	outcome, wait := Dropped, time.Duration(0)
	if s.work.Err() == nil {
		outcome, wait = s.failed(t, probe, err)
	}
	s.observe(t, outcome, took, err) // before anybody else may get the task
	switch outcome {
	case Delayed, Dead:
		return s.putAside(t, probe)
	case Paused: // this was no attempt
		t.m.Attempt--
		t.tries--
		s.sched.again(t, 0)
	case Retried:
		s.sched.again(t, wait)
	case Handled, Dropped:
		s.sched.drop(1)
	}
	return false
}

// observe tells Config.Observe.
func (s *session) observe(t *task, o Outcome, took time.Duration, err error) {
	if s.c.cfg.Observe != nil {
		s.c.cfg.Observe(Result{Message: &t.m, Outcome: o, Took: took, Err: err})
	}
}

// finished tells the breaker of a task that is done with.
func (s *session) finished(probe, skipped bool) {
	switch {
	case !skipped:
		s.succeeded(probe)
	case probe: // another has to tell
		now := s.c.cfg.Now()
		s.sched.judge(func(b *breaker) bool { b.release(now); return false })
	}
}

// succeeded tells the breaker, where that matters.
func (s *session) succeeded(probe bool) {
	if (s.troubled.Swap(false) || probe) && s.sched.succeed() {
		s.c.cfg.Log.Info("consumer goes on", zap.String("reason_code", "consumer_resumed"), zap.String("group", s.c.cfg.Group))
	}
}

// failed decides what becomes of a task whose handler failed, and after which wait.
func (s *session) failed(t *task, probe bool, err error) (Outcome, time.Duration) {
	what, after := classify(err)
	if t.since.IsZero() {
		t.since = s.c.cfg.Now()
	}
	switch {
	case what == stop:
		s.end(err)
		s.sched.close()
		return Dropped, 0
	case what == permanent: // the handler works
		s.succeeded(probe)
		t.pending = s.dead(t, DeadPermanent, err)
		return Dead, 0
	case what == unavailable:
		s.troubled.Store(true)
		s.trip(probe, err)
		return Paused, 0
	case s.blame(t, probe, err):
		return Paused, 0
	case what != later && t.tries < s.c.cfg.Retry.Attempts && !s.tooLong(t, after):
		return Retried, s.backoff(t.tries, after)
	}
	return s.postpone(t, after, err)
}

// blame tells the breaker of a failure. It reports whether that is not to count as
// an attempt, because the breaker was open and this only asked whether it may close.
func (s *session) blame(t *task, probe bool, err error) bool {
	s.troubled.Store(true)
	now, of := s.c.cfg.Now(), t.m.Origin()
	if s.sched.judge(func(b *breaker) bool { return b.failure(of, probe, now, errorText(err)) }) {
		s.sayPaused(err)
	}
	return probe
}

// trip has the breaker open.
func (s *session) trip(probe bool, err error) {
	now := s.c.cfg.Now()
	if s.sched.judge(func(b *breaker) bool { return b.trip(probe, now, errorText(err)) }) {
		s.sayPaused(err)
	}
}

func (s *session) sayPaused(err error) {
	s.c.cfg.Log.Warn("consumer pauses, and tries one record from time to time", zap.String("reason_code", "consumer_paused"),
		zap.String("group", s.c.cfg.Group), zap.Error(err))
}

// tooLong reports whether a wait is nothing for here: nothing behind the record in its
// partition could be committed. Behind the last delay there is no other place for it.
func (s *session) tooLong(t *task, after time.Duration) bool {
	r := &s.c.cfg.Retry
	return after > r.MaxBackoff && !r.Ordered && t.stage < len(r.Delays)
}

// postpone has a task wait for the next delay, here or in a retry topic; behind the last
// it becomes a dead letter.
func (s *session) postpone(t *task, after time.Duration, err error) (Outcome, time.Duration) {
	delays := s.c.cfg.Retry.Delays
	if t.stage >= len(delays) {
		t.pending = s.dead(t, DeadAttempts, err)
		return Dead, 0
	}
	delay := max(delays[t.stage], min(after, s.c.cfg.Retry.MaxAfter))
	if !s.c.cfg.Retry.Ordered {
		t.pending = s.delayed(t, delays[t.stage], delay, err)
		return Delayed, 0
	}
	t.stage++
	t.tries = 0
	return Retried, delay
}

// putAside publishes what a task has become; until that succeeds the task stays.
func (s *session) putAside(t *task, probe bool) bool {
	err := s.publish(s.work, t.pending)
	if err == nil {
		return true
	}
	if s.work.Err() != nil {
		s.sched.drop(1)
		return false
	}
	if errors.Is(err, broker.ErrTooLarge) {
		s.waitForRoom(t, probe, err)
		return false
	}
	s.trip(probe, err)
	s.sched.again(t, 0)
	return false
}

// waitForRoom has a task wait until its topic takes records as large as it is, which
// somebody has to see to. Nothing is wrong with others: they go on.
func (s *session) waitForRoom(t *task, probe bool, err error) {
	s.c.cfg.Log.Error("a record is too large to be put aside: it, its key and the commits of its partition wait until the topic takes it",
		zap.String("reason_code", "consumer_too_large"), zap.Stringer("place", t.m.Place()), zap.Error(err))
	if reports, err := s.c.client.Topics(s.work, t.pending.Topic); err == nil {
		s.c.learn(reports)
	}
	s.finished(probe, true)
	s.sched.again(t, s.c.cfg.Breaker.MaxWait)
}

// backoff is how long to wait after so many attempts.
func (s *session) backoff(tries int, after time.Duration) time.Duration {
	r := s.c.cfg.Retry
	most := r.MinBackoff
	for range tries - 1 {
		most = min(2*most, r.MaxBackoff)
	}
	wait := max(r.MinBackoff/10, time.Duration(rand.Float64()*float64(most))) //nolint:gosec // jitter protects nothing
	return max(wait, min(after, r.MaxAfter))
}
