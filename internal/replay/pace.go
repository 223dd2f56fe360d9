package replay

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/postrider/postrider/internal/broker"
)

// pacer decides when records may go. Safe for concurrent use.
type pacer struct {
	limit *rate.Limiter // nil: none
	speed float64       // 0: none
	now   func() time.Time

	mu    sync.Mutex
	first time.Time // of the records: what begin stands for
	begin time.Time
}

// newPacer makes a pacer. first is the time of the earliest record, if known: all
// lanes count from it.
func newPacer(p Pace, first time.Time, now func() time.Time) *pacer {
	c := &pacer{speed: p.Speed, now: now, first: first}
	if p.Rate > 0 {
		c.limit = rate.NewLimiter(rate.Limit(p.Rate), max(1, int(p.Rate/10)))
	}
	return c
}

// wait waits until the first of recs may go and returns how many may go with it.
func (p *pacer) wait(ctx context.Context, recs []broker.Message) (int, error) {
	n := len(recs)
	if p.speed > 0 {
		if err := p.await(ctx, p.due(recs[0].Time)); err != nil {
			return 0, err
		}
		now := p.now()
		if n = slices.IndexFunc(recs, func(m broker.Message) bool { return p.due(m.Time).After(now) }); n < 0 {
			n = len(recs)
		}
		n = max(n, 1) // the first was waited for
	}
	if p.limit != nil {
		n = min(n, p.limit.Burst())
		if err := p.limit.WaitN(ctx, n); err != nil {
			return 0, cmp.Or(context.Cause(ctx), err)
		}
	}
	return n, nil
}

// early reports whether a record of that time has to wait for its turn.
func (p *pacer) early(t time.Time) bool { return p.speed > 0 && p.due(t).After(p.now()) }

// due is when a record of that time goes.
func (p *pacer) due(t time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.begin.IsZero() {
		p.begin = p.now()
		if p.first.IsZero() {
			p.first = t
		}
	}
	return p.begin.Add(time.Duration(float64(t.Sub(p.first)) / p.speed))
}

func (p *pacer) await(ctx context.Context, t time.Time) error {
	d := t.Sub(p.now())
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
