package replay

import (
	"container/heap"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/internal/broker"
)

// stream is one range on its way into the merge.
type stream struct {
	pieces chan *piece
	err    error // why there are no more, once pieces is closed
	now    *piece
	i      int // the message that is next
}

// queue is a heap.Interface. It orders streams by the time of their next message, then by their place in the
// plan.
type queue []*stream

func (q *queue) Len() int { return len(*q) }

func (q *queue) Less(i, j int) bool {
	a, b := (*q)[i], (*q)[j]
	if c := a.now.msgs[a.i].Time.Compare(b.now.msgs[b.i].Time); c != 0 {
		return c < 0
	}
	return a.now.at < b.now.at
}

func (q *queue) Swap(i, j int) { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(*stream)) } //nolint:errcheck,forcetypeassert // the heap is of streams

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// merge reads ranges side by side and calls fn with their selected messages in the
// order of time, as far as the order within each allows. done tells for the end of
// each piece, and of each message in it, that everything before was given to fn.
// Both are called on one goroutine.
func (r *reader) merge(ctx context.Context, from []int64, fn func(p *piece, i int) error, done func(*piece) error) error {
	g, ctx := errgroup.WithContext(ctx)
	streams := make([]*stream, len(from))
	for at := range from {
		s := &stream{pieces: make(chan *piece)}
		streams[at] = s
		g.Go(func() error {
			defer close(s.pieces)
			s.err = r.read(ctx, at, from[at], func(p *piece) error {
				select {
				case s.pieces <- p:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			return s.err
		})
	}
	g.Go(func() error { return drain(ctx, streams, fn, done) })
	return g.Wait() //nolint:wrapcheck // every reader names itself
}

// drain takes the streams' messages in order.
func drain(ctx context.Context, streams []*stream, fn func(*piece, int) error, done func(*piece) error) error {
	q := make(queue, 0, len(streams))
	for _, s := range streams {
		more, err := s.advance(ctx, done)
		if err != nil {
			return err
		}
		if more {
			q = append(q, s)
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		s := q[0]
		if err := fn(s.now, s.i); err != nil {
			return err
		}
		s.i++
		more, err := s.advance(ctx, done)
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(&q, 0)
		default:
			heap.Pop(&q)
		}
	}
	return context.Cause(ctx)
}

// advance makes sure that there is a next message; false: the range is read.
func (s *stream) advance(ctx context.Context, done func(*piece) error) (bool, error) {
	for s.now == nil || s.i == len(s.now.msgs) {
		if s.now != nil {
			if err := done(s.now); err != nil {
				return false, err
			}
			s.now = nil
		}
		select {
		case p, ok := <-s.pieces:
			if !ok {
				return false, s.err // what others have may be later than what is missing here
			}
			s.now, s.i = p, 0
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// batch is messages of several ranges on their way to the sink, in order, and how
// far each range is once they are there.
type batch struct {
	msgs  []broker.Message
	bytes int
	parts []part
}

// part is consecutive messages of one piece. A piece that is done has its end, with or without
// messages.
type part struct {
	p    *piece
	upTo int // messages of p that are delivered with it and before
	end  bool
}

func (b *batch) add(p *piece, i int) {
	b.msgs = append(b.msgs, p.msgs[i])
	b.bytes += sizeOf(&p.msgs[i])
	if n := len(b.parts); n > 0 && b.parts[n-1].p == p {
		b.parts[n-1].upTo = i + 1
		return
	}
	b.parts = append(b.parts, part{p: p, upTo: i + 1})
}

func (b *batch) end(p *piece) {
	if n := len(b.parts); n > 0 && b.parts[n-1].p == p {
		b.parts[n-1].end = true
		return
	}
	b.parts = append(b.parts, part{p: p, upTo: len(p.msgs), end: true})
}

// sizeOf is about how much memory a message takes.
func sizeOf(m *broker.Message) int {
	n := 100 + len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += 50 + len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return n
}
