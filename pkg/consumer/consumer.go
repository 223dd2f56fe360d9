package consumer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// Times of Run.
const (
	lookEvery     = 30 * time.Second // for topics that patterns mean
	leastPause    = 250 * time.Millisecond
	mostPause     = 10 * time.Second
	publishBudget = 10 * time.Second // of a record put aside
)

// Consumer is one member of a consumer group.
type Consumer struct {
	cfg    Config
	handle Handler

	client    *broker.Client
	publisher *broker.GroupCommitter
	breaker   *breaker // of the session that is there
	started   atomic.Bool
	session   atomic.Pointer[session]
	look      time.Duration // lookEvery
}

// New checks cfg, all of it at once, and makes a Consumer. It reads the files that
// cfg names, and connects to nothing.
func New(cfg Config, h Handler) (*Consumer, error) {
	cfg = withDefaults(cfg)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, errors.New("consumer: there is no Handler")
	}
	client, err := broker.Dial(cfg.Kafka.options(cfg.Now))
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	return &Consumer{cfg: cfg, handle: h, client: client, breaker: newBreaker(cfg.Breaker), look: lookEvery}, nil
}

// options are those of the connections.
func (k *Kafka) options(now func() time.Time) broker.Options {
	o := broker.Options{Brokers: k.Brokers, ClientID: k.ClientID, Now: now}
	if k.TLS != nil {
		o.TLS = &broker.TLSOptions{CAFile: k.TLS.CAFile, CertFile: k.TLS.CertFile, KeyFile: k.TLS.KeyFile, ServerName: k.TLS.ServerName}
	}
	if k.SASL != nil {
		o.SASL = &broker.SASLOptions{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: k.SASL.Password, Region: k.SASL.Region}
	}
	return o
}

// Run reads and handles until ctx ends, and then returns nil. It waits for a cluster
// that is not there, and rides out restarts, elections and rebalances. It returns an
// error for what somebody has to change: a *GapError, what Stop was given, a topic
// that does not exist, missing rights; or if handlers did not return in time.
// It may be called once.
func (c *Consumer) Run(ctx context.Context) error {
	if c.started.Swap(true) {
		return errors.New("consumer: Run was called before: make a new Consumer")
	}
	defer c.client.Close()
	c.publisher = broker.NewPublisher(c.client, broker.PublisherOptions{Now: c.cfg.Now, Budget: publishBudget, Log: c.cfg.Log})
	defer c.closePublisher(context.WithoutCancel(ctx))
	for {
		asked, aside, err := c.topics(ctx)
		if err == nil {
			err = c.join(ctx, asked, aside)
		}
		switch {
		case errors.Is(err, errAgain) && ctx.Err() == nil:
		case errors.Is(err, errAgain), ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return nil
		default:
			return err
		}
	}
}

// closePublisher ends the publisher, in which nothing waits: sessions wait for theirs.
func (c *Consumer) closePublisher(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = c.publisher.Close(ctx)
}

// topics returns what is to be read: the topics that were asked for, and those that
// records were put aside into, which it sees to. It waits until there is one.
func (c *Consumer) topics(ctx context.Context) (asked, aside []string, err error) {
	specs := c.cfg.Retry.specs()
	err = c.patiently(ctx, func() error {
		reports, err := c.client.EnsureTopics(ctx, specs, !c.cfg.Retry.NoCreate)
		if err != nil {
			return err
		}
		c.learn(reports)
		for asked, aside, err = c.find(ctx); err == nil && len(asked)+len(aside)+len(specs) == 1; asked, aside, err = c.find(ctx) {
			if err := pause(ctx, c.look); err != nil {
				return err
			}
		}
		return err
	})
	for _, s := range specs[1:] { // the first is that of dead letters
		aside = append(aside, s.Name)
	}
	return asked, aside, err
}

// learn has the publisher know how large the records of topics may be.
func (c *Consumer) learn(reports []broker.TopicReport) {
	for _, r := range reports {
		c.publisher.SetLimit(r.Name, r.MaxMessageBytes)
	}
}

// find looks up which topics are meant. Names have to exist; a pattern may mean none
// yet. aside are the group's retry topics, also those of delays that are no longer
// among Retry.Delays: records may wait in them.
func (c *Consumer) find(ctx context.Context) (found, aside []string, err error) {
	all, err := c.client.TopicNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range all {
		if _, ok := c.cfg.Retry.delayOf(name); ok {
			aside = append(aside, name)
		}
	}
	for _, want := range c.cfg.Topics {
		n := len(found)
		for _, name := range all {
			if name == want || matches(want, name) {
				found = append(found, name)
			}
		}
		if len(found) == n && !pattern(want) {
			if err := c.exists(ctx, want); err != nil {
				return nil, nil, err
			}
			found = append(found, want)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), aside, nil
}

// exists looks for a topic that was not among all: it may have been made a moment ago, and
// the brokers of a cluster learn of that one after the other.
func (c *Consumer) exists(ctx context.Context, topic string) error {
	reports, err := c.client.Topics(ctx, topic)
	if err == nil && len(reports) == 0 {
		err = fmt.Errorf("consumer: there is no topic %s, or this account may not see it: create it, or start postrider, which does", topic)
	}
	return err
}

// matches reports whether a pattern means a topic. It never means those that some
// group's records were put aside into.
func matches(want, name string) bool {
	ok, _ := path.Match(want, name) // checked by New
	return ok && pattern(want) && !strings.HasSuffix(name, deadSuffix) && !strings.Contains(name, retryInfix)
}

func pattern(name string) bool { return !topicName(name) }

// stageOf tells of a topic which delay it has, if it is a retry topic, and which of the
// delays comes next.
func (c *Consumer) stageOf(topic string) (delay time.Duration, stage int) {
	delays := c.cfg.Retry.Delays
	for i, d := range delays {
		if topic == c.cfg.Retry.retryTopic(d) {
			return d, i + 1
		}
	}
	delay, ok := c.cfg.Retry.delayOf(topic)
	if !ok {
		return 0, 0
	}
	if i := slices.IndexFunc(delays, func(d time.Duration) bool { return d > delay }); i >= 0 {
		return delay, i
	}
	return delay, len(delays)
}

// patiently calls fn until it succeeds or fails for good.
func (c *Consumer) patiently(ctx context.Context, fn func() error) error {
	for wait := leastPause; ; wait = min(2*wait, mostPause) {
		err := fn()
		if err == nil || ctx.Err() != nil || !broker.Unreachable(err) {
			return err
		}
		c.cfg.Log.Warn("consumer waits for Kafka", zap.String("reason_code", "consumer_waits"), zap.Error(err), zap.Duration("wait", wait))
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// pause waits, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// join is a member of the group until ctx ends, something fails, or other topics are
// to be read.
func (c *Consumer) join(ctx context.Context, asked, aside []string) error {
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go c.watch(reading, asked, cancel)
	member, err := c.client.Join(broker.JoinOptions{
		Group: c.cfg.Group, Topics: slices.Concat(asked, aside), FromEnd: c.cfg.FromEnd, Whole: aside, Now: c.cfg.Now, Log: c.cfg.Log,
		SessionTimeout: c.cfg.SessionTimeout, Drain: c.cfg.drain(),
	})
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	defer func() { _ = member.Close() }() //nolint:contextcheck // it leaves the group after ctx has ended; what fails the group notices by itself
	for {
		a, err := member.Next(reading)
		if err == nil {
			err = c.serve(reading, a)
		}
		switch {
		case context.Cause(reading) == errAgain: //nolint:errorlint // it is this very one
			return errors.Join(err, errAgain)
		case ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())):
			return ctx.Err()
		case err != nil:
			return err
		}
	}
}

// serve works on an assignment until it ends.
func (c *Consumer) serve(ctx context.Context, a *broker.Assignment) error {
	s := newSession(ctx, c, a)
	c.session.Store(s)
	defer c.session.Store(nil)
	defer a.Release()
	return s.run(ctx)
}

// watch looks for topics that patterns mean, and has the group joined anew where there
// are others than before.
func (c *Consumer) watch(ctx context.Context, asked []string, again context.CancelCauseFunc) {
	if !slices.ContainsFunc(c.cfg.Topics, pattern) {
		return
	}
	tick := time.NewTicker(c.look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		found, _, err := c.find(ctx)
		if err == nil && !slices.Equal(found, asked) {
			again(errAgain)
			return
		}
	}
}
