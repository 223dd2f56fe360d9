package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/replay"
)

// planReplay plans, with progress: an exact count may take its time.
func (c *cli) planReplay(ctx context.Context, e *replay.Engine, req replay.Request, count bool) (*replay.Plan, error) {
	watch := c.newReplayProgress("planning", true)
	defer watch.end()
	plan, err := e.Plan(ctx, req, replay.PlanOptions{Count: count, Progress: watch.show})
	if err != nil && ctx.Err() != nil {
		return nil, exitError{errors.New("replay: interrupted while planning; nothing was written"), exitInterrupted}
	}
	return plan, err //nolint:wrapcheck // it says who it is
}

// executeReplay executes a plan, after asking if it is large.
func (c *cli) executeReplay(ctx context.Context, e *replay.Engine, plan *replay.Plan, cfg *config.Config, yes bool) error {
	if plan.Matching > int64(cfg.Replay.ConfirmAbove) && !yes {
		if err := c.confirmReplay(plan, cfg); err != nil {
			return err
		}
	}
	to := plan.Request.To.Kind
	watch := c.newReplayProgress("replaying", to == replay.ToStdout)
	run, err := e.Execute(ctx, plan, watch.show)
	watch.end()
	return c.replayEnded(ctx, &run, err)
}

// resumeReplay goes on with a run.
func (c *cli) resumeReplay(ctx context.Context, e *replay.Engine, id string) error {
	watch := c.newReplayProgress("replaying", false)
	run, err := e.Resume(ctx, id, watch.show)
	watch.end()
	return c.replayEnded(ctx, &run, err)
}

// confirmReplay asks a person. Without a terminal nobody can answer.
func (c *cli) confirmReplay(plan *replay.Plan, cfg *config.Config) error {
	in, isFile := c.in.(*os.File)
	if !isFile || !terminal(in) {
		return fmt.Errorf("replay: the plan has %s records, more than replay.confirm_above (%d): nothing was written; add --yes to go ahead", matching(plan), cfg.Replay.ConfirmAbove)
	}
	fmt.Fprintf(c.errOut, "replay %s records of %s to %s? [y/N] ", matching(plan), origin(&plan.Request, app.EventTopics(cfg)), targetText(&plan.Request))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("replay: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("replay: not confirmed: nothing was written")
}

// replayEnded reports a run and turns how it ended into an exit code.
func (c *cli) replayEnded(ctx context.Context, run *replay.Run, err error) error {
	if errors.Is(err, replay.ErrReaderGone) {
		return nil
	}
	if run.ID == "" {
		return replayError(err)
	}
	if errP := c.printRun(c.resultOut(run), run); errP != nil {
		return errP
	}
	again := fmt.Sprintf("go on with `postrider replay --resume %s`", run.ID)
	if run.Plan.Request.To.Kind == replay.ToStdout {
		again = "what went to standard output cannot be gone on with; `postrider replay show " + run.ID + "` tells the offsets"
	}
	switch {
	case run.State == replay.Interrupted && ctx.Err() != nil:
		return exitError{errors.New("replay: interrupted; " + again), exitInterrupted}
	case run.State == replay.Cancelled:
		return fmt.Errorf("replay: cancelled by %s", run.CancelledBy)
	case err != nil:
		return fmt.Errorf("%w; %s", err, again)
	case len(run.Gaps) > 0 || run.Progress.Failed > 0:
		return exitError{errors.New("replay: " + incomplete(run)), exitGaps}
	}
	return nil
}

// incomplete says what a completed run lacks.
func incomplete(run *replay.Run) string {
	var lacks []string
	if n := len(run.Gaps) + run.GapsLeft; n > 0 {
		lacks = append(lacks, "ended with gaps: "+plural(n, "range")+" of offsets not in the log")
	}
	if n := run.Progress.Failed; n > 0 {
		lacks = append(lacks, "the target refused "+plural(int(n), "record"))
	}
	return strings.Join(lacks, "; ")
}

// resultOut is where a run's result goes: standard output, unless the records went there.
func (c *cli) resultOut(run *replay.Run) io.Writer {
	if run.Plan.Request.To.Kind == replay.ToStdout {
		return c.errOut
	}
	return c.out
}

// printRun prints what became of a run.
func (c *cli) printRun(w io.Writer, run *replay.Run) error {
	if c.json() {
		return json.NewEncoder(w).Encode(run) //nolint:wrapcheck // standard output
	}
	p := &run.Progress
	took := p.Time.Sub(run.Started)
	if !run.Ended.IsZero() {
		took = run.Ended.Sub(run.Started)
	}
	fmt.Fprintf(w, "%s: %s delivered to %s in %s (run %s)\n", run.State, plural(int(p.Delivered), "record"),
		targetText(&run.Plan.Request), spell(took), run.ID)
	if p.Replayed > 0 {
		fmt.Fprintf(w, "%s of earlier replays left out (--include-replayed)\n", copies(p.Replayed))
	}
	c.printGaps(w, run.Gaps, run.GapsLeft)
	c.printFailures(w, run)
	return nil
}

// printFailures lists what the target refused.
func (c *cli) printFailures(w io.Writer, run *replay.Run) {
	for i := range run.Failures {
		f := &run.Failures[i]
		fmt.Fprintf(w, "%s  %s[%d]@%d  %s\n", c.style.bad.apply("refused"), f.Topic, f.Partition, f.Offset, printable(f.Error))
	}
	if more := run.Progress.Failed - int64(len(run.Failures)); more > 0 {
		fmt.Fprintf(w, "and %d more refused\n", more)
	}
}

// planGaps tells whoever reads exit codes that records which are asked for are not in
// the log any more.
func planGaps(plan *replay.Plan) error {
	if n := len(plan.Gaps); n > 0 {
		return exitError{errors.New("replay: planned with gaps: " + plural(n, "range") + " of offsets not in the log"), exitGaps}
	}
	return nil
}

// printGaps lists ranges that are not in the log.
func (c *cli) printGaps(w io.Writer, gaps []replay.Gap, left int) {
	for _, g := range gaps {
		fmt.Fprintf(w, "%s  %s[%d]  offsets %d to %d  %s\n", c.style.warn.apply("gap"), g.Topic, g.Partition, g.From, g.To-1, g.Reason)
	}
	if left > 0 {
		fmt.Fprintf(w, "and %s more\n", plural(left, "gap"))
	}
}
