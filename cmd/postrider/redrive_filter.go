package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/deadletter"
	"github.com/postrider/postrider/internal/normalize"
)

// letterFlags say which dead letters are meant.
type letterFlags struct {
	reasons, stages, providers, sources []string
	mappers                             []int
	from, to                            string
	all                                 bool
}

// register declares the flags.
func (f *letterFlags) register(c *cli, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.reasons, "reason", nil, "only dead letters of these reasons")
	fs.StringSliceVar(&f.stages, "stage", nil, "only of these stages: parse, normalize, validate, publish")
	fs.StringSliceVar(&f.providers, "provider", nil, "only of these providers")
	fs.StringSliceVar(&f.sources, "source", nil, "only requests to these sources")
	fs.IntSliceVar(&f.mappers, "mapper", nil, "only what these versions of a mapping gave up")
	fs.StringVar(&f.from, "from", "beginning", "only requests that came then or later: -2h or an RFC 3339 time")
	fs.StringVar(&f.to, "to", "now", "only requests that came before then")
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "provider", app.ProviderIDs)
	c.complete(cmd, "stage", letterStages)
}

// registerAll declares --all, where choosing nothing must be said.
func (f *letterFlags) registerAll(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "all", false, "every dead letter")
}

// letterStages are the stages at which an item becomes a dead letter.
func letterStages() []string {
	return []string{normalize.StageParse, normalize.StageNormalize, normalize.StageValidate, normalize.StagePublish}
}

// filter reads the flags and the places of single letters.
func (f *letterFlags) filter(c *cli, places []string) (deadletter.Filter, error) {
	out := deadletter.Filter{Reasons: f.reasons, Stages: f.stages, Providers: f.providers, Sources: f.sources, Mappers: f.mappers}
	if err := known("--stage", f.stages, letterStages()); err != nil {
		return out, err
	}
	if err := known("--provider", f.providers, app.ProviderIDs()); err != nil {
		return out, err
	}
	now := c.now()
	var err error
	if out.From, err = redriveTime("--from", f.from, now); err != nil {
		return out, err
	}
	if out.To, err = redriveTime("--to", f.to, now); err != nil {
		return out, err
	}
	if f.to == "now" {
		out.To = time.Time{} // what has come is meant, also by a clock that is ahead
	}
	if len(places) > 0 && (f.all || !out.All()) {
		return out, errors.New("redrive: name places, or filter, but not both")
	}
	for _, place := range places {
		at, err := readPlace(place)
		if err != nil {
			return out, fmt.Errorf("redrive: %w", err)
		}
		out.Places = append(out.Places, at)
	}
	return out, nil
}

// chosen is filter where choosing nothing is an error.
func (f *letterFlags) chosen(c *cli, places []string) (deadletter.Filter, error) {
	out, err := f.filter(c, places)
	switch {
	case err != nil:
		return out, err
	case f.all && !out.All():
		return out, errors.New("redrive: --all and a filter exclude each other")
	case !f.all && out.All():
		return out, errors.New("redrive: say which dead letters: their places, a filter, or --all")
	}
	return out, nil
}

// letters is what the subcommands work with.
type letters struct {
	cli     *cli
	config  *config.Config
	client  *broker.Client
	journal *deadletter.Journal
}

// withLetters connects, reads which letters are resolved and calls fn.
func (c *cli) withLetters(ctx context.Context, fn func(*letters) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	defer client.Close()
	t := cfg.Kafka.Topics
	journal, err := deadletter.OpenJournal(ctx, client, t.Replays(), t.Deadletter(), c.now)
	if err == nil {
		err = fn(&letters{cli: c, config: cfg, client: client, journal: journal})
	}
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	return nil
}

// scan reads the letters of a filter.
func (l *letters) scan(f deadletter.Filter, bar *letterBar) *deadletter.Scan {
	return &deadletter.Scan{
		Reader: l.client, Topic: l.config.Kafka.Topics.Deadletter(), Filter: f, Looked: bar.looked,
		Expired: func(gap *broker.OffsetGapError) { l.cli.noteExpired(gap.Log.First - gap.Offset) },
	}
}

// noteExpired says that retention was faster.
func (c *cli) noteExpired(n int64) {
	c.note("%s expired before being read", plural(int(n), "dead letter"))
}

// redriver makes a Redriver of the sources in force.
func (l *letters) redriver() (*app.Redriver, error) {
	compiled, err := l.cli.compiled(l.config)
	if err != nil {
		return nil, err
	}
	return app.NewRedriver(l.config, compiled, l.cli.now), nil
}

// letterBar is a progress bar whose length is known with the first record.
type letterBar struct {
	cli   *cli
	bar   progress
	begun bool
}

func (b *letterBar) looked(records, of int64) {
	if !b.begun {
		b.begun, b.bar = true, b.cli.recordsBar(of)
	}
	b.bar.at(records)
}

// stateOf is a letter's state in words.
func stateOf(how deadletter.How) string {
	if how == "" {
		return "open"
	}
	return string(how)
}
