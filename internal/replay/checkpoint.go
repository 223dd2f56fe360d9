package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// keepCheckpoints writes checkpoints every second, and whenever the window is full,
// until ctx ends.
func (j *job) keepCheckpoints(ctx context.Context) error {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !j.due() {
				continue
			}
		case <-j.window.full:
		case <-ctx.Done():
			return nil
		}
		if err := j.checkpoint(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// due reports whether there is something to write down, or nothing was for a while.
func (j *job) due() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.moved || j.engine.opt.Now().Sub(j.written) >= heartbeatEvery
}

// checkpoint writes down how far the run is, once the sink has made it durable, and
// makes room in the window. Not for concurrent use.
func (j *job) checkpoint(ctx context.Context) error {
	if j.takenOver() {
		return nil // the run is somebody else's, and so are its checkpoints
	}
	c, covered, err := j.flush(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	if err := j.engine.journal.checkpoint(ctx, j.run.ID, c); err != nil {
		return err
	}
	j.window.leave(covered)
	return nil
}

// flush makes the sink durable and tells what that covers.
func (j *job) flush(ctx context.Context) (*checkpoint, int, error) {
	if j.turns {
		j.turn.Lock() // the time that a delivery takes is no trouble of the checkpoint's
		defer j.turn.Unlock()
	}
	ctx, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	c, covered := j.covered()
	state, err := j.sink.Flush(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unsafe = err != nil; j.unsafe {
		return nil, 0, fmt.Errorf("replay: the target: %w", err)
	}
	j.run.Sink = state
	c.Sink = state
	j.safe = c
	return c, covered, nil
}

// covered takes what a checkpoint says, and how many records it covers.
func (j *job) covered() (*checkpoint, int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := j.since
	j.since, j.moved, j.written = 0, false, j.engine.opt.Now()
	return &checkpoint{
		Progress: j.measured(), Resumed: j.run.Resumed,
		Gaps: slices.Clone(j.run.Gaps), GapsLeft: j.run.GapsLeft, Failures: slices.Clone(j.run.Failures),
	}, n
}

// progress is how far the run is. Safe for concurrent use.
func (j *job) progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.measured()
}

// snapshot is the run as it is. Safe for concurrent use.
func (j *job) snapshot() Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.run
	r.Progress = j.measured()
	r.Gaps, r.Failures = slices.Clone(r.Gaps), slices.Clone(r.Failures)
	return r
}

// measured is a copy of the progress with its totals and its pace. j is locked.
func (j *job) measured() Progress {
	p := j.run.Progress
	p.Partitions = slices.Clone(p.Partitions)
	p.Time = j.engine.opt.Now().UTC()
	p.sum()
	j.meter.measure(&p)
	return p
}

// end writes into the run how it ended.
func (j *job) end(err error) Run {
	now := j.engine.opt.Now().UTC()
	stopped := j.stopped()
	j.mu.Lock()
	by := j.stopping.by
	j.run.Ended, j.run.Updated = now, now
	switch {
	case err == nil:
		j.run.State = Completed
	case errors.Is(stopped, errCancelled):
		j.run.State, j.run.CancelledBy = Cancelled, by
	case errors.Is(err, ErrReaderGone):
		j.run.State, j.run.CancelledBy = Cancelled, "who read the output"
	case errors.Is(err, context.Canceled):
		j.run.State, j.run.Error = Interrupted, "stopped"
	default:
		j.run.State, j.run.Error = Failed, err.Error()
	}
	if j.unsafe && j.safe != nil {
		// What the target took since it was last made durable is not there.
		j.run.apply(j.safe)
		j.run.Updated = now
	}
	j.run.Progress.State = j.run.State
	j.mu.Unlock()
	return j.snapshot()
}

// meter measures the pace over the last few seconds.
type meter struct{ points []point }

// point is a moment of a run.
type point struct {
	at              time.Time
	delivered, left int64
}

// measure fills in the rate and the time left.
func (m *meter) measure(p *Progress) {
	now := point{p.Time, p.Delivered, p.left()}
	for len(m.points) > 1 && now.at.Sub(m.points[1].at) >= meterSpan {
		m.points = m.points[1:]
	}
	if n := len(m.points); n == 0 || now.at.Sub(m.points[n-1].at) >= watchEvery {
		m.points = append(m.points, now)
	}
	p.ETA = -1
	first := m.points[0]
	took := now.at.Sub(first.at)
	if took <= 0 {
		return
	}
	p.Rate = float64(now.delivered-first.delivered) / took.Seconds()
	if read := first.left - now.left; read > 0 {
		p.ETA = time.Duration(float64(took) * float64(now.left) / float64(read))
	}
}

// every calls fn until ctx ends.
func every(ctx context.Context, pause time.Duration, fn func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			fn()
		case <-ctx.Done():
			return
		}
	}
}
