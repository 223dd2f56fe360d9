package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/internal/trace"
	"github.com/postrider/postrider/pkg/event"
)

// traceFlags are what `postrider trace` is told.
type traceFlags struct {
	message                                     string // the argument
	recipient, eventID, smtpMessageID, customer string
	providers, sources                          []string
	from, to                                    string
	scan, all                                   bool
}

// newTrace is `postrider trace`.
func newTrace(c *cli) *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace [MESSAGE-ID]",
		Short: "Tell what became of one message, across topics and providers",
		Long: `Tell one message's story from the topics: every event of it in the order in which
they happened, the time between them, where each record is, the requests they came
with, what of those requests became dead letters, and where the message stands now.
It reads without a consumer group and changes nothing. Exit code 1 if nothing is found.

By message id (the argument) it reads one partition a topic: the one that the key
provider/source/message_id of each configured source lives in. So it is fast, and
sees only what was published since the topic has as many partitions as now, under
the present names of the sources and with kafka.topics.key as it is: --scan reads
every partition, and also looks through the dead letters for those that name the
message. By --event-id it tells the story of the message that the event belongs to.
Everything else reads whole topics, with progress: --recipient (an address, or a
recipient_hash; where a pepper is configured the address's hash is looked for too, of
its letters as typed and in lower case), --smtp-message-id, which joins what several providers say of one message, and
--customer-ref. kafka.topics.key: recipient makes --recipient the fast one, event
--event-id. Where a message has several recipients each has a story of its own;
--recipient beside the message id tells one.

The window is about when records were made: by default all that
kafka.topics.retention.typed keeps. Records of the window that are deleted already
are told. Copies by replays and repeats are told with their event; --all lists them.`,
		Example: `  postrider trace 4f1c0a2e-8f4e-4f0e-9d3c-0a6a1a2b3c4d
  postrider trace 4f1c0a2e --recipient someone@example.com
  postrider trace --recipient someone@example.com --from -2d
  postrider trace --event-id c677cee09e04e08cc97c635766b11fb0 --all
  postrider trace --smtp-message-id "<20261121.1@example.com>" --scan
  postrider trace 4f1c0a2e --output json | jq -r .stories[].headline`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.message = args[0]
			}
			return c.trace(cmd.Context(), f)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.register(c, cmd)
	return cmd
}

// register declares the flags.
func (f *traceFlags) register(c *cli, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.recipient, "recipient", "", "the messages to this address, or recipient_hash; beside a message id: only that recipient")
	fs.StringVar(&f.eventID, "event-id", "", "the message that the event with this id belongs to")
	fs.StringVar(&f.smtpMessageID, "smtp-message-id", "", "the message with this Message-ID, whatever the provider")
	fs.StringVar(&f.customer, "customer-ref", "", "the messages with this reference of the sender's own")
	fs.StringSliceVar(&f.providers, "provider", nil, "only these providers")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources; beside one --provider also one that is configured no more")
	fs.StringVar(&f.from, "from", "", "where the window begins: beginning, a time ago (-2h, -3d), a date or an RFC 3339 time (default: as long as typed topics keep records)")
	fs.StringVar(&f.to, "to", "now", "where the window ends")
	fs.BoolVar(&f.scan, "scan", false, "read every partition, look for requests far from their time, and look through dead letters")
	fs.BoolVar(&f.all, "all", false, "list every copy of an event")
	for _, other := range []string{"recipient", "smtp-message-id", "customer-ref"} {
		exclusive(cmd, "event-id", other)
	}
	exclusive(cmd, "recipient", "smtp-message-id", "customer-ref")
	c.complete(cmd, "provider", app.ProviderIDs)
	c.complete(cmd, "source", c.sourceNames)
	c.complete(cmd, "from", func() []string { return []string{"beginning", "-1h", "-24h", "-7d"} })
	c.complete(cmd, "to", func() []string { return []string{"now", "-1h", "-24h"} })
	for _, free := range []string{"recipient", "event-id", "smtp-message-id", "customer-ref"} {
		c.complete(cmd, free, func() []string { return nil })
	}
}

// trace tells a message's story.
func (c *cli) trace(ctx context.Context, f traceFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	q, err := c.traceQuery(cfg, &f)
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	defer client.Close()
	var bar progress
	names := app.TopicNames(cfg.Kafka.Topics)
	res, err := trace.New(trace.Options{
		Store:  client,
		Topics: trace.Topics{Typed: typedTopics(cfg.Kafka.Topics), Raw: names.Raw, Deadletter: names.Deadletter, Key: cfg.Kafka.Topics.Key},
		Hash:   hasher(cfg),
		Plan: func(records int64, whole bool) {
			if whole {
				c.note("%s", f.whole(cfg, records))
			}
			bar.end()
			bar = c.recordsBar(records)
		},
		Progress: func(records int64) { bar.at(records) },
	}).Trace(ctx, q)
	bar.end()
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	return (&traceOutput{cli: c, flags: &f, res: res, requests: requestNumbers(res), hashed: hasher(cfg) != nil}).tell()
}

// check refuses what is no question.
func (f *traceFlags) check() error {
	given := 0
	for _, s := range []string{f.message, f.eventID, f.smtpMessageID, f.customer} {
		if s != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("trace: say one thing to look for: a message id, --event-id, --smtp-message-id or --customer-ref")
	case given == 0 && f.recipient == "":
		return errors.New("trace: say what to look for: a message id, --recipient, --event-id, --smtp-message-id or --customer-ref")
	case f.recipient != "" && event.NormalizeAddress(f.recipient) == "":
		return errors.New("trace: --recipient holds no address")
	}
	return nil
}

// whole says why whole topics are read.
func (f *traceFlags) whole(cfg *config.Config, records int64) string {
	why := "--scan asks for it"
	if !f.scan {
		why = "with kafka.topics.key: " + cfg.Kafka.Topics.Key + " nothing tells which partition holds it"
	}
	return fmt.Sprintf("reading whole topics, %s: %s", plural(int(records), "record"), why)
}

// traceQuery reads the flags.
func (c *cli) traceQuery(cfg *config.Config, f *traceFlags) (trace.Query, error) {
	q := trace.Query{
		MessageID: f.message, EventID: f.eventID, SMTPMessageID: f.smtpMessageID, CustomerRef: f.customer,
		Scan: f.scan, Narrow: len(f.providers)+len(f.sources) > 0,
	}
	q.Recipient, q.Hashes = recipients(cfg, f.recipient)
	var err error
	if q.Sources, err = c.traceSources(cfg, f); err != nil {
		return q, err
	}
	from := cmp.Or(f.from, "beginning")
	if kept := cfg.Kafka.Topics.Retention.Typed; f.from == "" && kept > 0 {
		from = "-" + kept.String()
	}
	now := c.now()
	if q.From, err = traceTime("--from", from, now); err != nil {
		return q, err
	}
	if q.To, err = traceTime("--to", f.to, now); err != nil {
		return q, err
	}
	if f.to == "now" {
		q.To = time.Time{} // clocks differ; the end is where the topics end
	} else if !q.From.Before(q.To) {
		return q, fmt.Errorf("trace: the window from %s to %s is empty", q.From.UTC().Format(time.RFC3339), q.To.UTC().Format(time.RFC3339))
	}
	return q, nil
}

// hasher makes recipient_hash values; nil without a pepper.
func hasher(cfg *config.Config) func(string) string {
	pepper := []byte(cfg.PII.Pepper.Reveal())
	if len(pepper) == 0 {
		return nil
	}
	return func(address string) string { return normalize.RecipientHash(pepper, address) }
}

// recipients are the address that is looked for, and the hashes: of the address as
// it was typed and in lower case, since a hash knows no letter case.
func recipients(cfg *config.Config, typed string) (address string, hashes []string) {
	if regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(typed) {
		return "", []string{typed}
	}
	hash := hasher(cfg)
	if typed == "" || hash == nil {
		return typed, nil
	}
	return typed, slices.Compact([]string{hash(typed), hash(strings.ToLower(typed))})
}

// traceSources are the sources that the message may have come to.
func (c *cli) traceSources(cfg *config.Config, f *traceFlags) ([]trace.Source, error) {
	if err := known("trace: --provider", f.providers, app.ProviderIDs()); err != nil {
		return nil, err
	}
	compiled, err := c.compiled(cfg)
	if err != nil {
		return nil, err
	}
	var list []trace.Source
	there := names(compiled)
	for _, s := range compiled {
		if selected(f.providers, s.Config.Provider) && selected(f.sources, s.Config.Name) {
			list = append(list, trace.Source{Provider: s.Config.Provider, Name: s.Config.Name})
		}
	}
	for _, name := range f.sources {
		if slices.Contains(there, name) {
			continue
		}
		if len(f.providers) != 1 {
			return nil, fmt.Errorf("%w; of a source that is configured no more say the --provider too", known("trace: --source", []string{name}, there))
		}
		list = append(list, trace.Source{Provider: f.providers[0], Name: name})
	}
	if len(list) == 0 {
		return nil, errors.New("trace: no source is of that --provider")
	}
	return list, nil
}

// traceTime reads a bound of the window.
func traceTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "beginning" {
		return time.Time{}, nil
	}
	at, err := selection.ParseTime(text, now, time.UTC)
	if err != nil {
		return at, fmt.Errorf("trace: %s: %w, or beginning", flag, err)
	}
	return at, nil
}
