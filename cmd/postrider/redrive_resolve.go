package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/deadletter"
)

// newRedriveResolve is `postrider redrive resolve`.
func newRedriveResolve(c *cli) *cobra.Command {
	var f letterFlags
	var undo bool
	var by string
	cmd := &cobra.Command{
		Use:   "resolve PLACE... | filter | --all",
		Short: "Mark dead letters as resolved without publishing anything, or as open again",
		Long: `Mark dead letters as dismissed: nothing is published, and they are left out by
` + "`postrider redrive ls`" + ` and passed over by ` + "`postrider redrive run`" + `. --undo takes marks
away, also those of letters that were redriven. The letters themselves stay where
they are until retention takes them.

The marks stand in the topic of replays (kafka.topics.templates.replays), so that
they hold on every machine.`,
		Example: `  postrider redrive resolve email.deadletter/3/1841
  postrider redrive resolve --reason empty_body
  postrider redrive resolve --undo email.deadletter/3/1841`,
		RunE: func(cmd *cobra.Command, places []string) error {
			filter, err := f.chosen(c, places)
			if err != nil {
				return err
			}
			return c.withLetters(cmd.Context(), func(l *letters) error { return l.resolve(cmd.Context(), filter, undo, c.operator(by).By) })
		},
	}
	f.register(c, cmd)
	f.registerAll(cmd)
	cmd.Flags().BoolVar(&undo, "undo", false, "mark them as open again")
	cmd.Flags().StringVar(&by, "by", "", "who is to stand in the marks (default: user@host)")
	return cmd
}

// resolve marks letters.
func (l *letters) resolve(ctx context.Context, f deadletter.Filter, undo bool, by string) error {
	if err := app.EnsureReplays(ctx, l.config, l.client); err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	p := app.NewMarker(l.config, l.client, zap.NewNop(), l.cli.now)
	bar := &letterBar{cli: l.cli}
	n := 0
	err := l.scan(f, bar).Each(ctx, func(letter *deadletter.Letter) error {
		if (l.journal.How(letter) != "") != undo {
			return nil
		}
		n++
		if undo {
			l.journal.Reopen(letter)
		} else if err := l.journal.Resolve(letter, deadletter.Dismissed, by, nil); err != nil {
			return err
		}
		if l.journal.Pending() < deadletter.FlushTogether {
			return nil
		}
		return l.journal.Flush(ctx, p)
	})
	bar.bar.end()
	if err == nil {
		err = l.journal.Flush(ctx, p)
	}
	if err = errors.Join(err, p.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	return l.printResolved(n, undo)
}

// printResolved tells what was marked.
func (l *letters) printResolved(n int, undo bool) error {
	if l.cli.json() {
		_, err := fmt.Fprintf(l.cli.out, `{"marked":%d,"undo":%t}`+"\n", n, undo)
		return err //nolint:wrapcheck // standard output
	}
	text := plural(n, "dead letter") + " marked as resolved"
	if undo {
		text = plural(n, "dead letter") + " marked as open again"
	}
	_, err := fmt.Fprintln(l.cli.out, text)
	return err //nolint:wrapcheck // standard output
}
