package config

import (
	"cmp"
	"net/netip"
	"strconv"
	"time"
)

// Forward is what `postrider forward` delivers by HTTP, and to whom.
type Forward struct {
	Listen        string         `yaml:"listen"` // health and metrics of that process
	Subscriptions []Subscription `yaml:"subscriptions"`
}

// Subscription is one HTTP endpoint that events are delivered to, and which.
type Subscription struct {
	Name      string   `yaml:"name"`   // part of its consumer group, and of the topics of its retries
	Topics    []string `yaml:"topics"` // names, or patterns of path.Match; empty: those of Types, or every topic of events
	Types     []string `yaml:"types"`  // as types of events are written: bounced, inbound.delivered; empty: all
	Providers []string `yaml:"providers"`
	Sources   []string `yaml:"sources"`
	Where     string   `yaml:"where"` // an expression on the fields of events

	URL     string          `yaml:"url"`
	Secrets []SigningSecret `yaml:"secrets"` // sign by Standard Webhooks; empty: requests are not signed
	Allow   []netip.Prefix  `yaml:"allow"`   // addresses that are not public and may be called all the same

	Format      string        `yaml:"format"`      // json (default) | cloudevents | cloudevents_binary | raw
	Timeout     time.Duration `yaml:"timeout"`     // of one attempt, from dialling to the end of the answer
	Concurrency int           `yaml:"concurrency"` // deliveries at once
	Rate        int           `yaml:"rate"`        // deliveries a second; 0: no bound
	Ordered     bool          `yaml:"ordered"`     // a record waits for those of its key before it, through all their retries
	From        string        `yaml:"from"`        // where a new subscription begins: end (default) | first
	Replayed    string        `yaml:"replayed"`    // copies that replays made: deliver (default) | skip
	Retry       ForwardRetry  `yaml:"retry"`
}

// ForwardRetry is the schedule of a Subscription's attempts.
type ForwardRetry struct {
	Attempts int             `yaml:"attempts"` // at once, with short waits; and again after each of Delays
	Delays   []time.Duration `yaml:"delays"`   // ascending
}

// The formats of a Subscription.
const (
	FormatJSON              = "json"
	FormatCloudEvents       = "cloudevents"
	FormatCloudEventsBinary = "cloudevents_binary"
	FormatRaw               = "raw"
)

// Formats returns the formats of subscriptions.
func Formats() []string {
	return []string{FormatJSON, FormatCloudEvents, FormatCloudEventsBinary, FormatRaw}
}

// Where a new Subscription begins, and what becomes of replayed copies.
const (
	FromEnd         = "end"
	FromFirst       = "first"
	ReplayedDeliver = "deliver"
	ReplayedSkip    = "skip"
)

// What a subscription is without being told.
const (
	forwardTimeout     = 15 * time.Second
	forwardConcurrency = 16
	forwardAttempts    = 3
)

func forwardDelays() []time.Duration {
	return []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, day}
}

// complete fills in what a subscription is without being told.
func (s *Subscription) complete() {
	s.Format = cmp.Or(s.Format, FormatJSON)
	s.Timeout = cmp.Or(s.Timeout, forwardTimeout)
	s.Concurrency = cmp.Or(s.Concurrency, forwardConcurrency)
	s.From = cmp.Or(s.From, FromEnd)
	s.Replayed = cmp.Or(s.Replayed, ReplayedDeliver)
	s.Retry.Attempts = cmp.Or(s.Retry.Attempts, forwardAttempts)
	if s.Retry.Delays == nil {
		s.Retry.Delays = forwardDelays()
	}
	for i := range s.Secrets {
		s.Secrets[i].ID = cmp.Or(s.Secrets[i].ID, strconv.Itoa(i+1))
	}
}

// ForwardGroup is the consumer group of a subscription, which also begins the names of
// the topics of its retries and its dead letters.
func (t Topics) ForwardGroup(subscription string) string {
	return t.Prefix + ".forward." + subscription
}
