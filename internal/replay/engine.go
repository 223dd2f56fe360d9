package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
)

// Options is what an Engine works with.
type Options struct {
	Client    *broker.Client
	Publisher *broker.GroupCommitter // of the engine's own: a receiver's has better things to do

	Journal string   // the topic that remembers runs
	Raw     string   // the topic of raw requests
	Typed   []string // the topics of events: what is read where a Request names none
	// State are topics that hold no records of anybody's: patterns do not mean them.
	State []string
	// KeyKind is how records of events are keyed: kafka.topics.key.
	KeyKind string
	// Hash turns an address into what topics hold in place of it; nil: they hold
	// addresses.
	Hash func(address string) string

	// CreateTopic describes a target topic that does not exist; nil: none is made.
	CreateTopic func(name string, partitions int) broker.TopicSpec
	// HTTP are the configured HTTP targets by their names.
	HTTP map[string]delivery.Options
	// Dial makes the client of an HTTP target that is not configured.
	Dial func(t Target) (delivery.Options, error)
	// Stdout is where ToStdout goes.
	Stdout io.Writer
	// Renormalizer maps raw requests anew; nil: there is none.
	Renormalizer Renormalizer

	NewID func() string // of a run: a UUID, version 7
	Host  string        // where the process runs, and its id
	PID   int
	// Alive reports whether a process of this machine is still there.
	Alive func(pid int) bool
	Now   func() time.Time
	Log   *zap.Logger
}

// Renormalizer takes raw requests through today's mapping.
type Renormalizer interface {
	// Sink makes the sink of a run.
	Sink(ctx context.Context, o SinkOptions) (Sink, error)
	// Diff says what the plan would change, from a sample, or from everything.
	Diff(ctx context.Context, plan *Plan, exact bool) (*Diff, error)
}

// Engine plans and executes replays, and knows those of the past. Safe for
// concurrent use.
type Engine struct {
	opt     Options
	journal *journal

	mu      sync.Mutex
	running map[string]*job // nil: one that is about to begin
	jobs    sync.WaitGroup
}

// New makes an Engine.
func New(o Options) *Engine {
	o.Log = cmp.Or(o.Log, zap.NewNop())
	return &Engine{
		opt: o, running: make(map[string]*job),
		journal: &journal{client: o.Client, publisher: o.Publisher, topic: o.Journal, now: o.Now},
	}
}

// silence is how long a run that is in progress may not be heard of until another
// process may take it over.
const silence = 15 * time.Second

// minPrefix is how much of a run's id stands for it.
const minPrefix = 8

// Runs lists what the journal remembers, newest first.
func (e *Engine) Runs(ctx context.Context) ([]Run, error) {
	runs, err := e.journal.runs(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(b.ID, a.ID) })
	for i := range runs {
		e.settle(&runs[i])
	}
	return runs, nil
}

// settle says of a run whose process is gone that it was interrupted.
func (e *Engine) settle(r *Run) {
	if r.State != Running {
		return
	}
	silent := e.opt.Now().Sub(r.Updated) > silence
	if dead := r.Host == e.opt.Host && !e.opt.Alive(r.PID); silent || dead {
		r.State, r.Progress.State = Interrupted, Interrupted
		r.Error = cmp.Or(r.Error, fmt.Sprintf("its process (%d on %s) ended without a word", r.PID, r.Host))
	}
}

// Run returns one run. Its id may be cut to eight characters. The error may be an
// *UnknownRunError.
func (e *Engine) Run(ctx context.Context, id string) (Run, error) {
	runs, err := e.Runs(ctx)
	if err != nil {
		return Run{}, err
	}
	var fits []Run
	for i := range runs {
		if runs[i].ID == id {
			return runs[i], nil
		}
		if len(id) >= minPrefix && len(id) < len(runs[i].ID) && runs[i].ID[:len(id)] == id {
			fits = append(fits, runs[i])
		}
	}
	if len(fits) != 1 {
		return Run{}, &UnknownRunError{ID: id, Fits: len(fits)}
	}
	return fits[0], nil
}

// Cancel ends a run, wherever it is in progress, for good. One that is in progress
// stops by itself a moment later; Watch tells when.
func (e *Engine) Cancel(ctx context.Context, id, by string) (Run, error) {
	r, err := e.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	switch r.State {
	case Completed, Cancelled:
		return r, &EndedError{r}
	case Running:
		return r, e.journal.askToCancel(ctx, r.ID, by)
	case Interrupted, Failed:
	}
	r.State, r.Progress.State = Cancelled, Cancelled
	r.CancelledBy, r.Ended, r.Updated = by, e.opt.Now().UTC(), e.opt.Now().UTC()
	return r, e.journal.write(ctx, &r)
}

// Execute does what a plan says and returns when it is done. watch is told of the
// progress a few times a second, and at the end. If ctx ends, what is on its way is
// finished and the run is Interrupted: it can be resumed. The Run is returned with
// an error too, once there is one.
func (e *Engine) Execute(ctx context.Context, plan *Plan, watch func(Progress)) (Run, error) {
	j, err := e.begin(ctx, plan)
	if err != nil {
		return Run{}, err
	}
	return e.work(ctx, j, watch)
}

// Start does what a plan says in the background, until ctx ends.
func (e *Engine) Start(ctx context.Context, plan *Plan) (Run, error) {
	j, err := e.begin(ctx, plan)
	if err != nil {
		return Run{}, err
	}
	run := j.snapshot()
	e.background(ctx, j)
	return run, nil
}

// background works on a run until it is over or ctx ends.
func (e *Engine) background(ctx context.Context, j *job) {
	e.jobs.Go(func() {
		if run, err := e.work(ctx, j, nil); err != nil {
			e.opt.Log.Warn("replay ended", zap.String("reason_code", "replay_ended"), zap.String("id", run.ID),
				zap.String("state", string(run.State)), zap.Error(err))
		}
	})
}

// Wait waits for the runs of Start and ResumeInBackground. Their contexts have to
// end first, unless it is to wait until they are done.
func (e *Engine) Wait() { e.jobs.Wait() }

// Resume goes on with a run that was interrupted or failed, from its last
// checkpoint, as Execute does.
func (e *Engine) Resume(ctx context.Context, id string, watch func(Progress)) (Run, error) {
	j, err := e.take(ctx, id)
	if err != nil {
		return Run{}, err
	}
	return e.work(ctx, j, watch)
}

// ResumeInBackground goes on with a run as Start does.
func (e *Engine) ResumeInBackground(ctx context.Context, id string) (Run, error) {
	j, err := e.take(ctx, id)
	if err != nil {
		return Run{}, err
	}
	run := j.snapshot()
	e.background(ctx, j)
	return run, nil
}

// begin makes the job of a new run and writes it down.
func (e *Engine) begin(ctx context.Context, plan *Plan) (*job, error) {
	if err := e.checkPlan(ctx, plan); err != nil {
		return nil, err
	}
	now := e.opt.Now().UTC()
	run := Run{
		ID: e.opt.NewID(), State: Running, Plan: *plan, Started: now, Updated: now, Host: e.opt.Host, PID: e.opt.PID,
		Progress: emptyProgress(plan, now), Gaps: plan.outside(),
	}
	return e.job(ctx, run)
}

// outside are the plan's gaps that lie in none of its ranges: the run meets the others
// itself.
func (p *Plan) outside() []Gap {
	return slices.DeleteFunc(slices.Clone(p.Gaps), func(g Gap) bool {
		return slices.ContainsFunc(p.Ranges, func(r Range) bool {
			return g.Topic == r.Topic && g.Partition == r.Partition && g.From < r.To && g.To > r.From
		})
	})
}

// take makes the job of a run that an earlier process began.
func (e *Engine) take(ctx context.Context, id string) (*job, error) {
	run, err := e.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	if !e.claim(run.ID) {
		return nil, &RunningError{run}
	}
	j, err := e.again(ctx, run.ID)
	if err != nil {
		e.leave(run.ID)
	}
	return j, err
}

// again makes the job of a run that is claimed. What it is by now may have changed
// before.
func (e *Engine) again(ctx context.Context, id string) (*job, error) {
	run, err := e.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	switch run.State {
	case Completed, Cancelled:
		return nil, &EndedError{run}
	case Running:
		return nil, &RunningError{run}
	case Interrupted, Failed:
	}
	if run.Plan.Request.To.Kind == ToStdout {
		return nil, &RequestError{[]string{"run " + run.ID + " went to standard output, which cannot be gone on with: plan it anew, from the offsets that `postrider replay show` tells"}}
	}
	if err := e.check(&run.Plan.Request); err != nil { // by the configuration of now
		return nil, err
	}
	run.State, run.Progress.State, run.Error = Running, Running, ""
	run.Resumed++
	run.Updated, run.Host, run.PID = e.opt.Now().UTC(), e.opt.Host, e.opt.PID
	return e.job(ctx, run)
}

// job makes the job of a run.
func (e *Engine) job(ctx context.Context, run Run) (*job, error) {
	if err := e.ensureTarget(ctx, &run.Plan); err != nil {
		return nil, err
	}
	j, err := e.newJob(ctx, run)
	if err != nil {
		return nil, err
	}
	if err := e.journal.write(ctx, &run); err != nil {
		return nil, errors.Join(fmt.Errorf("replay: the run cannot be written down: %w", err), j.sink.Close(ctx))
	}
	return j, nil
}

// work runs a job to its end and writes that down.
func (e *Engine) work(ctx context.Context, j *job, watch func(Progress)) (Run, error) {
	e.enter(j)
	defer e.leave(j.run.ID)
	e.opt.Log.Info("replay begins", zap.String("reason_code", "replay_begins"), zap.String("id", j.run.ID),
		zap.String("by", j.run.Plan.Request.By), zap.String("to", j.run.Plan.Request.To.Kind), zap.Int64("matching", j.run.Plan.Matching))
	err := j.work(ctx, watch)
	run := j.end(err)
	if errors.Is(err, errTakenOver) {
		return run, err // the run is somebody else's now
	}
	// What has happened is written down even if nobody waits any more.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if failed := e.journal.write(last, &run); failed != nil {
		err = errors.Join(err, fmt.Errorf("replay: how run %s ended cannot be written down: %w", run.ID, failed))
	}
	if watch != nil {
		watch(run.Progress)
	}
	e.opt.Log.Info("replay ended", zap.String("reason_code", "replay_ended"), zap.String("id", run.ID), zap.String("state", string(run.State)),
		zap.Int64("delivered", run.Progress.Delivered), zap.Int64("failed", run.Progress.Failed))
	return run, err
}

// lastWords bounds what is written at the end of a run.
const lastWords = 20 * time.Second

func (e *Engine) enter(j *job) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[j.run.ID] = j
}

func (e *Engine) leave(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, id)
}

// claim lets nobody else of this process go on with a run; false: somebody does. Other
// processes are told by the journal, where this one cannot be told from itself.
func (e *Engine) claim(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, taken := e.running[id]
	if !taken {
		e.running[id] = nil
	}
	return !taken
}

// Watch tells the progress of a run, wherever it is in progress, until it ends: of
// one of this engine a few times a second, of another as often as it writes
// checkpoints. fn's error ends it and is returned. The last progress is that of the
// end. A run whose process has died ends as Interrupted.
func (e *Engine) Watch(ctx context.Context, id string, fn func(Progress) error) error {
	r, err := e.Run(ctx, id)
	if err != nil {
		return err
	}
	for {
		p, pause, err := e.progress(ctx, r.ID)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil || p.State != Running {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("replay: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// progress is how far a run is now, and when to ask again: the journal is read whole,
// and says no more often than once a second.
func (e *Engine) progress(ctx context.Context, id string) (Progress, time.Duration, error) {
	e.mu.Lock()
	j := e.running[id]
	e.mu.Unlock()
	if j != nil {
		p := j.progress()
		p.State = Running // until how it ended is written down, and everybody may know
		return p, watchEvery, nil
	}
	r, err := e.Run(ctx, id)
	return r.Progress, checkpointEvery, err
}
