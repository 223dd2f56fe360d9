package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
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
	// hastyWait is fetchWait where partitions of the same broker wait for room.
	hastyWait = 50 * time.Millisecond
	// routeEvery is how often the partitions' leaders are looked at.
	routeEvery = time.Second
)

// Stream reads partitions from the offsets given until ctx ends, whose error it then
// wraps, or Deliver returns an error. It keeps one request open to each broker, however
// many partitions there are; a broker that is slow or away holds up only its own. It rides
// out restarts and leader changes. An offset that is not in the log is an
// *OffsetGapError; its partition is named, and all are ended. A batch that cannot be
// decoded is an error after some tries.
func (c *Client) Stream(ctx context.Context, from []Position, o StreamOptions) error {
	o.Stalled = orDefault(o.Stalled, defaultStalled)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stream{c: c, o: o, pullers: map[int]*puller{}, fail: cancel, reroute: make(chan struct{}, 1)}
	for _, p := range from {
		s.flows = append(s.flows, &flow{cursor: cursor{topic: p.Topic, partition: p.Partition, next: p.Offset, stop: -1}, leader: -1, told: -1})
	}
	s.run(ctx)
	s.wg.Wait()
	err := context.Cause(ctx)
	if failed, ok := errors.AsType[*callbackError](err); ok {
		return failed.result()
	}
	if errors.Is(err, ctx.Err()) {
		return fmt.Errorf("broker: stream: %w", err)
	}
	return err
}

// stream is the state of one Stream.
type stream struct {
	c       *Client
	o       StreamOptions
	fail    context.CancelCauseFunc
	reroute chan struct{} // a leader has moved
	wg      sync.WaitGroup

	mu      sync.Mutex
	flows   []*flow
	pullers map[int]*puller // by leader
}

// flow is one partition. What is below busy belongs to the puller that made it so.
type flow struct {
	leader int // -1: none known
	busy   bool

	cursor
	told      int64 // the high water that was delivered
	undecoded int
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
			s.poke()
		case <-tick.C:
			s.route(ctx)
		case <-s.reroute:
			s.route(ctx)
		}
	}
}

// poke has everybody look for what there is to do.
func (s *stream) poke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pullers {
		p.poke()
	}
}

// route looks up the leaders.
func (s *stream) route(ctx context.Context) {
	layout, err := s.c.layout(ctx)
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

func (s *stream) puller(ctx context.Context, leader int) *puller {
	p := s.pullers[leader]
	if p == nil {
		p = &puller{s: s, leader: leader, wake: make(chan struct{}, 1)}
		s.pullers[leader] = p
		s.wg.Go(func() { p.run(ctx) })
	}
	return p
}

// puller reads the partitions of one leader.
type puller struct {
	s      *stream
	leader int
	wake   chan struct{}
	turn   int
}

func (p *puller) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *puller) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; {
		flows, wait := p.take()
		if len(flows) == 0 {
			select {
			case <-ctx.Done():
			case <-p.wake:
			}
			continue
		}
		seen := p.s.c.generation()
		err := p.pull(ctx, flows, wait)
		p.give(flows)
		switch {
		case err == nil:
			n = 0
			continue
		case ctx.Err() != nil:
			return
		case !p.s.again(err):
			p.s.fail(err)
			return
		}
		n++
		p.s.c.refresh(seen)
		p.s.moved()
		_ = sleep(ctx, backoff(n))
	}
}

func (s *stream) again(err error) bool {
	if _, ok := errors.AsType[*callbackError](err); ok {
		return false
	}
	return passing(err)
}

// moved asks for the leaders.
func (s *stream) moved() {
	select {
	case s.reroute <- struct{}{}:
	default:
	}
}

// take picks what can be asked for; each turn another partition comes first, because a
// broker fills its answer in the order asked.
func (p *puller) take() (flows []*flow, wait time.Duration) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	wait = fetchWait
	p.turn++
	for i := range p.s.flows {
		f := p.s.flows[(i+p.turn)%len(p.s.flows)]
		if f.leader != p.leader || f.busy {
			continue
		}
		if p.s.o.Room(f.topic, f.partition) <= 0 {
			wait = hastyWait
			continue
		}
		f.busy = true
		flows = append(flows, f)
	}
	return flows, wait
}

func (p *puller) give(flows []*flow) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	for _, f := range flows {
		f.busy = false
		if f.leader != p.leader {
			p.s.pullers[f.leader].poke()
		}
	}
}

// pull makes one request and delivers the answer.
func (p *puller) pull(ctx context.Context, flows []*flow, wait time.Duration) error {
	cursors := make([]*cursor, len(flows))
	for i, f := range flows {
		cursors[i] = &f.cursor
	}
	parts, err := p.s.c.fetch(ctx, cursors, wait, fetchPartitionBytes)
	if err != nil {
		return err
	}
	var failed error
	for i := range parts {
		for _, f := range flows {
			if f.topic != parts[i].topic || f.partition != int(parts[i].Partition) {
				continue
			}
			err := p.s.c.partError(ctx, &f.cursor, kafka.Error(parts[i].ErrorCode))
			if err == nil {
				err = p.deliver(f, &parts[i])
			}
			if failed == nil {
				failed = err
			}
		}
	}
	return failed
}

func (p *puller) deliver(f *flow, part *fetched) error {
	b := Batch{Topic: f.topic, Partition: f.partition, HighWater: part.HighWatermark}
	before := f.next
	err := f.cursor.deliver(part, func(m Message) error { b.Messages = append(b.Messages, m); return nil })
	b.Next = f.next
	if f.next != before || f.told != b.HighWater {
		f.told = b.HighWater
		if err := p.s.o.Deliver(b); err != nil {
			return &callbackError{err}
		}
	}
	return err
}
