package renormalize

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/pkg/event"
)

// skew is how far clocks of different machines may be apart where the times of a
// run bound the offsets of its copies.
const skew = time.Minute

// fetchBytes is how much of a partition is fetched at a time: what lies behind the
// place where reading pauses is fetched again.
const fetchBytes = 256 << 10

// published is the events in the typed topics, in the order of the times at which
// their requests came. What lies behind later ones in its partition comes late.
type published struct {
	reader  Reader
	cursors []cursor
}

// cursor is a place in one partition: among the originals, or among the copies that
// one renormalization put there in the same order. They are read once, one partition
// at a time and only as far as asked.
type cursor struct {
	topic     string
	partition int
	run       string // whose copies; "": originals
	next, end int64
}

// openPublished finds where the events of requests from a time on begin. The ends
// are those of now.
func openPublished(ctx context.Context, o *Options, ranges []replay.Range, from time.Time) (*published, error) {
	p := &published{reader: o.Reader}
	topics := slices.Compact(slices.Sorted(maps.Values(o.Topics.Typed)))
	for _, topic := range topics {
		if err := p.open(ctx, topic, "", from, time.Time{}); err != nil {
			return nil, err
		}
	}
	if o.Runs == nil {
		return p, nil
	}
	runs, err := o.Runs(ctx)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		if r := &runs[i]; r.Plan.Request.To.Kind == replay.ToRenormalize && overlap(r.Plan.Ranges, ranges) {
			for _, topic := range topics {
				if err := p.open(ctx, topic, r.ID, r.Started.Add(-skew), lastCopy(r)); err != nil {
					return nil, err
				}
			}
		}
	}
	return p, nil
}

// lastCopy is the time after which a run published nothing; zero while it runs.
func lastCopy(r *replay.Run) time.Time {
	if r.Ended.IsZero() {
		return time.Time{}
	}
	return r.Ended.Add(skew)
}

// overlap reports whether two lists of ranges have an offset in common.
func overlap(a, b []replay.Range) bool {
	for i := range a {
		for k := range b {
			if a[i].Topic == b[k].Topic && a[i].Partition == b[k].Partition && a[i].From < b[k].To && b[k].From < a[i].To {
				return true
			}
		}
	}
	return false
}

// open adds cursors for a topic's records of a time. A topic that does not exist
// has none.
func (p *published) open(ctx context.Context, topic, run string, from, to time.Time) error {
	held, err := p.reader.Offsets(ctx, topic)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("renormalize: %w", err)
	}
	starts, err := p.reader.OffsetsAt(ctx, topic, from)
	if err != nil {
		return fmt.Errorf("renormalize: %w", err)
	}
	var ends map[int]int64
	if !to.IsZero() {
		if ends, err = p.reader.OffsetsAt(ctx, topic, to); err != nil {
			return fmt.Errorf("renormalize: %w", err)
		}
	}
	for _, partition := range slices.Sorted(maps.Keys(held)) {
		c := cursor{topic: topic, partition: partition, run: run, next: max(starts[partition], held[partition].First), end: held[partition].Next}
		if ends != nil {
			c.end = min(c.end, ends[partition])
		}
		if c.next < c.end {
			p.cursors = append(p.cursors, c)
		}
	}
	return nil
}

// until calls fn for the events of requests up to a time, as long as anybody wants
// more.
func (p *published) until(ctx context.Context, t time.Time, more func() bool, fn func(*broker.Message)) error {
	for i := range p.cursors {
		if !more() {
			return nil
		}
		if err := p.read(ctx, &p.cursors[i], t, fn); err != nil {
			return err
		}
	}
	return nil
}

// read reads one partition on.
func (p *published) read(ctx context.Context, c *cursor, until time.Time, fn func(*broker.Message)) error {
	if c.next >= c.end {
		return nil
	}
	err := p.reader.Scan(ctx, c.topic, c.partition, c.next, c.end, broker.ScanOptions{Bytes: fetchBytes}, func(chunk broker.Chunk) error {
		for i := range chunk.Messages {
			m := &chunk.Messages[i]
			at, mine := c.time(m)
			if mine && at.After(until) {
				c.next = m.Offset
				return broker.ErrStop
			}
			if mine {
				fn(m)
			}
		}
		c.next = chunk.Next
		return nil
	})
	if err != nil {
		return fmt.Errorf("renormalize: %w", err)
	}
	return nil
}

// time is when the request came whose event a record is; false if the record is none
// of the cursor's.
func (c *cursor) time(m *broker.Message) (time.Time, bool) {
	if c.run == "" {
		return m.Time, !replay.Marked(m.Headers)
	}
	if event.HeaderText(m.Headers, replay.HeaderID) != c.run {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, event.HeaderText(m.Headers, replay.HeaderTimestamp))
	return at, err == nil
}
