package consumer

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/event"
)

// Config says what is read, and how. Group, Topics and Kafka.Brokers are required;
// zero values take the defaults.
type Config struct {
	Kafka Kafka
	// Group is the consumer group's name. All members of a group should be
	// configured alike.
	Group string
	// Topics are names (see EventTopics), or patterns of path.Match, which are looked
	// up anew every half a minute. A pattern means every topic that fits but retry
	// topics and dead letters of groups: "email.*" also means those of raw requests,
	// which hold no events. The group's own retry topics are read beside.
	Topics []string
	// FromEnd has a group that has read nothing of a partition begin at its end;
	// else it begins at the first record that is there. Its retry topics always
	// begin at their first record.
	FromEnd bool

	// Concurrency is how many records are handled at once, at most; default 1.
	Concurrency int
	// Timeout is the time for one call of the Handler; default 30 s.
	Timeout time.Duration
	Retry   Retry
	Breaker Breaker
	// StopTimeout is how long handlers may finish when Run is told to stop; default
	// 10 s. At a rebalance they have that long, but at most ten seconds.
	StopTimeout time.Duration
	// SessionTimeout is how long the group waits for a member that fell silent, one
	// that was killed for instance, until others get its partitions; default 30 s. It is
	// longer than StopTimeout (at most ten seconds) and seven seconds.
	SessionTimeout time.Duration
	// CommitEvery is how often offsets are committed; default 1 s.
	CommitEvery time.Duration
	// MaxBytes bounds the records in memory; default 64 MiB. At least one answer of
	// the broker is held for each partition, of 64 KiB or more.
	MaxBytes int64

	// OnGap decides about records that were deleted before they were read. nil as
	// result goes on behind the gap; an error ends Run with it. Without an OnGap the
	// *GapError ends Run.
	OnGap func(*GapError) error
	// Observe learns what became of each call of the Handler. It is called on the
	// handlers' goroutines: it must be fast and safe for concurrent use.
	Observe func(Result)
	// Log gets what people should know; default none.
	Log *zap.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Kafka says how to reach the cluster.
type Kafka struct {
	Brokers  []string // host:port of one or more; the others are discovered
	ClientID string   // shown in the brokers' logs and quotas; default "postrider-consumer"
	TLS      *TLS     // nil: plaintext
	SASL     *SASL    // nil: no authentication
}

// TLS is TLS 1.2 or newer with the broker's name verified.
type TLS struct {
	CAFile     string // PEM; "" uses the system's roots
	CertFile   string // PEM, with KeyFile, for mutual TLS
	KeyFile    string // PEM
	ServerName string // verified instead of the broker's host name
}

// SASL is the account at the brokers.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or AWS_MSK_IAM
	Username  string // none for AWS_MSK_IAM
	Password  string // none for AWS_MSK_IAM
	Region    string // AWS_MSK_IAM: the cluster's
}

// Retry is what becomes of records whose Handler fails.
type Retry struct {
	// Attempts are made in place before a record is put aside; default 3.
	Attempts int
	// MinBackoff and MaxBackoff bound the waits between them: each is random, up to
	// MinBackoff·2^(n-1) and MaxBackoff, and at least a tenth of MinBackoff. Default
	// 200 ms and 10 s.
	MinBackoff, MaxBackoff time.Duration
	// MaxAfter is how much of a RetryAfter is honoured; default one hour.
	MaxAfter time.Duration
	// Delays are those of the retry topics, one topic each, at least a second: a
	// record that failed in place waits the first of them and has as many attempts
	// again, then the second. nil: 1, 10 and 60 minutes; empty, not nil: none.
	Delays []time.Duration
	// Ordered has the delays waited in place, so that later records of the same key
	// wait, too. Other keys go on until a hundred thousand records of the partition are
	// finished beyond the one that waits, and not committed.
	Ordered bool
	// Prefix begins the names of the topics: <prefix>.retry.1m and <prefix>.dead;
	// default the group's name. Each group needs its own. Retry topics of that prefix
	// whose delay is no longer among Delays are read on: records may wait in them.
	Prefix string
	// Partitions and Replication of the topics where they are missing; default 3, and
	// the cluster's default. They keep records for the longest delay and seven days,
	// dead letters for thirty days.
	Partitions, Replication int
	// NoCreate has missing topics be an error.
	NoCreate bool
}

// Breaker pauses the consumer while everything fails.
type Breaker struct {
	// Failures is how many different records have to fail with no success between
	// them; default 10. Below 0 there is no such pause; Unavailable pauses all the same.
	Failures int
	// MinWait and MaxWait bound the waits between two attempts with one record each;
	// they double. Default 1 s and one minute.
	MinWait, MaxWait time.Duration
}

// Outcome is what became of one call of a Handler.
type Outcome string

// The outcomes.
const (
	Handled Outcome = "handled" // nil was returned
	Retried Outcome = "retried" // it is tried again in place
	Delayed Outcome = "delayed" // the record was put into a retry topic
	Dead    Outcome = "dead"    // the record became a dead letter
	Paused  Outcome = "paused"  // nothing of it counts: what the handler depends on is down
	Dropped Outcome = "dropped" // a stop or a rebalance cut it off; it is handled again
)

// Outcomes lists the outcomes.
func Outcomes() []Outcome { return []Outcome{Handled, Retried, Delayed, Dead, Paused, Dropped} }

// Result is one call of a Handler, told to Config.Observe. The Message is good until
// that returns.
type Result struct {
	Message *Message
	Outcome Outcome
	Took    time.Duration
	Err     error // nil for Handled
}

// EventTopics returns the names of the topics that events of these types are in, of all
// types if none is given, with the default templates: <prefix>.<type> for messages
// that were sent, and <prefix>.inbound.<type> for those that came in, where there
// are such events.
func EventTopics(prefix string, types ...event.Type) []string {
	var names []string
	for _, r := range event.Routes() {
		if len(types) > 0 && !slices.Contains(types, r.Type) {
			continue
		}
		if r.Direction == event.Inbound {
			names = append(names, prefix+".inbound."+string(r.Type))
			continue
		}
		names = append(names, prefix+"."+string(r.Type))
	}
	return names
}
