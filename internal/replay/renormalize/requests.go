package renormalize

import (
	"context"
	"iter"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// Reader reads topics.
type Reader interface {
	// Offsets, OffsetsAt and Scan are those of broker.Client.
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error)
	Scan(ctx context.Context, topic string, partition int, from, to int64, o broker.ScanOptions, fn func(broker.Chunk) error) error
}

// requests are the selected raw records of a plan, merged by time.
type requests struct {
	ctx     context.Context //nolint:containedctx // of one Diff, whose reading it is
	reader  Reader
	matcher *selection.Matcher
	maxHops int
	left    int64 // how many more are wanted

	heads []head
	err   error
}

// head is the next record of one range.
type head struct {
	msg  broker.Message
	ok   bool
	next func() (broker.Message, bool)
	stop func()
}

// defaultMaxHops is that of Request.MaxHops.
const defaultMaxHops = 3

// openRequests begins reading. close has to follow.
func openRequests(ctx context.Context, o *Options, plan *replay.Plan, most int64) (*requests, error) {
	s := plan.Request.Select
	matcher, err := selection.Compile(s, selection.Options{KeyKind: o.Key})
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	r := &requests{ctx: ctx, reader: o.Reader, matcher: matcher, maxHops: plan.Request.MaxHops, left: most}
	if r.maxHops <= 0 {
		r.maxHops = defaultMaxHops
	}
	if s.Limit > 0 {
		r.left = min(r.left, s.Limit)
	}
	for i := range plan.Ranges {
		h := head{}
		h.next, h.stop = iter.Pull(r.records(&plan.Ranges[i]))
		r.heads = append(r.heads, h)
	}
	for i := range r.heads {
		r.heads[i].advance()
	}
	return r, nil
}

func (h *head) advance() { h.msg, h.ok = h.next() }

func (r *requests) close() {
	for i := range r.heads {
		r.heads[i].stop()
	}
}

// records are the selected records of one range.
func (r *requests) records(of *replay.Range) iter.Seq[broker.Message] {
	return func(yield func(broker.Message) bool) {
		err := r.reader.Scan(r.ctx, of.Topic, of.Partition, of.From, of.To, broker.ScanOptions{}, func(c broker.Chunk) error {
			for i := range c.Messages {
				meant, err := r.meant(&c.Messages[i])
				if err != nil {
					return err
				}
				if meant && !yield(c.Messages[i]) {
					return broker.ErrStop
				}
			}
			return nil
		})
		if err != nil && r.err == nil {
			r.err = err
		}
	}
}

// meant reports whether a record is selected.
func (r *requests) meant(m *broker.Message) (bool, error) {
	v, err := r.matcher.Match(&selection.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time, Key: m.Key, Value: m.Value, Headers: m.Headers,
	})
	return v == selection.Yes && replay.Hops(m.Headers) < r.maxHops, err //nolint:wrapcheck // it says who it is
}

// next returns the earliest request that is left; false if there is none, or none is
// wanted any more (ended tells which), or reading failed.
func (r *requests) next() (broker.Message, bool) {
	if r.left <= 0 || r.err != nil {
		return broker.Message{}, false
	}
	first := -1
	for i := range r.heads {
		if h := &r.heads[i]; h.ok && (first < 0 || h.msg.Time.Before(r.heads[first].msg.Time)) {
			first = i
		}
	}
	if first < 0 {
		return broker.Message{}, false
	}
	m := r.heads[first].msg
	r.heads[first].advance()
	r.left--
	return m, r.err == nil
}

// ended reports whether nothing is left in any range.
func (r *requests) ended() bool {
	for i := range r.heads {
		if r.heads[i].ok {
			return false
		}
	}
	return r.err == nil
}
