// Package forward delivers records of the topics to other people's servers: for each
// subscription a consumer group of its own, whose handler is an HTTP delivery.
//
// It stands between two packages that do the hard parts. pkg/consumer reads, keeps
// the order of keys, waits, retries, pauses and puts aside; internal/delivery signs,
// sends, and believes nothing that the target says. What is here is what lies between:
// which records are meant, what is sent for one, and what an answer means for the
// schedule (subscription.verdict):
//
//   - 2xx: delivered. 410: the subscription is disabled, others go on.
//   - Other refusals (3xx, 4xx): the same request would be refused again at once, so
//     the record waits for the next delay of the schedule.
//   - 5xx, 408, 425, 429, no answer: tried again soon, after Retry-After if the target
//     said so and that is no hour; many in a row pause the subscription.
//   - An address that must not be called, a certificate that cannot be trusted, secrets
//     that have all ended: nothing is tried until that is put right.
//   - A record that cannot be sent at all: a dead letter.
package forward

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/pkg/consumer"
)

// Options is what a Forwarder is made of. Subscriptions, Kafka, Log and Now are required.
type Options struct {
	Subscriptions []Subscription
	Kafka         consumer.Kafka
	// KeyKind is how records are keyed (kafka.topics.key).
	KeyKind string
	// StopTimeout is how long deliveries in progress may take at a stop.
	StopTimeout time.Duration
	// Replication of the topics of retries and dead letters; 0: the cluster's default.
	Replication int
	// NoCreate has missing ones be an error.
	NoCreate bool
	// MinBackoff and MaxBackoff bound the waits between the attempts that are made soon
	// one after the other; default 1 s and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// Breaker pauses a subscription while everything fails; the zero value takes
	// pkg/consumer's defaults.
	Breaker consumer.Breaker
	Log     *zap.Logger
	Now     func() time.Time
}

// Subscription is one target, and what it gets.
type Subscription struct {
	Name  string
	Group string // of consumers; begins the names of the topics of its retries, too
	// Topics are names, or patterns of path.Match.
	Topics []string
	// Types, Providers, Sources and Where are a filter, as package selection has them.
	Types, Providers, Sources []string
	Where                     string

	URL     string
	Secrets []delivery.Secret
	Allow   []netip.Prefix

	Format       Format
	Timeout      time.Duration // of one attempt
	Concurrency  int           // deliveries at once
	Rate         int           // deliveries a second; 0: no bound
	Ordered      bool          // of one key, no record overtakes another that waits for its retry
	FromEnd      bool          // a new subscription begins at the end of the topics
	SkipReplayed bool          // copies that replays made are left out
	Attempts     int           // made soon one after the other, before each of Delays
	Delays       []time.Duration
}

// Forwarder runs subscriptions. Safe for concurrent use.
type Forwarder struct {
	subscriptions []*subscription
	metrics       *metrics
	log           *zap.Logger
}

// New makes a Forwarder; the error tells all that is wrong with o. It connects to
// nothing.
func New(o Options) (*Forwarder, error) {
	f := &Forwarder{metrics: newMetrics(), log: o.Log}
	var problems []error
	for i := range o.Subscriptions {
		s, err := newSubscription(&o, &o.Subscriptions[i], f.metrics)
		if err != nil {
			problems = append(problems, fmt.Errorf("forward: subscription %s: %w", o.Subscriptions[i].Name, err))
			continue
		}
		f.subscriptions = append(f.subscriptions, s)
	}
	if len(o.Subscriptions) == 0 {
		problems = append(problems, errors.New("forward: there is no subscription"))
	}
	if len(problems) > 0 {
		f.close()
		return nil, errors.Join(problems...)
	}
	return f, nil
}

// Run delivers until ctx ends, and lets deliveries in progress finish then. What goes
// wrong with a subscription is its own: it is tried anew, and the others go on. Call
// it once.
func (f *Forwarder) Run(ctx context.Context) {
	defer f.close()
	var running sync.WaitGroup
	for _, s := range f.subscriptions {
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
}

// close closes the connections to the targets that wait for work.
func (f *Forwarder) close() {
	for _, s := range f.subscriptions {
		s.client.Close()
	}
}

// Target is where a subscription delivers, for people.
type Target struct {
	Name, Host string
	Topics     []string
	Format     Format
}

// Targets tells where each subscription delivers, in the order they were given.
func (f *Forwarder) Targets() []Target {
	list := make([]Target, len(f.subscriptions))
	for i, s := range f.subscriptions {
		list[i] = Target{Name: s.Name, Host: s.client.Host(), Topics: s.Topics, Format: s.Format}
	}
	return list
}

// Status tells what each subscription is doing, in the order they were given.
func (f *Forwarder) Status() []Status {
	list := make([]Status, len(f.subscriptions))
	for i, s := range f.subscriptions {
		list[i] = s.status()
	}
	return list
}

// Describe implements prometheus.Collector.
func (f *Forwarder) Describe(to chan<- *prometheus.Desc) { f.metrics.describe(to) }

// Collect implements prometheus.Collector. What changes by itself is looked at now.
func (f *Forwarder) Collect(to chan<- prometheus.Metric) {
	f.metrics.collect(to)
	for _, s := range f.subscriptions {
		f.metrics.tell(to, s.status())
	}
}
