package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Batch is some records of one partition, in order.
type Batch struct {
	Topic     string
	Partition int
	Messages  []Message
	Next      int64 // the offset behind them: all before it was delivered, or is not there
	HighWater int64 // the partition's next offset when they were fetched
}

// StreamOptions says how to read many partitions.
type StreamOptions struct {
	// Room tells how many bytes of a partition may be asked for now; 0 leaves it out for
	// now. A larger single batch of the broker still comes. Safe for concurrent use.
	Room func(topic string, partition int) int
	// Wake has partitions that had no room looked at again; a buffer of one will do.
	Wake <-chan struct{}
	// Deliver takes what was read: in order within a partition, at once for partitions of
	// different leaders. Batches without messages tell of a moved Next or HighWater. Its
	// error ends the Stream.
	Deliver func(Batch) error
	// Stalled is how long a broker may answer with nothing although it says that there
	// is more, or not answer at all, until connections are made anew and that is
	// logged; default one minute.
	Stalled time.Duration
	Log     *zap.Logger // default none
}

const (
	defaultStalled = time.Minute
	// routeEvery is how often the partitions' leaders are looked at.
	routeEvery = time.Second
)

// Stream reads partitions from the offsets given until ctx ends, whose error it then
// wraps, or Deliver returns an error. It keeps one request open to each broker, however
// many partitions there are; a broker that is slow or away holds up only its own. It rides
// out restarts, leader changes and topics that are gone. An offset that is not in the log is
// an *OffsetGapError; its partition is named, and all are ended. A batch that cannot be
// decoded is an error after some tries.
func (c *Client) Stream(ctx context.Context, from []Position, o StreamOptions) error {
	o.Stalled = orDefault(o.Stalled, defaultStalled)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s := &stream{c: c, o: o, pullers: map[int]*puller{}, fail: fail, reroute: make(chan struct{}, 1)}
	for _, p := range from {
		if !slices.Contains(s.topics, p.Topic) {
			s.topics = append(s.topics, p.Topic)
		}
		s.flows = append(s.flows, &flow{cursor: cursor{topic: p.Topic, partition: p.Partition, next: p.Offset, stop: -1}, leader: -1, told: -1})
	}
	s.run(ctx)
	s.wg.Wait()
	s.close()
	return ended(ctx)
}

// ended is why a Stream is over.
func ended(ctx context.Context) error {
	err := context.Cause(ctx)
	if failed, ok := errors.AsType[*callbackError](err); ok {
		return failed.result()
	}
	if lasting, ok := errors.AsType[*streamError](err); ok {
		return lasting.err
	}
	return fmt.Errorf("broker: stream: %w", err)
}

// streamError ends a Stream.
type streamError struct{ err error }

// lasting makes an error one that ends a Stream; nil stays nil.
func lasting(err error) error {
	if err == nil {
		return nil
	}
	return &streamError{err}
}

func (e *streamError) Error() string { return e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }

// stream is the state of one Stream.
type stream struct {
	c       *Client
	o       StreamOptions
	topics  []string // of the flows
	fail    context.CancelCauseFunc
	reroute chan struct{} // a leader may have moved
	wg      sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the flows' fields
	flows   []*flow
	pullers map[int]*puller // by leader
	over    bool
}

// close has nothing more be said.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, f := range s.flows {
		if f.stall != nil {
			f.stall.Stop()
		}
	}
}

// flow is one partition on its way.
type flow struct {
	cursor // next is what to ask for
	leader int
	// asked: a request is out. held: something went wrong, it rests for a moment.
	asked, held bool
	// owner has so many parts of it that were fetched and not delivered, of so many
	// bytes. Until there are none, no other leader's puller takes it: its order would be lost.
	owner         *puller
	parts, weight int
	// epoch grows when it has to be read anew from an earlier offset; parts of an
	// earlier one are thrown away.
	epoch int
	told  int64 // the high water that was delivered last

	undecoded, failures int // in a row
	stall               *time.Timer
}

// run keeps the partitions with those who lead them.
func (s *stream) run(ctx context.Context) {
	tick := time.NewTicker(routeEvery)
	defer tick.Stop()
	s.route(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.o.Wake:
			s.wake()
		case <-tick.C:
			s.route(ctx)
		case <-s.reroute:
			s.route(ctx)
		}
	}
}

// wake has everybody look for what there is to do.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pullers {
		p.poke()
	}
}

// moved asks for the leaders.
func (s *stream) moved() {
	select {
	case s.reroute <- struct{}{}:
	default:
	}
}

// route looks up the leaders.
func (s *stream) route(ctx context.Context) {
	layout, err := s.c.layout(ctx, s.topics...)
	if err != nil {
		return // what is known stays
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.flows {
		parts := layout[f.topic].Partitions
		if f.partition >= len(parts) || parts[f.partition].Leader.Host == "" {
			continue
		}
		if id := parts[f.partition].Leader.ID; id != f.leader {
			f.leader = id
			s.puller(ctx, id).poke()
		}
	}
}

// puller is the one for a leader; the caller holds the lock.
func (s *stream) puller(ctx context.Context, leader int) *puller {
	p := s.pullers[leader]
	if p == nil {
		p = newPuller(s, leader)
		s.pullers[leader] = p
		s.wg.Go(func() { p.pull(ctx) })
		s.wg.Go(func() { p.deliver(ctx) })
	}
	return p
}
