package broker

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

const (
	// hastyWait is fetchWait where other partitions of the same broker wait for room.
	hastyWait = 100 * time.Millisecond
	// leastAsked is the least to ask of a partition that has room: less would be asked
	// for in vain where it is not the first of its request and its batches are larger.
	leastAsked = 64 << 10
)

// puller reads the partitions of one leader: it asks for the next part while the one
// before is being delivered.
type puller struct {
	s       *stream
	leader  int
	woken   chan struct{}
	answers chan []part
	spare   chan []byte // buffers to read into
	turn    int
	dec     decoder
}

func newPuller(s *stream, leader int) *puller {
	return &puller{s: s, leader: leader, woken: make(chan struct{}, 1), answers: make(chan []part), spare: make(chan []byte, 2)}
}

func (p *puller) poke() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// pull is the fetching half.
func (p *puller) pull(ctx context.Context) {
	defer close(p.answers)
	for failures, blanks := 0, 0; ctx.Err() == nil; {
		ask := p.take()
		if len(ask.flows) == 0 {
			select {
			case <-ctx.Done():
			case <-p.woken:
			}
			continue
		}
		answer, err := p.fetch(ctx, ask)
		if err == nil {
			failures = 0
			blanks = p.pause(ctx, blanks, p.accept(ask, answer))
			continue
		}
		p.giveBack(ask)
		if ctx.Err() != nil {
			return
		}
		failures++
		p.tell(failures, err)
		p.s.c.refresh(ask.seen)
		p.s.moved()
		_ = sleep(ctx, backoff(failures))
	}
}

// tell logs that a broker does not answer: after a second or two, and then now and then.
func (p *puller) tell(failures int, err error) {
	if failures >= 8 && failures&(failures-1) == 0 {
		p.s.o.Log.Warn("a broker does not answer; it is connected anew", zap.Int("broker", p.leader), zap.Int("attempt", failures), zap.Error(explain(err)))
	}
}

// pause hands what came to the other half, if there is anything, and counts how often
// a broker gave nothing where it said that there is more: it is not to be asked in a circle.
func (p *puller) pause(ctx context.Context, blanks int, got news) int {
	switch {
	case len(got.parts) > 0:
		select {
		case p.answers <- got.parts:
		case <-ctx.Done():
		}
	case got.blank:
		_ = sleep(ctx, backoff(blanks+1))
		return blanks + 1
	}
	return 0
}

// ask is what one request asks for.
type ask struct {
	flows   []*flow
	cursors []cursor // how far they were
	bytes   []int
	epochs  []int
	wait    time.Duration
	seen    uint64 // what of the cluster
}

// take picks what can be asked for. Each turn another partition comes first, because a
// broker fills its answer in the order asked.
func (p *puller) take() ask {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	a := ask{wait: fetchWait, seen: p.s.c.generation()}
	p.turn++
	for i := range p.s.flows {
		f := p.s.flows[(i+p.turn)%len(p.s.flows)]
		if f.leader != p.leader {
			continue
		}
		room := p.s.o.Room(f.topic, f.partition) - f.weight
		if room <= 0 || f.held || f.asked || f.parts > 0 && f.owner != p {
			a.wait = hastyWait
			continue
		}
		f.asked, f.owner = true, p
		a.flows, a.cursors, a.epochs = append(a.flows, f), append(a.cursors, f.cursor), append(a.epochs, f.epoch)
		a.bytes = append(a.bytes, min(max(room, leastAsked), fetchPartitionBytes))
	}
	return a
}

// giveBack ends a request that failed.
func (p *puller) giveBack(a ask) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	for _, f := range a.flows {
		p.free(f)
	}
}

// free lets another puller take a partition that has moved; the caller holds the lock.
func (p *puller) free(f *flow) {
	f.asked = false
	if next := p.s.pullers[f.leader]; next != nil && next != p {
		next.poke()
	}
}

// part is what a broker said about one partition.
type part struct {
	answered
	f     *flow
	epoch int
	from  int64 // the offset asked for
	next  int64 // the offset behind its batches
	seen  uint64
	last  bool // of its answer
	buf   []byte
}

// news is what an answer had to say.
type news struct {
	parts []part
	blank bool // nothing, where there is more
}

// fetch makes one request.
func (p *puller) fetch(ctx context.Context, a ask) (*rawAnswer, error) {
	cursors := make([]*cursor, len(a.cursors))
	for i := range a.cursors {
		cursors[i] = &a.cursors[i]
	}
	x := &exchange{leader: p.leader, bytes: a.bytes}
	select {
	case x.buf = <-p.spare:
	default:
	}
	return p.s.c.fetchRaw(ctx, cursors, a.wait, x)
}

// accept moves the partitions on, so that the next request can be made, and returns
// what is to be delivered.
func (p *puller) accept(a ask, answer *rawAnswer) news {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var all news
	for i, f := range a.flows {
		p.free(f)
		got := answer.of(i, &f.cursor)
		if got == nil || a.epochs[i] != f.epoch {
			continue
		}
		pt := part{answered: *got, f: f, epoch: f.epoch, from: f.next, seen: a.seen}
		pt.batches, pt.next = whole(got.batches, f.next)
		idle := got.code == 0 && pt.next == f.next
		if p.watch(f, i == 0, idle && pt.high > f.next) {
			all.blank = true
		}
		if idle && pt.high == f.told {
			continue
		}
		f.next, f.told, f.held = pt.next, pt.high, got.code != 0
		f.parts, f.weight = f.parts+1, f.weight+len(pt.batches)
		all.parts = append(all.parts, pt)
	}
	if n := len(all.parts); n > 0 {
		all.parts[n-1].last, all.parts[n-1].buf = true, answer.buf
	} else {
		p.recycle(answer.buf)
	}
	return all
}

// watch notes whether a broker says that there is more and does not give it. Only the
// first partition of a request gets a batch that is larger than what was asked for.
func (p *puller) watch(f *flow, first, blank bool) bool {
	switch {
	case !blank && f.stall != nil:
		f.stall.Stop()
		f.stall = nil
	case blank && first && f.stall == nil:
		f.stall = time.AfterFunc(p.s.o.Stalled, func() { p.stalled(f) })
	}
	return blank && first
}

// stalled makes the connections anew.
func (p *puller) stalled(f *flow) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.over {
		return
	}
	f.stall = nil
	p.s.o.Log.Warn("a broker says that there is more and does not give it; it is connected anew",
		zap.Int("broker", p.leader), zap.String("topic", f.topic), zap.Int("partition", f.partition))
	p.s.c.refresh(p.s.c.generation())
	p.s.moved()
}

// deliver is the other half.
func (p *puller) deliver(ctx context.Context) {
	for parts := range p.answers {
		for i := range parts {
			if err := p.part(ctx, &parts[i]); err != nil {
				p.s.fail(err)
			}
			p.delivered(&parts[i])
		}
	}
}

// delivered makes room for more.
func (p *puller) delivered(pt *part) {
	if pt.last {
		p.recycle(pt.buf)
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	pt.f.parts, pt.f.weight = pt.f.parts-1, pt.f.weight-len(pt.batches)
	p.poke()
	if next := p.s.pullers[pt.f.leader]; next != nil && next != p {
		next.poke()
	}
}

func (p *puller) recycle(buf []byte) {
	select {
	case p.spare <- buf:
	default:
	}
}

// part delivers what came of a partition. Its error ends the Stream.
func (p *puller) part(ctx context.Context, pt *part) error {
	if ctx.Err() != nil || p.stale(pt) {
		return nil //nolint:nilerr // the Stream has its error
	}
	if pt.code != 0 {
		return p.failed(ctx, pt)
	}
	got, err := p.dec.batches(pt.at(pt.from), pt.high, pt.batches)
	if got.Next > pt.from || err == nil {
		b := Batch{Topic: pt.f.topic, Partition: pt.f.partition, Messages: got.Messages, Next: got.Next, HighWater: pt.high}
		if err := p.s.o.Deliver(b); err != nil {
			return &callbackError{err}
		}
	}
	return p.decoded(pt, got.Next, err)
}

// failed deals with a partition's error.
func (p *puller) failed(ctx context.Context, pt *part) error {
	err := p.s.c.partError(ctx, pt.at(pt.from), kafka.Error(pt.code))
	if passing(err) {
		p.rest(pt, pt.from)
		p.s.c.refresh(pt.seen)
		p.s.moved()
		err = nil
	}
	return lasting(err)
}

func (pt *part) at(offset int64) *cursor {
	return &cursor{topic: pt.f.topic, partition: pt.f.partition, next: offset, stop: -1}
}

func (p *puller) stale(pt *part) bool {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return pt.epoch != pt.f.epoch
}

// decoded notes how decoding went.
func (p *puller) decoded(pt *part, next int64, err error) error {
	pt.f.failures = 0
	if err == nil {
		pt.f.undecoded = 0
		return nil
	}
	if pt.f.undecoded++; pt.f.undecoded >= scanDecode {
		return &streamError{&decodeError{*pt.at(next), err}}
	}
	p.rest(pt, next)
	return nil
}

// rest has a partition asked for again in a moment, from an offset.
func (p *puller) rest(pt *part, from int64) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	f := pt.f
	f.failures++
	f.epoch++
	f.next, f.held, f.told = from, true, -1
	time.AfterFunc(backoff(f.failures), func() {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		f.held = false
		if now := p.s.pullers[f.leader]; now != nil {
			now.poke()
		}
	})
}
