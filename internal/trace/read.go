package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// reader reads spans and keeps what matches.
type reader struct {
	store    Store
	progress func(records int64)
	most     int

	records atomic.Int64 // read
	before  int64        // of them, by the searches before this one

	mu         sync.Mutex // guards what follows
	found      []Observation
	omitted    int
	unreadable []Unreadable
	letters    []DeadLetter
	gaps       []Gap
}

// each calls fn for 0 to n-1, some at once. The first error ends the others, and
// is returned.
func each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, parallel) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := fn(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx) //nolint:wrapcheck // fn's error, or that of ctx
}

// typed reads spans of typed topics.
func (r *reader) typed(ctx context.Context, spans []span, q *Query, m *match) error {
	err := each(ctx, len(spans), func(ctx context.Context, i int) error {
		return r.read(ctx, spans[i], func(rec *broker.Message) error {
			if !inWindow(q, rec.Time) || !m.of(q, rec) || !m.quick(rec) {
				return nil
			}
			if r.take(rec, m) && m.once {
				return errFound
			}
			return nil
		})
	})
	if errors.Is(err, errFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// errFound ends a search for one record.
var errFound = errors.New("found")

// inWindow reports whether a record's time is within the window.
func inWindow(q *Query, at time.Time) bool {
	return !at.Before(q.From) && (q.To.IsZero() || at.Before(q.To))
}

// take keeps a record if it is meant, and reports whether it did.
func (r *reader) take(m *broker.Message, of *match) bool {
	o, err := observe(m)
	if err == nil && !of.exact(m, &o.Event) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if len(r.unreadable) < r.most {
			r.unreadable = append(r.unreadable, Unreadable{Record: placeOf(m), Problem: err.Error()})
		}
		return false
	}
	if r.found = append(r.found, o); len(r.found) >= 2*r.most {
		r.forget(r.most)
	}
	return true
}

// forget drops all but the latest records.
func (r *reader) forget(most int) {
	if len(r.found) <= most {
		return
	}
	slices.SortStableFunc(r.found, func(a, b Observation) int { return b.Time.Compare(a.Time) })
	r.omitted += len(r.found) - most
	clear(r.found[most:])
	r.found = r.found[:most]
}

// read calls fn for the records of a span. What was deleted before or while it is
// read becomes a gap.
func (r *reader) read(ctx context.Context, s span, fn func(*broker.Message) error) error {
	cut := Gap{Topic: s.topic, Partition: s.partition, To: s.from}
	take := func(m *broker.Message) error {
		if s.cut {
			s.cut, cut.Until = false, m.Time
			r.gap(cut)
		}
		return fn(m)
	}
	err := r.store.Scan(ctx, s.topic, s.partition, s.from, s.to, broker.ScanOptions{}, func(c broker.Chunk) error {
		for _, g := range c.Gaps {
			if g.Expired {
				r.gap(Gap{Topic: s.topic, Partition: s.partition, From: g.From, To: g.To})
			}
		}
		for i := range c.Messages {
			if err := take(&c.Messages[i]); err != nil {
				return err
			}
		}
		r.progress(r.records.Add(int64(len(c.Messages))) - r.before)
		return nil
	})
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	if s.cut {
		r.gap(cut)
	}
	return nil
}

// gap keeps a gap.
func (r *reader) gap(g Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, g)
}
