package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Defaults of PublisherOptions.
const (
	defaultBudget        = 2 * time.Second
	defaultMaxInFlight   = 64 << 20
	defaultMaxBatchBytes = 1 << 20

	// defaultTopicLimit is Kafka's own default of max.message.bytes, in force
	// until SetLimit says otherwise.
	defaultTopicLimit = 1<<20 + 12

	minBackoff = 10 * time.Millisecond
	maxBackoff = 500 * time.Millisecond

	defaultStoreTimeout = 400 * time.Millisecond
	// refreshEvery keeps many lanes in trouble from dropping each other's new
	// connections.
	refreshEvery = 100 * time.Millisecond
)

// Observer learns what the publisher does, for metrics. Its methods are called
// on the publishing goroutines, possibly at once: they must be fast and safe
// for concurrent use.
type Observer interface {
	// BatchAcked reports a group of records acknowledged together, with the
	// bytes on the wire and the time since its first attempt.
	BatchAcked(topic string, records, bytes int, took time.Duration)
	// Retried reports a failed attempt that will be repeated. The reason is
	// one of a short closed list.
	Retried(reason string)
	// Identified reports a new producer id: one at the start, more after
	// outcomes that stayed unknown.
	Identified()
}

// PublisherOptions bounds a GroupCommitter. Zero values take the defaults.
// There is no option for acknowledgements: all in-sync replicas, always.
type PublisherOptions struct {
	// Now is the clock; required.
	Now func() time.Time
	// MaxInFlightBytes bounds the records held for publishing, all together;
	// default 64 MiB.
	MaxInFlightBytes int64
	// MaxBatchBytes bounds one record batch before it is compressed; default 1 MiB. A larger record
	// makes a batch of its own, up to its topic's limit.
	MaxBatchBytes int
	// Compression of the batches; default none.
	Compression Compression
	// Budget is the time for a Publish whose context has no deadline; default
	// two seconds.
	Budget time.Duration
	// AttemptTimeout bounds one produce request; default half of Budget. The
	// broker is told to give up waiting for its replicas a little earlier, so
	// that it answers while somebody listens.
	AttemptTimeout time.Duration
	// Log gets what goes wrong for longer than one attempt; default silent.
	Log *zap.Logger
	// Observer gets figures; default none.
	Observer Observer
	// Store keeps what Kafka does not take in time; default none, then every
	// Deliver is BrokerOnly.
	Store Store
	// StoreTimeout is the time for storing what the broker did not take by the
	// deadline, in addition to it; default 400 ms.
	StoreTimeout time.Duration
	// StandIn makes the dead letter that takes the place of a stored record that
	// the broker refuses for what it is; false if there is none. The record's
	// memory may be kept.
	StandIn func(rec *Record, cause error) (Record, bool)
}

// GroupCommitter is the Publisher: idempotent, acks=all, group commit.
//
// Each topic-partition has a lane. A lane sends everything that is pending as
// one batch and forms the next group while that batch is in flight; nobody
// waits for a timer, so a lone record leaves at once. The same bytes are sent
// again until they are acknowledged or nobody waits for them any more; producer
// id and sequence numbers (KIP-98) make the broker keep one copy whatever
// happens to the answers.
//
// Time is counted from the caller's context: a record that was not handed to
// the broker when seven eighths of its time are over is never sent, and the
// last eighth is for the attempts. Deadlines therefore cover queueing and
// retries together, and "not acknowledged" rarely means "published all the
// same".
//
// kafka-go's Writer is not used: it has no sequence numbers, so that its
// retries multiply records, one record's failure fails its batch, and what a
// caller gave up is written later. This is its Client side only: metadata,
// InitProducerID and raw produce requests.
type GroupCommitter struct {
	client   *Client
	produce  kafka.RoundTripper
	api      *kafka.Client // without a timeout of its own: the context's counts
	opts     PublisherOptions
	log      *zap.Logger
	observer Observer
	// wait sleeps between attempts; tests replace it.
	wait func(ctx context.Context, d time.Duration) error
	// patience is convoyPatience; tests replace it.
	patience time.Duration

	root   context.Context // the lanes' life, ended by Close
	cancel context.CancelCauseFunc

	inFlight atomic.Int64
	misses   atomic.Int32 // see tripped
	troubles troubles
	batches  batches
	waiters  sync.Pool
	ids      identities

	mu        sync.Mutex
	topics    atomic.Pointer[map[string]*topic] // copied on write under mu
	closed    atomic.Bool                       // written under mu
	busy      int                               // running goroutines
	idle      chan struct{}                     // closed when closed and busy is 0
	refreshed time.Time
	convoys   map[int]*convoy // by broker id
}

var _ Publisher = (*GroupCommitter)(nil)

// NewPublisher builds a publisher on c. It needs no connection yet.
func NewPublisher(c *Client, o PublisherOptions) *GroupCommitter {
	o.MaxInFlightBytes = orDefault(o.MaxInFlightBytes, defaultMaxInFlight)
	o.MaxBatchBytes = orDefault(o.MaxBatchBytes, defaultMaxBatchBytes)
	o.Budget = orDefault(o.Budget, defaultBudget)
	o.AttemptTimeout = orDefault(o.AttemptTimeout, o.Budget/2)
	o.StoreTimeout = orDefault(o.StoreTimeout, defaultStoreTimeout)
	p := &GroupCommitter{
		client: c, produce: c.transport, opts: o, log: o.Log, observer: o.Observer,
		api:  &kafka.Client{Addr: c.addr, Transport: c.transport},
		wait: sleep, idle: make(chan struct{}), ids: newIdentities(),
		convoys: map[int]*convoy{}, patience: convoyPatience,
	}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	if p.observer == nil {
		p.observer = unobserved{}
	}
	p.batches.codec = o.Compression.codec()
	p.topics.Store(&map[string]*topic{})
	p.root, p.cancel = context.WithCancelCause(context.Background())
	return p
}

type unobserved struct{}

func (unobserved) BatchAcked(string, int, int, time.Duration) {}
func (unobserved) Retried(string)                             {}
func (unobserved) Identified()                                {}

// SetLimit tells the publisher a topic's max.message.bytes. Call it at start,
// after the topics were checked. 0 means that it is not known (the account may
// not describe settings): Kafka's default is assumed, and the broker has the
// last word.
func (p *GroupCommitter) SetLimit(topic string, maxMessageBytes int) {
	if maxMessageBytes > 0 {
		p.topic(topic).limit.Store(int64(maxMessageBytes))
	}
}

// MaxRecordBytes is the largest RecordBytes that topic takes.
func (p *GroupCommitter) MaxRecordBytes(topic string) int {
	return int(p.topic(topic).limit.Load()) - BatchOverhead
}

// Warm fetches what the first records would otherwise wait for: a producer id
// and the topics' partitions. Publishing works without.
func (p *GroupCommitter) Warm(ctx context.Context, topics ...string) error {
	if _, err := p.ids.get(ctx, p, 0); err != nil {
		return fmt.Errorf("publisher: %w", explain(err))
	}
	for _, name := range topics {
		n, err := p.partitions(ctx, name)
		if err != nil {
			return fmt.Errorf("publisher: topic %s: %w", name, explain(err))
		}
		p.topic(name).open(n)
	}
	return nil
}

// Publish implements Publisher. A Publish that does not fit into
// MaxInFlightBytes is refused as a whole with ErrOverloaded, so that a webhook
// is not half published; a record over its topic's limit alone with ErrTooLarge.
func (p *GroupCommitter) Publish(ctx context.Context, recs []Record) error {
	if len(recs) == 0 {
		return nil
	}
	deadline, limited := ctx.Deadline()
	if !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.opts.Budget)
		defer cancel()
		deadline = p.opts.Now().Add(p.opts.Budget)
	}
	w := p.newWaiter(recs, deadline)
	if err := p.line(ctx, w); err != nil {
		return err
	}
	return w.wait(ctx, p)
}

// Begin is the first half of Publish: it puts recs in line, behind those of every
// Begin and Publish that returned before, and returns. wait is the second half, to be
// called once, whether or not anybody wants to know: until then the end of ctx is not
// noticed, and recs are the publisher's. With an error nothing was put in line.
func (p *GroupCommitter) Begin(ctx context.Context, recs []Record) (wait func() error, err error) {
	if len(recs) == 0 {
		return func() error { return nil }, nil
	}
	cancel := context.CancelFunc(func() {})
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = p.opts.Now().Add(p.opts.Budget)
		ctx, cancel = context.WithTimeout(ctx, p.opts.Budget)
	}
	w := p.newWaiter(recs, deadline)
	if err := p.line(ctx, w); err != nil {
		cancel()
		return nil, err
	}
	return func() error { defer cancel(); return w.wait(ctx, p) }, nil
}

// line puts a waiter's records in line, all or none.
func (p *GroupCommitter) line(ctx context.Context, w *waiter) error {
	if p.closed.Load() {
		return w.refuse(ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return w.refuse(expired(err))
	}
	if size := w.admit(p); !p.reserve(size) {
		return w.refuse(ErrOverloaded)
	}
	var f fleet
	for i := range w.entries {
		if e := &w.entries[i]; e.state.Load() == stateQueued {
			e.topic.enqueue(inMemory(e), &f)
		}
	}
	f.launch()
	return nil
}

// reserve takes n bytes of the budget. A Publish larger than the whole budget
// is let in when it is alone.
func (p *GroupCommitter) reserve(n int64) bool {
	if used := p.inFlight.Add(n); used > p.opts.MaxInFlightBytes && used > n {
		p.inFlight.Add(-n)
		return false
	}
	return true
}

func (p *GroupCommitter) release(n int64) { p.inFlight.Add(-n) }

// InFlightBytes is how much of MaxInFlightBytes is in use.
func (p *GroupCommitter) InFlightBytes() int64 { return p.inFlight.Load() }

// Close refuses new records with ErrClosed and publishes what is pending, stored
// records too. When ctx ends first, the rest fails with ErrClosed, what the store
// has stays there, and Close returns after the last goroutine ended, with ctx's
// error if there is no store. It may be called again.
func (p *GroupCommitter) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed.Swap(true) && p.busy == 0 {
		close(p.idle)
	}
	p.mu.Unlock()
	defer p.cancel(ErrClosed)
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
		p.cancel(ErrClosed)
		<-p.idle
		if p.opts.Store != nil {
			return nil // what was left is in the store, or its sender was told
		}
		return fmt.Errorf("publisher: records were left unpublished: %w", ctx.Err())
	}
}

// start registers a goroutine. After Close only goroutines that are still busy
// may start others.
func (p *GroupCommitter) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() && p.busy == 0 {
		return false
	}
	p.busy++
	return true
}

func (p *GroupCommitter) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy--; p.busy == 0 && p.closed.Load() {
		close(p.idle)
	}
}

// reroute makes the next request look for the leaders anew; seen is the
// client's generation when the failed request began.
func (p *GroupCommitter) reroute(seen uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.opts.Now(); p.refreshed.IsZero() || now.Sub(p.refreshed) >= refreshEvery {
		p.refreshed = now
		p.client.refresh(seen)
	}
}

// backoff is the pause before try n+1 (n counts from 1): exponential, with
// half of it at random so that lanes do not move in step.
func backoff(n int) time.Duration {
	d := maxBackoff
	if n < 7 {
		d = min(d, minBackoff<<(n-1))
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter is no secret
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
