package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/sender"
	"github.com/postrider/postrider/pkg/event"
)

// tailFlags are what `postrider tail` is told.
type tailFlags struct {
	topics, types, providers, sources []string
	recipient, message, id            string
	from                              string // "": now, or with noFollow the beginning
	limit                             int
	raw, dead, noFollow               bool
}

// newTail is `postrider tail`.
func newTail(c *cli) *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events live, as they land in the topics",
		Long: `Show events as they land in the topics, from now on or from a moment in the past,
until Ctrl-C or --limit. With --no-follow it shows what is there already, in the
order of time, and ends. It reads without a consumer group: nobody's offsets move.

As a table each line is one record: when the record was made, where it is, and
what it says. With --output json each line is the event as it is in the topic; of
the raw and the dead-letter topic it is an object with the record's topic,
partition, offset, time, key, headers (a list where one came several times) and
value: a dead letter's as an object, a raw request's body as text byte for byte,
or as value_base64 if it is not UTF-8.

Order: Kafka keeps the order within a partition only. While it follows, records of
different partitions come as they are read, which for the past is not the order of
time.`,
		Example: `  postrider tail
  postrider tail --type bounced --type inbound.received
  postrider tail --provider jetemail --from -10m
  postrider tail --message 4f1c0a --no-follow            what became of one message
  postrider tail --topic email.bounced --from 2026-11-21T09:00:00Z --limit 10
  postrider tail --dead --no-follow
  postrider tail --no-follow --type bounced --output json | jq -r .recipient
  postrider tail --no-follow --type complained --output json | wc -l
  postrider tail --dead --no-follow --output json | jq -r '.value.body | @base64d'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.tail(cmd.Context(), f) },
	}
	f.register(c, cmd)
	return cmd
}

// register declares the flags.
func (f *tailFlags) register(c *cli, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.topics, "topic", nil, "these topics (default: every typed topic)")
	fs.StringSliceVar(&f.types, "type", nil, "only these types: canonical (bounced, inbound.received) or the provider's own")
	fs.StringSliceVar(&f.providers, "provider", nil, "only these providers")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources")
	fs.StringVar(&f.recipient, "recipient", "", "only events of this recipient (an address, or a recipient_hash)")
	fs.StringVar(&f.message, "message", "", "only events of the message with this message_id")
	fs.StringVar(&f.id, "id", "", "only the event with this id; of --raw and --dead: the request with this raw_id")
	fs.StringVar(&f.from, "from", "", "where to begin: now, beginning, a time ago (-10m) or an RFC 3339 time (default now; with --no-follow beginning)")
	fs.IntVar(&f.limit, "limit", 0, "end after so many records (0: no end)")
	fs.BoolVar(&f.noFollow, "no-follow", false, "show what is there already, in the order of time, and end")
	fs.BoolVar(&f.raw, "raw", false, "show the raw topic: requests as received")
	fs.BoolVar(&f.dead, "dead", false, "show the dead-letter topic")
	exclusive(cmd, "topic", "raw", "dead")
	for _, special := range []string{"raw", "dead"} {
		for _, flag := range []string{"type", "recipient", "message"} {
			exclusive(cmd, special, flag)
		}
	}
	c.complete(cmd, "topic", c.topicNames)
	c.complete(cmd, "type", knownTypes)
	c.complete(cmd, "provider", app.ProviderIDs)
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "from", func() []string { return []string{"now", "beginning", "-10m", "-1h", "-24h"} })
}

// tail shows records until the command's context ends, which is no error.
func (c *cli) tail(ctx context.Context, f tailFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if f.from == "" && f.noFollow {
		f.from = "beginning"
	}
	start, err := parseStart(f.from, c.now())
	if err != nil {
		return err
	}
	topics, err := f.choose(cfg)
	if err != nil {
		return err
	}
	if err := c.checkFilters(cfg, &f); err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	defer client.Close()
	ctx, stop := c.untilUnread(ctx)
	defer stop()
	keep, show := newFilter(f), shower(f.limit, newTailOutput(c, cfg).message)
	if f.noFollow {
		h := &history{store: client, takes: keep.takes, show: show, note: c.note, limit: f.limit}
		err = h.run(ctx, topics, start)
	} else {
		err = client.Follow(ctx, topics, start, func(m broker.Message) error {
			if !keep.takes(&m) {
				return nil
			}
			return show(&m)
		})
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err //nolint:wrapcheck // it says who it is
}

// shower returns a function that shows a record and, after limit of them (0: no
// limit) or when nobody reads them any more, returns broker.ErrStop.
func shower(limit int, show func(*broker.Message) error) func(*broker.Message) error {
	return func(m *broker.Message) error {
		err := show(m)
		limit--
		if errors.Is(err, syscall.EPIPE) || err == nil && limit == 0 {
			return broker.ErrStop
		}
		return err
	}
}

// note tells a person something that is no error and no output.
func (c *cli) note(format string, args ...any) {
	fmt.Fprintf(c.errOut, "note: "+format+"\n", args...)
}

// checkFilters refuses what can match nothing. A type that is not known can: a
// provider may have made it up yesterday.
func (c *cli) checkFilters(cfg *config.Config, f *tailFlags) error {
	if f.limit < 0 {
		return errors.New("tail: --limit is at least 0")
	}
	if err := known("tail: --provider", f.providers, app.ProviderIDs()); err != nil {
		return err
	}
	types := knownTypes()
	for _, t := range f.types {
		if slices.Contains(types, t) {
			continue
		}
		hint := ""
		if near := config.Nearest(t, types); near != "" {
			hint = "; did you mean " + near + "?"
		}
		c.note("no provider has a type %q%s", t, hint)
	}
	if len(f.sources) == 0 {
		return nil
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return err
	}
	return known("tail: --source", f.sources, names(compiled))
}

// choose lists the topics to follow.
func (f *tailFlags) choose(cfg *config.Config) ([]string, error) {
	t := cfg.Kafka.Topics
	switch {
	case f.raw:
		return []string{t.Raw()}, nil
	case f.dead:
		return []string{t.Deadletter()}, nil
	case len(f.topics) > 0:
		return f.topics, known("tail: --topic", f.topics, configuredTopics(cfg))
	}
	return typedTopics(t), nil
}

// typedTopics are the topics of events, each once.
func typedTopics(t config.Topics) []string {
	var names []string
	typed := app.TopicNames(t).Typed
	for _, r := range event.Routes() {
		if name := typed[r]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// configuredTopics are the names of every topic of the configuration.
func configuredTopics(cfg *config.Config) []string {
	specs := app.TopicSpecs(cfg.Kafka, cfg.EmbeddedBroker())
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	return names
}

// topicNames is configuredTopics for completion.
func (c *cli) topicNames() []string {
	cfg, err := c.load()
	if err != nil {
		return nil
	}
	return configuredTopics(cfg)
}

// canonicalTypes are the short names of all routes.
func canonicalTypes() []string {
	var words []string
	for _, r := range event.Routes() {
		words = append(words, sender.RouteWord(r))
	}
	return words
}

// knownTypes are the words for types: canonical ones and providers' own.
func knownTypes() []string { return append(canonicalTypes(), providerTypes()...) }

// parseStart reads --from.
func parseStart(from string, now time.Time) (broker.Start, error) {
	switch from {
	case "", "now":
		return broker.Start{}, nil
	case "beginning":
		return broker.Start{First: true}, nil
	}
	if ago, err := time.ParseDuration(strings.TrimPrefix(from, "-")); err == nil {
		return broker.Start{Time: now.Add(-ago.Abs())}, nil
	}
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		return broker.Start{}, fmt.Errorf("tail: --from %q: write now, beginning, a time ago as -10m, or a time as %s",
			from, now.UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	return broker.Start{Time: at}, nil
}
