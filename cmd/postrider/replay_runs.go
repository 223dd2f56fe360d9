package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// newReplayList is `postrider replay ls`.
func newReplayList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the replays that were executed, wherever they ran",
		Long: `List the runs that the topic of replays remembers (kafka.topics.templates.replays),
the latest first. With --output json each line is a run.`,
		Example: `  postrider replay ls
  postrider replay ls --output json | jq -r .id`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withRuns(cmd.Context(), func(e *replay.Engine, events []string) error {
				runs, err := e.Runs(cmd.Context())
				if err != nil {
					return err //nolint:wrapcheck // it says who it is
				}
				return c.printRuns(runs, events)
			})
		},
	}
}

// newReplayShow is `postrider replay show`.
func newReplayShow(c *cli) *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one replay: what was wanted, each partition, gaps and failures",
		Long: `Show one run, by its id or the first eight characters of it: what was wanted, how
far each partition is, which offsets were not in the log, and what the target
refused. With --follow it stays until the run ends, wherever it is in progress.`,
		Example: `  postrider replay show 019a1b2c
  postrider replay show 019a1b2c --follow
  postrider replay show 019a1b2c --output json | jq .progress.partitions`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.runIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRuns(cmd.Context(), func(e *replay.Engine, events []string) error {
				return c.showRun(cmd.Context(), e, events, args[0], follow)
			})
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "show the progress until the run ends")
	return cmd
}

// newReplayCancel is `postrider replay cancel`.
func newReplayCancel(c *cli) *cobra.Command {
	by := ""
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "End a replay for good, wherever it is in progress",
		Long: `End a run for good: one that is in progress stops within about a second, one that
was interrupted cannot be resumed any more. What was delivered stays.`,
		Example:           `  postrider replay cancel 019a1b2c`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.runIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRuns(cmd.Context(), func(e *replay.Engine, _ []string) error { return c.cancelRun(cmd.Context(), e, args[0], by) })
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who (default: user and host)")
	return cmd
}

// withRuns calls fn with the engine of the configured cluster, and the topics of
// events.
func (c *cli) withRuns(ctx context.Context, fn func(e *replay.Engine, events []string) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return c.withReplays(ctx, cfg, func(e *replay.Engine) error { return fn(e, app.EventTopics(cfg)) })
}

// showRun prints a run, at once or when it has ended.
func (c *cli) showRun(ctx context.Context, e *replay.Engine, events []string, id string, follow bool) error {
	if follow {
		watch := c.newReplayProgress("replaying", false)
		err := e.Watch(ctx, id, func(p replay.Progress) error {
			watch.show(p)
			return nil
		})
		watch.end()
		if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
			return err //nolint:wrapcheck // it says who it is
		}
		ctx = context.WithoutCancel(ctx)
	}
	run, err := e.Run(ctx, id)
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	if c.json() {
		return json.NewEncoder(c.out).Encode(&run) //nolint:wrapcheck // standard output
	}
	return c.printRunWhole(&run, events)
}

// cancelPatience is how long to wait for a run to stop.
const cancelPatience = 10 * time.Second

// cancelRun ends a run and waits until whoever runs it has stopped.
func (c *cli) cancelRun(ctx context.Context, e *replay.Engine, id, by string) error {
	if by == "" {
		by = c.whoami()
	}
	run, err := e.Cancel(ctx, id, by)
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	if run.State == replay.Running {
		wait, stop := context.WithTimeout(ctx, cancelPatience)
		defer stop()
		_ = e.Watch(wait, run.ID, func(replay.Progress) error { return nil }) // what counts is asked below
		if run, err = e.Run(ctx, run.ID); err != nil {
			return err //nolint:wrapcheck // it says who it is
		}
	}
	if run.State == replay.Running {
		return fmt.Errorf("replay: run %s has been told to stop, and has not yet: process %d on %s", run.ID, run.PID, run.Host)
	}
	return c.printRun(c.out, &run)
}

// printRuns lists runs.
func (c *cli) printRuns(runs []replay.Run, events []string) error {
	if c.json() {
		enc := json.NewEncoder(c.out)
		for i := range runs {
			if err := enc.Encode(&runs[i]); err != nil {
				return err //nolint:wrapcheck // standard output
			}
		}
		return nil
	}
	if len(runs) == 0 {
		fmt.Fprintln(c.out, "no replay was executed")
		return nil
	}
	t := newTable(c, column{title: "ID", width: 36}, column{title: "STATE", width: 11}, column{title: "STARTED", width: 20},
		column{title: "DELIVERED"}, column{title: "OF"}, column{title: "FROM", width: 20}, column{title: "TO", width: 20}, column{title: "BY", width: 12}, column{title: "REASON"})
	for i := range runs {
		r := &runs[i]
		if err := t.row(plain(r.ID), cell{string(r.State), c.statePaint(r.State)}, plain(r.Started.UTC().Format(time.RFC3339)),
			number(r.Progress.Delivered), plain(matching(&r.Plan)), plain(origin(&r.Plan.Request, events)),
			plain(targetText(&r.Plan.Request)), plain(r.Plan.Request.By), plain(r.Plan.Request.Reason)); err != nil {
			return err
		}
	}
	return nil
}

// statePaint is the colour of a state.
func (c *cli) statePaint(s replay.State) paint {
	switch s {
	case replay.Completed:
		return c.style.good
	case replay.Failed:
		return c.style.bad
	case replay.Interrupted, replay.Cancelled:
		return c.style.warn
	case replay.Running:
	}
	return c.style.none
}

// printRunWhole prints all that is known of a run.
func (c *cli) printRunWhole(run *replay.Run, events []string) error {
	req := &run.Plan.Request
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(c.out, "%-9s  %s\n", name, printable(text))
		}
	}
	line("run", run.ID)
	line("state", c.stateText(run))
	line("started", run.Started.UTC().Format(clockMillis)+onHost(run))
	if !run.Ended.IsZero() {
		line("ended", run.Ended.UTC().Format(clockMillis))
	}
	line("by", req.By)
	line("reason", req.Reason)
	line("from", origin(req, events))
	line("select", selectText(&req.Select))
	line("to", targetText(req))
	line("error", run.Error)
	fmt.Fprintln(c.out)
	if err := c.printPartitions(run); err != nil {
		return err
	}
	c.printGaps(c.out, run.Gaps, run.GapsLeft)
	c.printFailures(c.out, run)
	if run.State == replay.Interrupted || run.State == replay.Failed {
		fmt.Fprintf(c.out, "postrider replay --resume %s goes on\n", run.ID)
	}
	return nil
}

func (c *cli) stateText(run *replay.Run) string {
	text := string(run.State)
	if run.CancelledBy != "" {
		text += " by " + run.CancelledBy
	}
	if run.Resumed > 0 {
		text += ", resumed " + plural(run.Resumed, "time")
	}
	return text
}

func onHost(run *replay.Run) string {
	if run.Host == "" {
		return ""
	}
	return " on " + run.Host + ", process " + strconv.Itoa(run.PID)
}

// selectText is what a selection asks of records, as JSON, which names every
// condition.
func selectText(s *selection.Selection) string {
	of := *s
	of.Topics = nil // they are told on their own
	text, err := json.Marshal(&of)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// printPartitions prints a row a partition, and their sum.
func (c *cli) printPartitions(run *replay.Run) error {
	name := column{title: "TOPIC", width: 5}
	for i := range run.Progress.Partitions {
		name.width = max(name.width, len(rangeName(&run.Plan.Request, run.Progress.Partitions[i].Topic)))
	}
	columns := []column{name}
	for _, title := range []string{"PARTITION", "FROM", "NEXT", "TO", "READ", "SELECTED", "DELIVERED", "FAILED"} {
		columns = append(columns, column{title: title})
	}
	t := newTable(c, columns...)
	p := &run.Progress
	for i := range p.Partitions {
		q := &p.Partitions[i]
		if err := t.row(plain(rangeName(&run.Plan.Request, q.Topic)), number(q.Partition), number(q.From), number(q.Next), number(q.To),
			number(q.Read), number(q.Selected), number(q.Delivered), number(q.Failed)); err != nil {
			return err
		}
	}
	return t.row(plain("all"), plain(""), plain(""), plain(""), plain(""), number(p.Read), number(p.Selected), number(p.Delivered), number(p.Failed))
}

// runIDPatience is how long completion waits for the cluster.
const runIDPatience = 2 * time.Second

// runIDs completes the id of a run.
func (c *cli) runIDs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, stop := context.WithTimeout(cmd.Context(), runIDPatience)
	defer stop()
	var ids []string
	_ = c.withRuns(ctx, func(e *replay.Engine, _ []string) error { // without it there is nothing to complete
		runs, err := e.Runs(ctx)
		for i := range runs {
			if strings.HasPrefix(runs[i].ID, typed) {
				ids = append(ids, runs[i].ID+"\t"+string(runs[i].State)+", "+targetText(&runs[i].Plan.Request))
			}
		}
		return err //nolint:wrapcheck // nobody sees it
	})
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeReplay completes the values of the flags.
func (c *cli) completeReplay(cmd *cobra.Command) {
	c.complete(cmd, "topic", c.topicNames)
	c.complete(cmd, "to-topic", c.topicNames)
	c.complete(cmd, "type", selection.TypeNames)
	c.complete(cmd, "provider", app.ProviderIDs)
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "from", func() []string { return []string{"-1h", "-24h", "-7d"} })
	c.complete(cmd, "to", func() []string { return []string{"now", "-1h", "-24h"} })
	c.complete(cmd, "speed", func() []string { return []string{"1x", "10x", "max"} })
	c.complete(cmd, "target", func() []string {
		cfg, err := c.load()
		if err != nil {
			return nil
		}
		return targetWords(cfg)
	})
	_ = cmd.RegisterFlagCompletionFunc("resume", c.runIDs)
	for _, free := range []string{
		"late", "from-offset", "to-offset", "partition", "recipient", "message-id", "event-id", "header", "where", "limit", "url", "allow",
		"rate", "max-in-flight", "max-hops", "reason", "by",
	} {
		c.complete(cmd, free, func() []string { return nil })
	}
}
