package sender

import (
	"context"
	"net/http"
	"time"

	"github.com/postrider/postrider/internal/provider"
)

// Step is one kind of webhook to send.
type Step struct {
	Target *Target
	Sample provider.Sample
	Body   []byte // if not nil, sent in place of the sample's
}

// Plan is what to send.
type Plan struct {
	Steps      []Step
	Count      int           // rounds through Steps, at least 1
	Duplicates int           // how often each webhook is sent again, byte for byte
	Interval   time.Duration // between the beginnings of two requests; 0 sends as fast as answers come
}

// Total is how many requests the plan makes.
func (p *Plan) Total() int { return len(p.Steps) * max(p.Count, 1) * (1 + p.Duplicates) }

// Runner carries out plans.
type Runner struct {
	Builder *Builder
	Client  *http.Client
	Finder  *Finder // nil: nothing is looked for
	Now     func() time.Time
}

// Run sends what the plan says, one request after the other, and reports each
// result. It ends early when ctx does, or when report returns an error, which it
// returns; an unanswered or refused webhook is a result, not an error. So is a
// target that no webhook can be made for: it is reported once, as Unsent, and then
// left out, while the others go on.
func (r *Runner) Run(ctx context.Context, p Plan, report func(Result) error) error {
	pace := newPace(p.Interval)
	defer pace.stop()
	unsendable := make(map[*Target]bool)
	for range max(p.Count, 1) {
		for _, s := range p.Steps {
			if unsendable[s.Target] {
				continue
			}
			w, err := r.build(ctx, s)
			switch {
			case ctx.Err() != nil:
				return ctx.Err() //nolint:wrapcheck // the caller's own context
			case err != nil:
				unsendable[s.Target] = true
				err = report(Result{Webhook: &Webhook{Target: s.Target, Sample: s.Sample, Variant: r.Builder.Variant}, Unsent: true, Err: err})
			default:
				err = r.copies(ctx, w, p.Duplicates, pace, report)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// build makes the webhook of a step.
func (r *Runner) build(ctx context.Context, s Step) (*Webhook, error) {
	if s.Body != nil {
		return r.Builder.BuildBody(ctx, s.Target, s.Sample, s.Body)
	}
	return r.Builder.Build(ctx, s.Target, s.Sample)
}

// copies sends one webhook and its duplicates.
func (r *Runner) copies(ctx context.Context, w *Webhook, duplicates int, pace *pace, report func(Result) error) error {
	for n := range duplicates + 1 {
		if err := pace.wait(ctx); err != nil {
			return err
		}
		result := r.send(ctx, w, n)
		if ctx.Err() != nil {
			return ctx.Err() //nolint:wrapcheck // the caller's own context
		}
		if err := report(result); err != nil {
			return err
		}
	}
	return nil
}

// send sends one webhook and looks for its events.
func (r *Runner) send(ctx context.Context, w *Webhook, n int) Result {
	result := Result{Webhook: w, Copy: n}
	start := r.Now()
	result.Status, result.Err = post(ctx, r.Client, w)
	result.Took = r.Now().Sub(start)
	if result.Status != http.StatusOK {
		return result
	}
	if r.Finder == nil {
		for _, e := range w.Events {
			result.Landings = append(result.Landings, Landing{Expected: e})
		}
		return result
	}
	result.Sought = true
	result.Landings, result.Err = r.Finder.Find(ctx, w.Events, n > 0)
	return result
}

// pace keeps requests apart.
type pace struct{ tick *time.Ticker }

func newPace(interval time.Duration) *pace {
	if interval <= 0 {
		return &pace{}
	}
	return &pace{tick: time.NewTicker(interval)}
}

// wait returns when the next request may begin.
func (p *pace) wait(ctx context.Context) error {
	if p.tick == nil {
		return ctx.Err() //nolint:wrapcheck // the caller's own context
	}
	select {
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller's own context
	case <-p.tick.C:
		return nil
	}
}

func (p *pace) stop() {
	if p.tick != nil {
		p.tick.Stop()
	}
}
