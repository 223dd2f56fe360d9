package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// auditFlags are what `postrider audit` is told.
type auditFlags struct{ from, to string }

// newAudit is `postrider audit`.
func newAudit(c *cli) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check from the topics that everything accepted is whole",
		Long: `Check from the topics alone that every accepted request is whole: that all its
events and dead letters are there, and that each of them has its request. It reads
the raw, the typed and the dead-letter topics over a window of time, up to where
they end when it begins, and what the local spool still holds. It changes nothing
and moves nobody's offsets. Exit code 1 if something is missing.

Findings:
  incomplete   a request lacks events or dead letters
  orphaned     events or dead letters lack their request in the raw topic
  duplicate    an event is there again and not marked; consumers drop it by its id
  surplus      a request has more than it says
  unreadable   a record is none of ours, or damaged
The first two are what is missing. A request that a crash cut short before it was
answered looks like that, too, until its provider sends it again. Not findings, but counted: a request whose
provider sent it again and whose second copy is whole (explained); what is in the
spool (spooled); what is being received (in progress); what a version published
that did not count, or whose other records retention may have taken (uncheckable).

All records of a request carry the time at which it was received, which is what
--from and --to are about. What was spooled is published late, so all that came
after the window's beginning is read, however early its end. Memory: about 120
bytes a request and 50 an event.`,
		Example: `  postrider audit
  postrider audit --from -1h
  postrider audit --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z
  postrider audit --from beginning --output json | jq .total
  postrider audit --output json | jq -r '.findings[] | select(.kind == "incomplete") | .raw_id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.audit(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.from, "from", "-24h", "where the window begins: beginning, a time ago (-24h) or an RFC 3339 time")
	cmd.Flags().StringVar(&f.to, "to", "now", "where the window ends: now, a time ago (-1h) or an RFC 3339 time")
	c.complete(cmd, "from", func() []string { return []string{"-1h", "-24h", "-168h", "beginning"} })
	c.complete(cmd, "to", func() []string { return []string{"now", "-1h", "-24h"} })
	return cmd
}

// audit audits what the flags say and tells what it found.
func (c *cli) audit(ctx context.Context, f auditFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	o, err := f.options(cfg, c.now())
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer client.Close()
	a := audit.New(o)
	spooled, err := auditSpool(a, cfg) // first: what leaves the spool meanwhile is in the topics then
	if err != nil {
		return err
	}
	reader := &auditReader{store: client, now: c.now(), note: c.note}
	if err := reader.plan(ctx, cfg.Kafka.Topics, o.From); err != nil {
		return err
	}
	a.Kept(reader.rawKept, reader.typedKept)
	if err := reader.run(ctx, a, c.recordsBar(reader.records)); err != nil {
		return err
	}
	return c.printAudit(&auditOutcome{a.Report(), spooled})
}

// options reads the window.
func (f *auditFlags) options(cfg *config.Config, now time.Time) (audit.Options, error) {
	o := audit.Options{Settled: now.Add(-slowest(cfg)), Repeating: map[string]bool{}}
	for _, s := range cfg.Sources {
		o.Repeating[s.Name] = s.Dedupe == "mark" || s.Dedupe == "off"
	}
	var err error
	if o.From, err = moment("--from", f.from, now); err != nil {
		return o, err
	}
	if o.To, err = moment("--to", f.to, now); err != nil {
		return o, err
	}
	if !o.From.Before(o.To) {
		return o, fmt.Errorf("audit: the window from %s to %s is empty", o.From.UTC().Format(time.RFC3339), o.To.UTC().Format(time.RFC3339))
	}
	return o, nil
}

// slowest is how long after a request's headers its last record can be published:
// its body may take as long as server.read_timeout, the publishing
// kafka.publish.budget, and what comes on top is for two clocks and the spool's disk.
func slowest(cfg *config.Config) time.Duration {
	return cfg.Server.ReadTimeout + cfg.Kafka.Publish.Budget + 5*time.Second
}

// moment reads a time: now, beginning, a time ago (-24h) or an RFC 3339 time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	switch text {
	case "now":
		return now, nil
	case "beginning":
		return time.Time{}, nil
	}
	start, err := parseStart(text, now)
	if err != nil || start == (broker.Start{}) {
		return time.Time{}, fmt.Errorf("audit: %s %q: write now, beginning, a time ago as -24h, or a time as %s",
			flag, text, now.UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	return start.Time, nil
}
