package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	recipient                         string
	from                              string
	limit                             int
	raw, dead                         bool
}

// newTail is `postrider tail`.
func newTail(c *cli) *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events live, as they land in the topics",
		Long: `Show events as they land in the topics, from now on or from a moment in the past,
until Ctrl-C or --limit. It reads without a consumer group: nobody's offsets move.

As a table each line is one record: when the record was made, where it is, and
what it says. With --output json each line is the event as it is in the topic; of
the raw and the dead-letter topic it is an object with the record's place, key,
headers and value.`,
		Example: `  postrider tail
  postrider tail --type bounced --type inbound.received
  postrider tail --provider jetemail --from -10m
  postrider tail --recipient someone@example.com --from beginning
  postrider tail --topic email.bounced --from 2026-11-21T09:00:00Z --limit 10
  postrider tail --dead --from beginning
  postrider tail --output json | jq .bounce`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.tail(cmd.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.topics, "topic", nil, "these topics (default: every typed topic)")
	fs.StringSliceVar(&f.types, "type", nil, "only these types: canonical (bounced, inbound.received) or the provider's own")
	fs.StringSliceVar(&f.providers, "provider", nil, "only these providers")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources")
	fs.StringVar(&f.recipient, "recipient", "", "only events of this recipient (an address, or a recipient_hash)")
	fs.StringVar(&f.from, "from", "now", "where to begin: now, beginning, a time ago (-10m) or an RFC 3339 time")
	fs.IntVar(&f.limit, "limit", 0, "end after so many records (0: no end)")
	fs.BoolVar(&f.raw, "raw", false, "show the raw topic: requests as received")
	fs.BoolVar(&f.dead, "dead", false, "show the dead-letter topic")
	cmd.MarkFlagsMutuallyExclusive("topic", "raw", "dead")
	cmd.MarkFlagsMutuallyExclusive("raw", "type")
	cmd.MarkFlagsMutuallyExclusive("dead", "type")
	cmd.MarkFlagsMutuallyExclusive("raw", "recipient")
	cmd.MarkFlagsMutuallyExclusive("dead", "recipient")
	c.complete(cmd, "topic", c.topicNames)
	c.complete(cmd, "type", func() []string { return append(canonicalTypes(), providerTypes()...) })
	c.complete(cmd, "provider", app.ProviderIDs)
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "from", func() []string { return []string{"now", "beginning", "-10m", "-1h", "-24h"} })
	return cmd
}

// tail follows the topics until the command's context ends, which is no error.
func (c *cli) tail(ctx context.Context, f tailFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	start, err := parseStart(f.from, c.now())
	if err != nil {
		return err
	}
	topics, err := f.choose(cfg)
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	defer client.Close()
	out, left := newTailOutput(c, cfg), f.limit
	keep := newFilter(f)
	err = client.Follow(ctx, topics, start, func(m broker.Message) error {
		if !keep.takes(&m) {
			return nil
		}
		if err := out.message(&m); err != nil {
			return err
		}
		if left--; left == 0 {
			return broker.ErrStop
		}
		return nil
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err //nolint:wrapcheck // it says who it is
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
	var names []string
	typed := app.TopicNames(t).Typed
	for _, r := range event.Routes() {
		if name := typed[r]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
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

// filter decides which records are shown. What the headers say is asked first:
// most records are passed over without their value being read.
type filter struct {
	tailFlags

	decodes bool // a wanted type is a provider's word, which only the value holds
}

// newFilter makes the filter of the flags.
func newFilter(f tailFlags) *filter {
	canonical := canonicalTypes()
	own := func(word string) bool { return !slices.Contains(canonical, word) }
	return &filter{tailFlags: f, decodes: slices.ContainsFunc(f.types, own)}
}

// takes reports whether a record is to be shown.
func (f *filter) takes(m *broker.Message) bool {
	if !selected(f.providers, headerOf(m, "provider")) || !selected(f.sources, headerOf(m, "source")) {
		return false
	}
	word := typeWord(m)
	typed := selected(f.types, word)
	if f.recipient == "" && (typed || !f.decodes) {
		return typed
	}
	e, err := event.Decode(m.Value)
	if err != nil {
		return false
	}
	return (typed || selected(f.types, e.ProviderType)) && f.concerns(&e)
}

// concerns reports whether the event is about the wanted recipient.
func (f *filter) concerns(e *event.Event) bool {
	if f.recipient == "" || f.recipient == e.RecipientHash {
		return true
	}
	same := func(address string) bool { return strings.EqualFold(address, f.recipient) }
	return same(e.Recipient) || slices.ContainsFunc(e.Recipients, same)
}

// typeWord is the short name of a record's type, by its ce_type header; "" if
// it has none.
func typeWord(m *broker.Message) string {
	word, ok := strings.CutPrefix(headerOf(m, "ce_type"), "email.")
	word, v1 := strings.CutSuffix(word, ".v1")
	if !ok || !v1 {
		return ""
	}
	return word
}

// headerOf returns a record header's value; "" if there is none.
func headerOf(m *broker.Message, key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
