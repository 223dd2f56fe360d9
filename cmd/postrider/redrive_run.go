package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/deadletter"
)

// newRedriveRun is `postrider redrive run`.
func newRedriveRun(c *cli) *cobra.Command {
	var f letterFlags
	var execute bool
	var by string
	cmd := &cobra.Command{
		Use:   "run PLACE... | filter | --all",
		Short: "Take dead letters through the mapping of now, and publish what becomes an event",
		Long: `Take dead letters through the mapping as it is now: after a mapping or a limit has
been corrected, this publishes what they should have been, under the ids that the
events would have had. Without --execute it only says what would come of it.

With --execute, events go to their topics by the receiver's own path, with the
header redrive-of (the dead letter's place); no raw record and no dead letter is
published. What receivers have published meanwhile is left out. A letter of which
everything is published is marked as resolved, and passed over by a second run;
what still is no event stays open. One redrive publishes at a time.

A receiver may run meanwhile; the embedded broker is only there while one does.
Exit code 3 if some of the letters still are none of an event's after --execute.`,
		Example: `  postrider redrive run --reason missing_type --mapper 3
  postrider redrive run --reason missing_type --mapper 3 --execute
  postrider redrive run email.deadletter/3/1841 --execute`,
		RunE: func(cmd *cobra.Command, places []string) error {
			filter, err := f.chosen(c, places)
			if err != nil {
				return err
			}
			return c.withLetters(cmd.Context(), func(l *letters) error {
				return l.run(cmd.Context(), filter, execute, l.cli.operator(by))
			})
		},
	}
	f.register(c, cmd)
	f.registerAll(cmd)
	cmd.Flags().BoolVar(&execute, "execute", false, "publish, instead of saying what would be published")
	cmd.Flags().StringVar(&by, "by", "", "who is to stand in the marks (default: user@host)")
	return cmd
}

// operator is who runs a command; by takes the place of the user's name and host.
func (c *cli) operator(by string) deadletter.Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return deadletter.Owner{ID: uuid.NewString(), By: cmp.Or(by, c.whoami()), Host: host, PID: os.Getpid()}
}

// run tries letters, or redrives them.
func (l *letters) run(ctx context.Context, f deadletter.Filter, execute bool, who deadletter.Owner) error {
	r, err := l.redriver()
	if err != nil {
		return err
	}
	if execute {
		if err := app.EnsureReplays(ctx, l.config, l.client); err != nil {
			return err //nolint:wrapcheck // it says who it is
		}
	}
	if err := r.Connect(ctx, l.client, zap.NewNop()); err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	bar := &letterBar{cli: l.cli}
	x := &app.LetterRun{
		Redriver: r, Reader: l.client, Journal: l.journal, Filter: f, Owner: who, Execute: execute, Looked: bar.looked,
	}
	report, err := x.Run(ctx)
	bar.bar.end()
	err = errors.Join(err, r.Close(context.WithoutCancel(ctx)))
	return errors.Join(l.printRun(report, execute), runError(ctx, report, execute, err))
}

// runError is the error of a run: that it failed, that it was interrupted, or that
// it went through and left letters open.
func runError(ctx context.Context, r *app.LetterReport, execute bool, err error) error {
	n := failing(&r.Total)
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return exitError{errors.New("interrupted; the same command goes on from there"), exitInterrupted}
	case err != nil && execute:
		return fmt.Errorf("%w; the same command goes on from there", err)
	case err != nil || n == 0 || !execute:
		return err
	}
	return exitError{fmt.Errorf("%s stay open", plural(n, "dead letter")), exitGaps}
}

// failing is how many letters of a group stay.
func failing(g *app.LetterGroup) (n int) {
	for _, count := range g.Failing {
		n += count
	}
	return n
}

// printRun tells what came, or would come, of a run.
func (l *letters) printRun(r *app.LetterReport, executed bool) error {
	if r.Expired > 0 {
		l.cli.noteExpired(r.Expired)
	}
	if l.cli.json() {
		enc := json.NewEncoder(l.cli.out)
		for _, g := range r.Groups {
			if err := enc.Encode(g); err != nil {
				return err //nolint:wrapcheck // standard output
			}
		}
		return nil
	}
	if len(r.Groups) == 0 {
		_, err := fmt.Fprintln(l.cli.out, "there are no dead letters of that selection")
		return err //nolint:wrapcheck // standard output
	}
	if err := l.runTable(r, executed); err != nil {
		return err
	}
	for _, f := range r.Failures {
		fmt.Fprintf(l.cli.out, "%s  %s: %s\n", f.Place, printable(f.Reason), printable(f.Detail))
	}
	if left := failing(&r.Total) - len(r.Failures); left > 0 {
		fmt.Fprintf(l.cli.out, "and %d more that still are no event\n", left)
	}
	_, err := fmt.Fprintln(l.cli.out, runSummary(&r.Total, executed))
	return err //nolint:wrapcheck // standard output
}

// runTable prints the groups of a run.
func (l *letters) runTable(r *app.LetterReport, executed bool) error {
	done := "WOULD PUBLISH"
	if executed {
		done = "PUBLISHED"
	}
	t := newTable(l.cli, append(kindColumns(), column{title: "LETTERS"}, column{title: "RESOLVED"}, column{title: done},
		column{title: "KNOWN"}, column{title: "STILL FAILING"})...)
	for _, g := range r.Groups {
		good := number(g.Publishable)
		if g.Publishable > 0 {
			good.paint = l.cli.style.good
		}
		cells := append(kindCells(&g.Kind), number(g.Letters), number(g.Resolved), good, number(g.Known), plain(failingText(g)))
		if err := t.row(cells...); err != nil {
			return err
		}
	}
	return nil
}

// failingText counts what still is no event by reason.
func failingText(g *app.LetterGroup) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(g.Failing)) {
		parts = append(parts, strconv.Itoa(g.Failing[reason])+" "+reason)
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, ", ")
}

// runSummary is the last line.
func runSummary(g *app.LetterGroup, executed bool) string {
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+text)
		}
	}
	if executed {
		parts = append(parts, fmt.Sprintf("%d of %s published (%s)", g.Publishable, plural(g.Letters, "dead letter"), plural(g.Events, "event")))
		add(g.Known, "published before")
	} else {
		parts = append(parts, fmt.Sprintf("%d of %s would be published (%s)", g.Publishable, plural(g.Letters, "dead letter"), plural(g.Events, "event")))
		add(g.Known, "published already")
	}
	add(g.Resolved, "resolved before")
	add(failing(g), "still failing")
	text := strings.Join(parts, ", ")
	if !executed && g.Publishable+g.Known > 0 {
		text += "; to do it, add --execute"
	}
	return text
}
