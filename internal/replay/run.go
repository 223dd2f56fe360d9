package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of a run.
const (
	lanesAtOnce     = 16                     // partitions that are read in parallel
	readAhead       = 32 << 20               // bytes fetched and not worked on, all partitions together
	fetchMost       = 768 << 10              // of one fetch: with the marks it fits into one batch of 1 MiB
	batchBytes      = 2 << 20                // delivered at once, by a lane
	checkpointEvery = time.Second            // at least, while anything moves
	heartbeatEvery  = 5 * time.Second        // at least; see silence
	checkpointTime  = time.Minute            // for one: as long as an election takes, and more
	watchEvery      = 200 * time.Millisecond // progress
	finishTime      = 15 * time.Second       // for what is on its way when a run is stopped
	keptGaps        = 100                    // gaps and failures that a Run names
	meterSpan       = 5 * time.Second        // over which the pace is measured
)

// job is a run in progress.
type job struct {
	engine *Engine
	reader *reader
	sink   Sink
	merged bool
	window *window
	pacer  *pacer
	batch  int // records delivered at once

	turns bool       // the sink delivers or is flushed, never both at once
	turn  sync.Mutex // who of them it is

	mu       sync.Mutex
	run      Run
	since    int         // records delivered since the last checkpoint was begun
	moved    bool        // something was passed since then
	written  time.Time   // the last checkpoint
	safe     *checkpoint // the last that the sink made durable
	unsafe   bool        // the sink could not: what came after safe is lost
	meter    meter
	stopping struct {
		err error
		by  string
	}
}

// newJob makes the job of a run, with its sink.
func (e *Engine) newJob(ctx context.Context, run Run) (*job, error) {
	req := &run.Plan.Request
	choose, err := newChooser(req, e.opt.KeyKind)
	if err != nil {
		return nil, err
	}
	lanes := max(1, len(run.Plan.Ranges))
	j := &job{
		engine: e, run: run, window: newWindow(req.Pace.MaxInFlight),
		merged: req.To.merged() || req.Select.Limit > 0 || req.Pace.Speed > 0, turns: req.To.merged(),
		pacer:  newPacer(req.Pace, run.Plan.paceFrom(), e.opt.Now),
		reader: &reader{client: e.opt.Client, plan: &run.Plan, choose: choose, ours: e.state},
	}
	if run.Resumed > 0 {
		j.pacer.first = time.Time{} // the pace goes on from where the run stopped
	}
	if !j.merged {
		lanes = min(lanes, lanesAtOnce)
	}
	j.reader.bytes = min(max(readAhead/2/lanes, 64<<10), fetchMost)
	if j.batch = req.Pace.MaxInFlight / 2; !j.merged {
		j.batch /= lanes
	}
	j.batch = max(j.batch, 1)
	if j.sink, err = e.newSink(ctx, &j.run); err != nil {
		return nil, err
	}
	return j, nil
}

// merged reports whether a target takes all partitions as one lane.
func (t *Target) merged() bool {
	return t.Kind == ToFile || t.Kind == ToStdout || t.Kind == ToRenormalize
}

// paceFrom is the time of the earliest record, as far as the plan knows.
func (p *Plan) paceFrom() time.Time {
	if p.Exact {
		return p.First
	}
	return time.Time{}
}

// work delivers everything, keeping checkpoints, and closes the sink.
func (j *job) work(parent context.Context, watch func(Progress)) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	var background sync.WaitGroup
	defer background.Wait()
	aside, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	run := j.snapshot()
	background.Go(func() {
		j.engine.journal.follow(aside, &run, func(err error, by string) {
			j.mu.Lock()
			j.stopping.err, j.stopping.by = err, by
			j.mu.Unlock()
			stop(err)
		})
	})
	if watch != nil {
		background.Go(func() { every(aside, watchEvery, func() { watch(j.progress()) }) })
	}
	err := j.deliverAll(ctx, stop)
	if err != nil && parent.Err() != nil {
		err = errors.Join(context.Canceled, err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	err = errors.Join(err, j.checkpoint(last))
	if failed := j.sink.Close(last); failed != nil {
		err = errors.Join(err, fmt.Errorf("replay: close the target: %w", failed))
	}
	if j.takenOver() && !errors.Is(err, errTakenOver) {
		err = errors.Join(errTakenOver, err) // whatever else there was: it is not ours to say how it ended
	}
	return err
}

// takenOver reports whether another process goes on with the run.
func (j *job) takenOver() bool { return errors.Is(j.stopped(), errTakenOver) }

// stopped is why somebody wants the run to stop; nil: nobody does.
func (j *job) stopped() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stopping.err
}

// deliverAll takes all ranges to the sink, with a checkpoint before the first record:
// whoever finds a trace of the run at the target can tell whose it is.
func (j *job) deliverAll(ctx context.Context, stop context.CancelCauseFunc) error {
	if err := j.checkpoint(ctx); err != nil {
		return err
	}
	deliver, finish := finishing(ctx)
	defer finish()
	points, end := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer end()
	keeper.Go(func() {
		if err := j.keepCheckpoints(points); err != nil {
			stop(err)
		}
	})
	var err error
	if j.merged {
		err = j.deliverMerged(ctx, deliver)
	} else {
		err = j.deliverLanes(ctx, deliver)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	return err
}

// finishing is the context of deliveries: it ends a little later than ctx, so that
// what is on its way gets there.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	deliver, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(finishTime)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-deliver.Done():
		}
	})
	return deliver, func() { stop(); cancel() }
}

// next is where a range goes on.
func (j *job) next(at int) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.run.Progress.Partitions[at].Next
}

// hand takes n messages of a batch to the sink, behind the first done. Where n is 0
// the batch has none, but the ends of pieces.
type hand func(b *batch, done, n int) error

// deliver takes a batch to the sink, as fast as the pace and the window allow, and
// notes how far its ranges are.
func (j *job) deliver(ctx context.Context, b *batch, to hand) error {
	for done := 0; done < len(b.msgs); {
		n, err := j.pacer.wait(ctx, b.msgs[done:])
		if err != nil {
			return err
		}
		if err := j.window.enter(ctx, n); err != nil {
			return err
		}
		if err := to(b, done, n); err != nil {
			return err
		}
		done += n
	}
	if len(b.msgs) == 0 {
		return to(b, 0, 0)
	}
	return nil
}

// byHand is the hand that waits until the messages are delivered.
func (j *job) byHand(ctx context.Context) hand {
	return func(b *batch, done, n int) error { return j.hand(ctx, b, done, n) }
}

// hand takes n messages of a batch to the sink and waits.
func (j *job) hand(ctx context.Context, b *batch, done, n int) (err error) {
	if j.turns {
		j.turn.Lock()
		defer j.turn.Unlock()
	}
	var failed []Failure
	if n > 0 {
		failed, err = j.sink.Deliver(ctx, b.msgs[done:done+n])
	}
	return j.settle(b, done, n, failed, err)
}

// settle notes what became of n messages of a batch.
func (j *job) settle(b *batch, done, n int, failed []Failure, err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(failed) > 0 {
		j.fail(failed)
		if !j.run.Plan.Request.GoOn {
			return cmp.Or(err, error(&RefusedError{failed[0]}))
		}
	}
	if err != nil {
		return err
	}
	if j.since += n; n > 0 {
		j.run.Progress.Last = b.msgs[done+n-1].Time
	}
	j.pass(b, n, failed)
	return nil
}

// fail notes what the target refused.
func (j *job) fail(failed []Failure) {
	if room := keptGaps - len(j.run.Failures); room > 0 {
		j.run.Failures = append(j.run.Failures, failed[:min(room, len(failed))]...)
	}
}

// pass notes that n more messages of a batch are delivered, those that failed aside.
// j is locked.
func (j *job) pass(b *batch, n int, failed []Failure) {
	j.moved = true
	for len(b.parts) > 0 {
		at := &b.parts[0]
		take := min(at.upTo-at.p.passed, n)
		n -= take
		at.p.passed += take
		q := &j.run.Progress.Partitions[at.p.at]
		q.Selected += int64(take)
		q.Delivered += int64(take)
		if at.end && at.p.passed == at.upTo {
			j.advance(q, at.p, at.p.end)
		} else if at.p.passed > 0 {
			j.advance(q, at.p, at.p.marks[at.p.passed-1])
		}
		if at.p.passed < at.upTo {
			break
		}
		b.parts = b.parts[1:]
	}
	j.uncount(failed)
}

// advance notes how far a range is. j is locked.
func (j *job) advance(q *PartitionProgress, p *piece, m mark) {
	q.Next = m.next
	q.Read += m.read - p.noted.read
	q.Replayed += m.replayed - p.noted.replayed
	q.Undecodable += m.undecodable - p.noted.undecodable
	p.noted = m
	for len(p.gaps) > 0 && p.gaps[0].From < m.next {
		j.gap(p.gaps[0])
		p.gaps = p.gaps[1:]
	}
}

// gap notes a gap, as one with the last if that is its beginning. j is locked.
func (j *job) gap(g Gap) {
	gaps := j.run.Gaps
	for i := range gaps {
		if last := &gaps[i]; last.Topic == g.Topic && last.Partition == g.Partition && last.Reason == g.Reason && last.To == g.From {
			last.To = g.To
			return
		}
	}
	if len(gaps) == keptGaps {
		j.run.GapsLeft++
		return
	}
	j.run.Gaps = append(gaps, g)
}

// uncount counts the records that the target refused, each once. j is locked.
func (j *job) uncount(failed []Failure) {
	seen := map[Failure]bool{}
	for _, f := range failed {
		f.Error = ""
		if seen[f] {
			continue
		}
		seen[f] = true
		q := &j.run.Progress.Partitions[0]
		for i := range j.run.Progress.Partitions {
			if c := &j.run.Progress.Partitions[i]; c.Topic == f.Topic && c.Partition == f.Partition && f.Offset >= c.From && f.Offset < c.To {
				q = c
			}
		}
		q.Delivered--
		q.Failed++
	}
}
