package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

// redriveFlags are what `postrider redrive` is told without a subcommand.
type redriveFlags struct {
	letterFlags

	quarantine bool
	execute    bool
	each       bool
	resolved   bool
}

// newRedrive is `postrider redrive` with its subcommands.
func newRedrive(c *cli) *cobra.Command {
	var f redriveFlags
	cmd := &cobra.Command{
		Use:   "redrive",
		Short: "Take dead letters, or refused requests, through again and publish what holds",
		Long: `Without a subcommand, list the dead letters, as ` + "`postrider redrive ls`" + ` does.

With --quarantine, take the requests of the quarantine through the proof of their
source once more, with the secrets of now and by the time at which they came: after
a wrong secret of ours has been corrected, this brings back what was refused
meanwhile.

Without --execute it only says what would be done. With it, requests that hold are
published to their topics, each source's in the order in which they came, and are
not published by a second run; a run that was interrupted goes on where it ended.
Requests that still do not hold stay until their time in the quarantine is over.
A receiver may run meanwhile; the embedded broker is only there while one does.
Exit code 1 if a request that holds could not be published.`,
		Example: `  postrider redrive
  postrider redrive show email.deadletter/3/1841
  postrider redrive run --reason missing_type --execute
  postrider redrive --quarantine
  postrider redrive --quarantine --execute
  postrider redrive --quarantine --source jetemail --from -2h --execute`,
		Args: onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.redrive(cmd, f) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.quarantine, "quarantine", false, "redrive what lies in the quarantine, instead of listing dead letters")
	fs.BoolVar(&f.execute, "execute", false, "with --quarantine: publish, instead of saying what would be published")
	f.register(c, cmd)
	registerList(cmd, &f.each, &f.resolved)
	cmd.AddCommand(newRedriveList(c), newRedriveShow(c), newRedriveExport(c), newRedriveRun(c), newRedriveResolve(c))
	return cmd
}

// redrive lists dead letters, or deals with the quarantine.
func (c *cli) redrive(cmd *cobra.Command, f redriveFlags) error {
	if !f.quarantine {
		if f.execute {
			return errors.New("redrive: --execute goes with --quarantine; dead letters are redriven by `postrider redrive run`")
		}
		return c.redriveList(cmd.Context(), f.letterFlags, nil, f.each, f.resolved)
	}
	for _, flag := range []string{"reason", "stage", "provider", "mapper", "each", "resolved"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("redrive: --%s is about dead letters, not about the quarantine", flag)
		}
	}
	return c.redriveQuarantine(cmd.Context(), f)
}

// redriveQuarantine says what would be published, or publishes it.
func (c *cli) redriveQuarantine(ctx context.Context, f redriveFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	r, err := c.newRedrive(cfg, f)
	if err != nil {
		return err
	}
	if err := r.look(); err != nil {
		return err
	}
	if f.execute && r.total.Provable > 0 {
		err = c.executeRedrive(ctx, r)
	}
	return errors.Join(r.print(f.execute), err)
}

// redrive is one run of the command.
type redrive struct {
	cli      *cli
	dir      string
	sources  []string // --source
	from, to time.Time
	redriver *app.Redriver
	config   *config.Config

	rows    []*redriveRow // in the order of the quarantine
	total   redriveRow
	damaged int
}

// newRedrive reads the flags and compiles the sources.
func (c *cli) newRedrive(cfg *config.Config, f redriveFlags) (*redrive, error) {
	compiled, err := c.compiled(cfg)
	if err != nil {
		return nil, err
	}
	if err := known("--source", f.sources, names(compiled)); err != nil {
		return nil, err
	}
	now := c.now()
	r := &redrive{cli: c, dir: cfg.Quarantine.Dir, sources: f.sources, config: cfg, redriver: app.NewRedriver(cfg, compiled, c.now)}
	if r.from, err = redriveTime("--from", f.from, now); err != nil {
		return nil, err
	}
	if r.to, err = redriveTime("--to", f.to, now); err != nil {
		return nil, err
	}
	return r, nil
}

// redriveTime reads a bound of the selection.
func redriveTime(flag, text string, now time.Time) (time.Time, error) {
	at, err := moment(flag, text, now)
	if err != nil {
		return at, fmt.Errorf("redrive: %s %q: write now, beginning, a time ago as -2h, or a time as %s",
			flag, text, now.UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	return at, nil
}

// redriveRow is what the quarantine holds of one source.
type redriveRow struct {
	Source    string         `json:"source"`
	Requests  int            `json:"requests"`
	Redriven  int            `json:"redriven"`          // by an earlier run
	Provable  int            `json:"provable"`          // of the others, those that hold now
	Failing   map[string]int `json:"failing,omitempty"` // and those that do not, by reason
	Published int            `json:"published"`         // by this run
	Known     int            `json:"known"`             // held, and were published by a receiver in the meantime
	From      *time.Time     `json:"from,omitempty"`    // when the first came
	To        *time.Time     `json:"to,omitempty"`      // and the last
}

// each calls fn with the selected entries. Lines that cannot be read are counted.
func (r *redrive) each(fn func(*quarantine.Entry) error) error {
	for e, err := range quarantine.Read(r.dir) {
		if _, ok := errors.AsType[*quarantine.DamagedError](err); ok {
			r.damaged++
			continue
		}
		if err != nil {
			return err //nolint:wrapcheck // it says who it is
		}
		at := e.Request.ReceivedAt
		if !selected(r.sources, e.Source) || at.Before(r.from) || !at.Before(r.to) {
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// look counts what there is and what would hold.
func (r *redrive) look() error {
	return r.each(func(e *quarantine.Entry) error {
		row := r.row(e.Source)
		row.add(e)
		if e.Redriven {
			row.Redriven++
			return nil
		}
		if _, err := r.redriver.Prove(e); err != nil {
			row.fail(err)
			return nil
		}
		row.Provable++
		r.total.Provable++
		return nil
	})
}

// row returns a source's row.
func (r *redrive) row(source string) *redriveRow {
	for _, row := range r.rows {
		if row.Source == source {
			return row
		}
	}
	row := &redriveRow{Source: source, Failing: make(map[string]int)}
	r.rows = append(r.rows, row)
	return row
}

// add counts an entry.
func (row *redriveRow) add(e *quarantine.Entry) {
	row.Requests++
	at := e.Request.ReceivedAt
	if row.From == nil || at.Before(*row.From) {
		row.From = &at
	}
	if row.To == nil || at.After(*row.To) {
		row.To = &at
	}
}

// fail counts an entry that does not hold.
func (row *redriveRow) fail(err error) {
	reason := "unknown_source"
	if refused, ok := errors.AsType[*webhook.RefusedError](err); ok {
		reason = string(refused.Reason)
	}
	row.Failing[reason]++
}

// executeRedrive publishes what holds. Nothing overtakes a request that could not
// be published: the run ends there, and the next one begins with it.
func (c *cli) executeRedrive(ctx context.Context, r *redrive) error {
	client, err := c.kafka(ctx, r.config)
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	defer client.Close()
	if err := r.redriver.Connect(ctx, client, zap.NewNop()); err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	bar := c.recordsBar(int64(r.total.Provable))
	defer bar.end()
	r.damaged = 0
	err = r.each(func(e *quarantine.Entry) error {
		if e.Redriven {
			return nil
		}
		published, err := r.publish(ctx, e)
		if published {
			bar.step()
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("redrive: %w; run the same command again to go on", err)
	}
	return errors.Join(err, r.redriver.Close(context.WithoutCancel(ctx)))
}

// publish publishes one entry, if it holds, and marks it.
func (r *redrive) publish(ctx context.Context, e *quarantine.Entry) (bool, error) {
	v, err := r.redriver.Prove(e)
	if err != nil {
		return false, nil //nolint:nilerr // it stays where it is, and was counted
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("interrupted: %w", err)
	}
	row := r.row(e.Source)
	known, err := r.redriver.Publish(ctx, e, v)
	if refused, ok := errors.AsType[*webhook.RefusedError](err); ok {
		row.Provable--
		r.total.Provable--
		row.Failing[string(refused.Reason)]++
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", e.Place(), err)
	}
	if known {
		row.Known++
		r.total.Known++
	} else {
		row.Published++
		r.total.Published++
	}
	return true, quarantine.Mark(r.dir, e) //nolint:wrapcheck // it says who it is
}
