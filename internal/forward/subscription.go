package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/consumer"
)

// The schedule beside what is configured.
const (
	minBackoff  = time.Second
	maxBackoff  = 30 * time.Second
	maxAfter    = time.Hour       // of a Retry-After
	slack       = 5 * time.Second // of a handler beside its delivery
	leastPause  = time.Second     // before a subscription that failed is tried anew
	mostPause   = time.Minute
	retryPieces = 3 // partitions of the topics of retries
)

// subscription is one Subscription at work.
type subscription struct {
	Subscription

	retryPrefix string // of the topics of its retries

	matcher  *selection.Matcher
	client   *delivery.Client
	limit    *rate.Limiter // nil: none
	stopping chan struct{} // closed when no delivery should wait for its turn any more
	counts   counters
	config   consumer.Config
	log      *zap.Logger
	now      func() time.Time

	mu       sync.Mutex
	consumer *consumer.Consumer // nil before the first Run and after the last
	state    string             // Failed, Disabled or Stopped; "" while a consumer runs
	reason   string
	gaps     int64
	left     Status // when it was told to stop

	finished, finishedThen atomic.Int64 // records; up to now, and when it was told to stop
}

// newSubscription makes everything that a subscription needs.
func newSubscription(o *Options, given *Subscription, m *metrics) (*subscription, error) {
	s := &subscription{Subscription: *given, now: o.Now, log: o.Log.With(zap.String("subscription", given.Name)), stopping: make(chan struct{})}
	s.Concurrency, s.retryPrefix = s.atOnce(), s.Group+".retry."
	s.counts = m.of(s.Name)
	if s.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(s.Rate), 1)
	}
	s.config = s.consumerConfig(o)
	var errMatch, errClient, errConsumer error
	s.matcher, errMatch = selection.Compile(s.filter(), selection.Options{KeyKind: o.KeyKind})
	s.client, errClient = delivery.New(s.target())
	s.consumer, errConsumer = consumer.New(s.config, s.handle)
	if err := errors.Join(errMatch, errClient, errConsumer); err != nil {
		if s.client != nil {
			s.client.Close()
		}
		return nil, err
	}
	return s, nil
}

// atOnce is how many deliveries make sense at once: with a bound on their number a
// second, more than that bound takes within a time-out would only wait.
func (s *subscription) atOnce() int {
	if s.Rate <= 0 {
		return s.Concurrency
	}
	return min(s.Concurrency, max(1, int(float64(s.Rate)*s.Timeout.Seconds())))
}

// filter is which records are meant. Copies of replays are handled apart.
func (s *subscription) filter() selection.Selection {
	f := selection.Selection{Types: s.Types, Providers: s.Providers, Sources: s.Sources, Where: s.Where, Replayed: true}
	f.All = len(f.Types)+len(f.Providers)+len(f.Sources) == 0 && f.Where == ""
	return f
}

// target is how deliveries are made. The consumer makes the retries, so that one that
// waits takes nobody's place.
func (s *subscription) target() delivery.Options {
	return delivery.Options{
		URL: s.URL, Secrets: s.Secrets, Allow: s.Allow, AttemptTimeout: s.Timeout, MaxAttempts: 1,
		MaxRetryAfter: maxAfter, MaxConcurrent: s.Concurrency, Now: s.now,
	}
}

// consumerConfig is how the topics are read.
func (s *subscription) consumerConfig(o *Options) consumer.Config {
	return consumer.Config{
		Kafka: o.Kafka, Group: s.Group, Topics: s.Topics, FromEnd: s.FromEnd, Concurrency: s.Concurrency,
		Timeout: 2*s.Timeout + slack, // waiting for a turn takes a time-out at most
		Retry: consumer.Retry{
			Attempts: s.Attempts, MinBackoff: cmp.Or(o.MinBackoff, minBackoff), MaxBackoff: cmp.Or(o.MaxBackoff, maxBackoff), MaxAfter: maxAfter,
			Delays: append([]time.Duration{}, s.Delays...), Ordered: s.Ordered, Prefix: s.Group, Partitions: retryPieces, Replication: o.Replication, NoCreate: o.NoCreate,
		},
		Breaker: o.Breaker, StopTimeout: o.StopTimeout, OnGap: s.gap, Observe: s.observe, Log: s.log, Now: o.Now,
	}
}

// run delivers until ctx ends or the target wants no more.
func (s *subscription) run(ctx context.Context) {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { s.noteLeft(); stop(); close(s.stopping) })()
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		err := s.consumer.Run(reading)
		if s.over(ctx, err) {
			return
		}
		s.become(Failed, err.Error())
		s.log.Error("the subscription failed, and is tried again", zap.String("reason_code", "forward_failed"), zap.Error(err), zap.Duration("wait", pause))
		select {
		case <-ctx.Done():
			s.become(Stopped, "")
			return
		case <-time.After(pause):
		}
		if err := s.renew(); err != nil {
			s.log.Error("the subscription failed", zap.String("reason_code", "forward_failed"), zap.Error(err))
		}
	}
}

// noteLeft sees what is left while there is a consumer to ask.
func (s *subscription) noteLeft() {
	left := s.status()
	s.finishedThen.Store(s.finished.Load())
	s.mu.Lock()
	s.left = left
	s.mu.Unlock()
}

// over reports whether a consumer's end is that of the subscription, and tells.
func (s *subscription) over(ctx context.Context, err error) bool {
	refused, ok := errors.AsType[*delivery.RefusedError](err)
	switch {
	case ok && refused.Gone:
		s.become(Disabled, refused.Error())
		s.log.Error("the target wants no deliveries any more: the subscription is disabled until the next start",
			zap.String("reason_code", "forward_disabled"), zap.Error(err))
	case ctx.Err() != nil || err == nil:
		s.become(Stopped, "")
		s.tellLeft(err)
	default:
		return false
	}
	return true
}

// tellLeft names what the next start goes on with.
func (s *subscription) tellLeft(err error) {
	level := zap.InfoLevel
	if err != nil { // deliveries were cut off
		level = zap.WarnLevel
	}
	s.mu.Lock()
	left := s.left
	s.mu.Unlock()
	done := s.finished.Load() - s.finishedThen.Load()
	s.log.Log(level, "stopped; the next start goes on with what is left", zap.String("reason_code", "forward_left"),
		zap.Int64("records", max(0, left.Lag-done)), zap.Int64("waiting", left.Waiting), zap.Error(err))
}

// renew makes another consumer: one runs once.
func (s *subscription) renew() error {
	c, err := consumer.New(s.config, s.handle)
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumer, s.state, s.reason = c, "", ""
	return nil
}

// become notes a state that no consumer tells.
func (s *subscription) become(state, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.reason = state, reason
}

// gap goes on behind records that were deleted before they were delivered: to stop
// would only let more of them be. It is said, counted, and shown until the next start.
func (s *subscription) gap(err *consumer.GapError) error {
	missing := max(err.To-err.From, 0)
	s.mu.Lock()
	s.gaps += missing
	s.mu.Unlock()
	s.counts.gaps.Add(float64(missing))
	s.log.Error("records were deleted before they were delivered", zap.String("reason_code", "forward_gap"), zap.Error(err))
	return nil
}

// observe counts what became of an attempt, beside what handle counts.
func (s *subscription) observe(r consumer.Result) {
	switch r.Outcome {
	case consumer.Handled:
		s.finished.Add(1)
	case consumer.Retried:
		s.counts.retried.Inc()
	case consumer.Delayed:
		s.counts.delayed.Inc()
		s.finished.Add(1)
	case consumer.Dead:
		s.counts.dead.Inc()
		s.finished.Add(1)
	case consumer.Paused, consumer.Dropped:
	}
}
