package replay

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/internal/broker"
)

// starter is a Sink that takes more records of a lane before the last are safe.
type starter interface {
	// Start is the first half of Deliver: the records will get to the target behind
	// those of every Start of the lane before. wait is the other half; it is called
	// once, and in the order of the Starts.
	Start(ctx context.Context, recs []broker.Message) (wait func() ([]Failure, error))
}

// flight is n messages of a batch, behind the first done, on their way to the target.
type flight struct {
	b       *batch
	done, n int
	wait    func() ([]Failure, error) // nil where n is 0
}

// deliverLanes delivers the ranges side by side.
func (j *job) deliverLanes(ctx, deliver context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lanesAtOnce)
	for at := range j.run.Plan.Ranges {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if s, ok := j.sink.(starter); ok {
				return j.fly(ctx, deliver, s, at)
			}
			return j.deliverRange(ctx, at, j.byHand(deliver))
		})
	}
	return g.Wait() //nolint:wrapcheck // every lane names itself
}

// fly delivers a range with two batches on their way: while the target works on one,
// the next gets in line behind it.
func (j *job) fly(ctx, deliver context.Context, s starter, at int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	flights := make(chan flight)
	landed := make(chan error, 1)
	go func() { landed <- j.land(flights, stop) }()
	err := j.deliverRange(ctx, at, func(b *batch, done, n int) error {
		f := flight{b: b, done: done, n: n}
		if n > 0 {
			f.wait = s.Start(deliver, b.msgs[done:done+n])
		}
		flights <- f // land takes every one, whatever happens
		return nil
	})
	close(flights)
	return cmp.Or(<-landed, err)
}

// land waits for flights in order and notes what became of them. The position does
// not pass one that failed, whatever becomes of those behind it; no more are begun.
func (j *job) land(flights <-chan flight, stop context.CancelCauseFunc) (failed error) {
	for f := range flights {
		var refused []Failure
		var err error
		if f.wait != nil {
			refused, err = f.wait()
		}
		if failed != nil {
			continue
		}
		if failed = j.settle(f.b, f.done, f.n, refused, err); failed != nil {
			stop(failed)
		}
		j.window.settled()
	}
	return failed
}

// deliverRange delivers one range.
func (j *job) deliverRange(ctx context.Context, at int, to hand) error {
	return j.reader.read(ctx, at, j.next(at), func(p *piece) error { return j.deliverPiece(ctx, p, to) })
}

// deliverPiece delivers the messages of one piece, in batches that use its memory.
func (j *job) deliverPiece(ctx context.Context, p *piece, to hand) error {
	for from := 0; ; {
		upTo := from
		for bytes := 0; upTo < len(p.msgs) && upTo-from < j.batch && bytes < batchBytes; upTo++ {
			bytes += sizeOf(&p.msgs[upTo])
		}
		b := batch{msgs: p.msgs[from:upTo:upTo], parts: []part{{p: p, upTo: upTo, end: upTo == len(p.msgs)}}}
		if err := j.deliver(ctx, &b, to); err != nil {
			return err
		}
		if from = upTo; from == len(p.msgs) {
			return nil
		}
	}
}
