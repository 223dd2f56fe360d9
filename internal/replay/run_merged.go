package replay

import (
	"cmp"
	"context"
	"errors"
)

// errEnough ends a merge when the limit is reached.
var errEnough = errors.New("replay: limit reached")

// deliverMerged delivers the ranges as one lane, in the order of time.
func (j *job) deliverMerged(ctx, deliver context.Context) error {
	from := make([]int64, len(j.run.Plan.Ranges))
	for at := range from {
		from[at] = j.next(at)
	}
	l := &lane{job: j, ctx: ctx, deliver: deliver, left: -1}
	if limit := j.run.Plan.Request.Select.Limit; limit > 0 {
		if l.left = limit - j.progress().Selected; l.left <= 0 {
			return nil
		}
	}
	err := j.reader.merge(ctx, from, l.take, l.end)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	}
	return l.flush()
}

// lane gathers the messages of a merge into batches.
type lane struct {
	job          *job
	ctx, deliver context.Context //nolint:containedctx // of one call
	batch        batch
	left         int64 // until the limit; negative: there is none
}

// manyParts is how many pieces without a message may be done before that is noted.
const manyParts = 1000

// take takes one message.
func (l *lane) take(p *piece, i int) error {
	l.batch.add(p, i)
	if l.left > 0 {
		l.left--
	}
	switch {
	case l.left == 0:
		return cmp.Or(l.flush(), errEnough)
	case len(l.batch.msgs) >= l.job.batch, l.batch.bytes >= batchBytes, l.job.pacer.early(p.msgs[i].Time):
		return l.flush()
	}
	return nil
}

// end notes that a piece is done.
func (l *lane) end(p *piece) error {
	if l.batch.end(p); len(l.batch.msgs) == 0 || len(l.batch.parts) > manyParts {
		return l.flush()
	}
	return nil
}

// flush delivers what was gathered.
func (l *lane) flush() error {
	full := l.batch
	l.batch = batch{}
	return l.job.deliver(l.ctx, &full, l.job.byHand(l.deliver))
}
