package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// Exit codes of replays beside 0 and 1.
const (
	exitUsage       = 2   // the request makes no sense
	exitGaps        = 3   // planned or done, but records were not in the log any more, or the target refused some
	exitInterrupted = 130 // stopped by a signal; what shells say of SIGINT
)

// replayFlags are what `postrider replay` is told.
type replayFlags struct {
	topics, providers, sources, types     []string
	recipients, messages, events, headers []string
	partitions                            []int
	fromOffsets, toOffsets                []string
	from, to, where                       string
	late                                  time.Duration
	limit                                 int64
	all, replayed                         bool
	target, toTopic, url, file            string
	secretFiles, allow                    []string
	fromFile                              string
	mark                                  bool
	rate                                  float64
	speed                                 string
	maxInFlight, maxHops                  int
	count, execute, yes, sameTopic, goOn  bool
	plan, resume                          string
	reason, by                            string
}

// newReplay is `postrider replay`.
func newReplay(c *cli) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Publish or deliver records of the topics again",
		Long: `Choose records of the topics and send them again: to another topic, to those they
are from, to an HTTP endpoint, to a file or a pipe; or take raw requests through the
mapping of today (renormalize). Without --execute it only plans: it says which
records there are, how many are meant and what would happen, and writes nothing.

Selectors all have to hold; of several values of one any will do. At least one is
needed beside --topic; everything is --all. --from and --to are times of records: now,
-2h, -7d, 2026-11-21, 2026-11-21T09:30 (UTC), RFC 3339. --where is an expression on
the fields of events, as in bounce.class == "hard" and "news" in tags.

The end is fixed when it is planned, so that a replay into its own topic ends. Copies
keep key, value and headers, and carry the headers replay-id, replay-of, replay-at,
replay-by, replay-reason, replay-timestamp and replay-hops; their time is now. No
consumer group is joined and no offset is committed.

A run can be interrupted (Ctrl-C) and goes on with --resume, without a gap; see
` + "`postrider replay ls`" + `. Exit codes: 0 done, 1 error, 2 wrong request, 3 planned or
done but with gaps in the log or records that the target refused (--go-on), 130 interrupted.`,
		Example: `  postrider replay --topic email.bounced --from -2h --to-topic email.bounced.again
  postrider replay --topic email.bounced --from -2h --to-topic email.bounced.again --execute
  postrider replay --where "bounce.class == 'hard'" --from -7d --target stdout --execute | jq -r .key
  postrider replay --topic "email.*" --source jetemail --from 2026-11-21 --target crm --rate 50 --execute
  postrider replay --target renormalize --provider cmcom --from -1d --count
  postrider replay --topic email.raw --all --file raw.jsonl.zst --execute
  postrider replay --from-file raw.jsonl.zst --to-topic email.raw.copy --execute
  postrider replay --topic email.clicked --all --target crm --output json > plan.json
  postrider replay --plan plan.json --execute
  postrider replay --resume 019a1b2c`,
		Args: onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.replay(cmd, &f) },
	}
	f.register(c, cmd)
	cmd.AddCommand(newReplayList(c), newReplayShow(c), newReplayCancel(c))
	tellMisuse(cmd)
	return cmd
}

// register declares the flags.
func (f *replayFlags) register(c *cli, cmd *cobra.Command) {
	f.registerSelectors(cmd)
	f.registerTarget(cmd)
	f.registerRun(cmd)
	exclusive(cmd, "to-topic", "url", "file")
	for _, flag := range requestFlags() {
		exclusive(cmd, "plan", flag)
	}
	for _, flag := range append(requestFlags(), "plan", "count", "execute", "yes") {
		exclusive(cmd, "resume", flag)
	}
	c.completeReplay(cmd)
}

// requestFlags are the flags that say what a plan is about.
func requestFlags() []string {
	return []string{
		"topic", "from", "to", "late", "from-offset", "to-offset", "partition", "provider", "source", "type", "recipient", "message-id",
		"event-id", "header", "where", "limit", "all", "include-replayed", "target", "to-topic", "url", "file", "secret-file", "allow",
		"from-file", "mark", "rate", "speed", "max-in-flight", "reason", "by", "allow-same-topic", "max-hops", "go-on",
	}
}

func (f *replayFlags) registerSelectors(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringSliceVar(&f.topics, "topic", nil, "these topics, by name or pattern (email.*); default: those of events, for renormalize that of raw requests")
	fs.StringVar(&f.from, "from", "", "records of this time or later")
	fs.StringVar(&f.to, "to", "", "records before this time")
	fs.DurationVar(&f.late, "late", 0, "read only so long beyond --to, not to the end: no record lies further behind its time (10m)")
	fs.StringArrayVar(&f.fromOffsets, "from-offset", nil, "a partition from this offset, PARTITION:OFFSET or TOPIC/PARTITION:OFFSET; partitions not named are left out")
	fs.StringArrayVar(&f.toOffsets, "to-offset", nil, "a partition up to, but without this offset")
	fs.IntSliceVar(&f.partitions, "partition", nil, "only these partitions")
	fs.StringSliceVar(&f.providers, "provider", nil, "only these providers")
	fs.StringSliceVar(&f.sources, "source", nil, "only these sources")
	fs.StringSliceVar(&f.types, "type", nil, "only these types: bounced, inbound.received")
	fs.StringArrayVar(&f.recipients, "recipient", nil, "only events of this recipient (an address, or a recipient_hash)")
	fs.StringArrayVar(&f.messages, "message-id", nil, "only events of the message with this message_id")
	fs.StringArrayVar(&f.events, "event-id", nil, "only the event with this id, or the raw request")
	fs.StringArrayVar(&f.headers, "header", nil, "only records with this header, NAME=VALUE")
	fs.StringVar(&f.where, "where", "", "only records for which this expression is true")
	fs.Int64Var(&f.limit, "limit", 0, "at most so many records, the earliest (0: no limit)")
	fs.BoolVar(&f.all, "all", false, "everything in the topics")
	fs.BoolVar(&f.replayed, "include-replayed", false, "also copies that an earlier replay made")
	fs.StringVar(&f.fromFile, "from-file", "", "records of this file (written by --file) in place of topics, as they were")
	fs.BoolVar(&f.mark, "mark", false, "with --from-file: publish marked copies with the time of now")
}

func (f *replayFlags) registerTarget(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.target, "target", "", "where to: original (the topics they are from), stdout, renormalize, or a name in replay.targets")
	fs.StringVar(&f.toTopic, "to-topic", "", "to this topic")
	fs.StringVar(&f.url, "url", "", "to this address, one POST a record")
	fs.StringArrayVar(&f.secretFiles, "secret-file", nil, "sign the requests of --url with the secret in this file (Standard Webhooks)")
	fs.StringSliceVar(&f.allow, "allow", nil, "let --url lead to these addresses that are not public (127.0.0.1/32)")
	fs.StringVar(&f.file, "file", "", "to this file, as JSON Lines; compressed if it ends in .zst")
	fs.Float64Var(&f.rate, "rate", 0, "at most so many records a second (0: no limit)")
	fs.StringVar(&f.speed, "speed", "max", "follow the records' own times: 1x, 10x, or max")
	fs.IntVar(&f.maxInFlight, "max-in-flight", 0, "how many records a resumed run may repeat at most (0: 20000, for HTTP 64)")
	fs.BoolVar(&f.sameTopic, "allow-same-topic", false, "copies may go to a topic that is read")
	fs.IntVar(&f.maxHops, "max-hops", 0, "how often a record may have been copied (0: 3)")
	fs.BoolVar(&f.goOn, "go-on", false, "count records that the target refuses for good, and go on")
	fs.StringVar(&f.reason, "reason", "", "why, for replay-reason and the list of runs")
	fs.StringVar(&f.by, "by", "", "who, for replay-by (default: user and host)")
}

func (f *replayFlags) registerRun(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.count, "count", false, "count the matching records exactly")
	fs.BoolVar(&f.execute, "execute", false, "do it")
	fs.BoolVar(&f.yes, "yes", false, "do not ask, however many records there are (replay.confirm_above)")
	fs.StringVar(&f.plan, "plan", "", "the plan in this file (of --output json)")
	fs.StringVar(&f.resume, "resume", "", "go on with this run")
}

// replay plans, and executes if it is told to.
func (c *cli) replay(cmd *cobra.Command, f *replayFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	plan, req, err := f.wanted(c, cfg)
	if err != nil {
		return err
	}
	return c.withReplays(cmd.Context(), cfg, func(e *replay.Engine) error {
		if f.resume != "" {
			return c.resumeReplay(cmd.Context(), e, f.resume)
		}
		if plan == nil {
			if plan, err = c.planReplay(cmd.Context(), e, req, f.count); err != nil {
				return err
			}
		}
		if !f.execute {
			return cmp.Or(c.printPlan(plan), planGaps(plan))
		}
		return c.executeReplay(cmd.Context(), e, plan, cfg, f.yes)
	})
}

// wanted is the plan of --plan, or the request that the flags make; neither to resume.
func (f *replayFlags) wanted(c *cli, cfg *config.Config) (*replay.Plan, replay.Request, error) {
	switch {
	case f.resume != "":
		return nil, replay.Request{}, nil
	case f.plan != "":
		plan, err := readPlan(f.plan)
		return plan, replay.Request{}, err
	}
	req, err := f.request(c, cfg)
	return nil, req, err
}

// withReplays calls fn with the engine.
func (c *cli) withReplays(ctx context.Context, cfg *config.Config, fn func(*replay.Engine) error) error {
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer client.Close()
	outliveReaders()
	sources, err := c.compiled(cfg)
	if err != nil {
		return err
	}
	r := app.NewReplays(cfg, client, app.ReplayOptions{Now: c.now, Stdout: c.out, Sources: sources})
	err = replayError(fn(r.Engine))
	return errors.Join(err, r.Close(context.WithoutCancel(ctx)))
}

// replayError gives an error about the request its exit code, and the command's name.
func replayError(err error) error {
	if err != nil && !strings.HasPrefix(err.Error(), "replay:") {
		err = fmt.Errorf("replay: %w", err)
	}
	_, badRequest := errors.AsType[*replay.RequestError](err)
	_, badSelection := errors.AsType[*selection.InvalidError](err)
	_, noTopic := errors.AsType[*selection.UnmatchedError](err)
	_, sameTopic := errors.AsType[*replay.SameTopicError](err)
	_, unknownRun := errors.AsType[*replay.UnknownRunError](err)
	if badRequest || badSelection || noTopic || sameTopic || unknownRun {
		return exitError{err, exitUsage}
	}
	return err
}
