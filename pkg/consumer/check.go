package consumer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Bounds of Config.
const (
	leastDelay    = time.Second
	mostDrain     = 10 * time.Second // at a rebalance: the group waits
	leastRoom     = 64 << 10         // of a partition, bytes
	mostAhead     = 100_000          // finished records of a partition beyond one that is not
	maxErrorText  = 1 << 10
	deadRetention = 30 * 24 * time.Hour
	keepBeyond    = 7 * 24 * time.Hour // what retry topics keep beyond the longest delay
)

// withDefaults fills what was left out.
func withDefaults(c Config) Config {
	orElse(&c.Kafka.ClientID, "postrider-consumer")
	orElse(&c.Concurrency, 1)
	orElse(&c.Timeout, 30*time.Second)
	orElse(&c.StopTimeout, 10*time.Second)
	orElse(&c.SessionTimeout, 30*time.Second)
	orElse(&c.CommitEvery, time.Second)
	orElse(&c.MaxBytes, 64<<20)
	orElse(&c.Log, zap.NewNop())
	c.Retry.setDefaults(c.Group)
	orElse(&c.Breaker.Failures, 10)
	orElse(&c.Breaker.MinWait, time.Second)
	orElse(&c.Breaker.MaxWait, max(time.Minute, c.Breaker.MinWait))
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // what users of this package would pass
	}
	return c
}

func (r *Retry) setDefaults(group string) {
	orElse(&r.Attempts, 3)
	orElse(&r.MinBackoff, 200*time.Millisecond)
	orElse(&r.MaxBackoff, max(10*time.Second, r.MinBackoff))
	orElse(&r.MaxAfter, time.Hour)
	orElse(&r.Prefix, group)
	orElse(&r.Partitions, 3)
	if r.Delays == nil {
		r.Delays = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}
	}
}

func orElse[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// check returns everything that is wrong, with the names of the fields.
func (c *Config) check() error {
	var p problems
	p.on(c.Group == "", "Group is missing: give the consumer group a name")
	p.on(len(c.Topics) == 0, "Topics is empty: name a topic or a pattern, such as email.bounced")
	p.on(slices.Contains(c.Topics, c.Retry.deadTopic()), fmt.Sprintf("Topics holds %q, the group's own dead letters, which would go round: read them as another group, or replay them into a retry topic", c.Retry.deadTopic()))
	for _, t := range c.Topics {
		_, err := path.Match(t, "")
		p.on(err != nil || t == "", fmt.Sprintf("Topics holds %q, which is no name and no pattern", t))
	}
	p.on(len(c.Kafka.Brokers) == 0, "Kafka.Brokers is empty: name a broker as host:port")
	p.on(c.Concurrency < 0, "Concurrency is negative")
	p.on(c.Timeout < 0 || c.StopTimeout < 0 || c.CommitEvery < 0 || c.MaxBytes < 0, "a bound is negative")
	p.on(c.SessionTimeout <= c.drain(), fmt.Sprintf("SessionTimeout is %s, and giving partitions back takes up to %s: make it longer, or StopTimeout shorter", c.SessionTimeout, c.drain()))
	p.on(c.Breaker.MinWait < 0 || c.Breaker.MaxWait < c.Breaker.MinWait, "Breaker.MaxWait is below Breaker.MinWait, or one is negative")
	c.Retry.check(&p)
	return p.err()
}

// drain is how long giving partitions back at a rebalance takes, at most.
func (c *Config) drain() time.Duration {
	return min(c.StopTimeout, mostDrain) + grace + commitTimeout
}

func (r *Retry) check(p *problems) {
	p.on(r.Attempts < 0 || r.MaxAfter < 0 || r.Partitions < 0 || r.Replication < 0, "Retry has a negative number")
	p.on(r.MinBackoff < 0 || r.MaxBackoff < r.MinBackoff, "Retry.MaxBackoff is below Retry.MinBackoff, or one is negative")
	named := map[string]bool{}
	for _, d := range r.Delays {
		name := delayName(d)
		p.on(d < leastDelay, fmt.Sprintf("Retry.Delays holds %s, less than a second", d))
		p.on(!topicName(r.retryTopic(d)), fmt.Sprintf("%q is no name for a topic: choose another Group or Retry.Prefix", r.retryTopic(d)))
		p.on(named[name], fmt.Sprintf("Retry.Delays holds %s twice", d))
		named[name] = true
	}
	p.on(!topicName(r.deadTopic()), fmt.Sprintf("%q is no name for a topic: choose another Group or Retry.Prefix, of a-z, A-Z, 0-9, dots, underscores and dashes", r.deadTopic()))
}

// topicName reports whether Kafka takes a topic of that name.
func topicName(s string) bool {
	return len(s) <= 249 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// problems collects sentences.
type problems []error

func (p *problems) on(wrong bool, sentence string) {
	if wrong {
		*p = append(*p, errors.New("consumer: "+sentence))
	}
}

func (p *problems) err() error { return errors.Join(*p...) }
