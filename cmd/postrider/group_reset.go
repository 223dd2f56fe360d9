package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/selection"
)

// groupFlags are what moving a group is told.
type groupFlags struct {
	topics         []string
	all            bool
	earliest, last bool
	offset, shift  int64
	at, ago        string

	execute, fresh bool
	export, backup string
}

// destinations are the flags of which exactly one says where to.
func destinations() []string {
	return []string{"to-earliest", "to-latest", "to-offset", "to-time", "by-duration", "shift-by"}
}

// newGroupReset is `postrider group reset`.
func newGroupReset(c *cli) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "reset GROUP",
		Short: "Move a consumer group to another place, so that it reads again or skips",
		Long: `Move a consumer group: its consumers go on at the new offsets when they start again.
Say which partitions (--topic, several times, or --all-topics: every partition of
those that the group has offsets in) and where to (one of the others). Without
--execute it only shows, for each partition, the old and the new offset.

The group's consumers have to be stopped: while it has members it is left alone.
What is not in the log becomes its start or end, and that is said.`,
		Example: `  postrider group reset warehouse --all-topics --to-time -2h
  postrider group reset warehouse --topic email.bounced --to-earliest --backup before.csv --execute
  postrider group reset warehouse --topic email.bounced:0,3-5 --shift-by -100 --execute
  postrider group reset crm --new --topic email.bounced --topic email.complained --by-duration 7d --execute`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return c.groupReset(cmd.Context(), args[0], &f, cmd)
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&f.topics, "topic", nil, "this topic, or partitions of it (email.bounced:0,3-5); several times")
	fs.BoolVar(&f.all, "all-topics", false, "every topic that the group has offsets in")
	fs.BoolVar(&f.earliest, "to-earliest", false, "to the start of each partition")
	fs.BoolVar(&f.last, "to-latest", false, "to the end of each partition")
	fs.Int64Var(&f.offset, "to-offset", 0, "to this offset")
	fs.StringVar(&f.at, "to-time", "", "to the first record since then: 2026-11-21T09:00:00Z, 2026-11-21 (UTC), -2h")
	fs.StringVar(&f.ago, "by-duration", "", "to the first record of the last 2h, 90m, 7d")
	fs.Int64Var(&f.shift, "shift-by", 0, "so many records forward, or back if negative")
	f.moving(cmd)
	fs.StringVar(&f.export, "export", "", "write the new offsets to this file (JSON if it is called .json), for 'postrider group import'")
	exclusive(cmd, destinations()...)
	exclusive(cmd, "topic", "all-topics")
	c.complete(cmd, "topic", c.topicNames)
	c.complete(cmd, "to-time", func() []string { return []string{"-10m", "-1h", "-24h", "-7d"} })
	return cmd
}

// check refuses a reset that does not say what, or where to.
func (f *groupFlags) check(cmd *cobra.Command) error {
	if !slices.ContainsFunc(destinations(), cmd.Flags().Changed) {
		return errors.New("group: where to? one of --" + strings.Join(destinations(), ", --"))
	}
	if len(f.topics) == 0 && !f.all {
		return errors.New("group: which topics? --topic, or --all-topics for those that the group has offsets in")
	}
	return nil
}

// groupReset moves a group.
func (c *cli) groupReset(ctx context.Context, name string, f *groupFlags, cmd *cobra.Command) error {
	return c.withKafka(ctx, func(client *broker.Client) error {
		g, err := f.find(ctx, client, name)
		if err != nil {
			return err
		}
		choices, err := f.choices(&g)
		if err != nil {
			return err
		}
		logs, gone, err := readLogs(ctx, client, choices, f.all)
		if err != nil {
			return err
		}
		choices = slices.DeleteFunc(choices, func(t topicChoice) bool { return slices.Contains(gone, t.topic) })
		chosen, err := chosenPartitions(choices, logs)
		if err != nil {
			return err
		}
		to, err := f.destination(ctx, client, cmd, logs, c.now())
		if err != nil {
			return err
		}
		plan, err := planMoves(&g, logs, chosen, to)
		if err != nil {
			return fmt.Errorf("group: %w", err)
		}
		move := &groupMoving{Group: name, State: g.State, New: !g.Exists(), Partitions: plan, Gone: gone, group: &g}
		return c.move(ctx, client, move, f)
	})
}

// choices are the topics that are meant.
func (f *groupFlags) choices(g *broker.Group) ([]topicChoice, error) {
	var choices []topicChoice
	for _, text := range f.topics {
		choice, err := parseTopicChoice(text)
		if err != nil {
			return nil, err
		}
		choices = append(choices, choice)
	}
	if f.all {
		for _, topic := range listed(g).Topics {
			choices = append(choices, topicChoice{topic: topic})
		}
		if len(choices) == 0 {
			return nil, errors.New("group: it has no offsets, and so no topics: name them with --topic")
		}
	}
	return choices, nil
}

// destination is where the flags say.
func (f *groupFlags) destination(ctx context.Context, client *broker.Client, cmd *cobra.Command, logs groupLogs, now time.Time) (destination, error) {
	switch given := cmd.Flags().Changed; {
	case given("to-earliest"):
		return func(_ string, _ int, _ int64, log broker.OffsetRange) (int64, string, error) {
			return log.First, "", nil
		}, nil
	case given("to-latest"):
		return func(_ string, _ int, _ int64, log broker.OffsetRange) (int64, string, error) {
			return log.Next, "", nil
		}, nil
	case given("to-offset"):
		return func(string, int, int64, broker.OffsetRange) (int64, string, error) { return f.offset, "", nil }, nil
	case given("shift-by"):
		return f.shifted, nil
	}
	flag, text := "--to-time", f.at
	if cmd.Flags().Changed("by-duration") {
		flag, text = "--by-duration", "-"+strings.TrimPrefix(f.ago, "-")
	}
	at, err := selection.ParseTime(text, now, time.UTC)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return firstSince(ctx, client, logs, at)
}

// shifted moves what is committed.
func (f *groupFlags) shifted(_ string, _ int, old int64, _ broker.OffsetRange) (int64, string, error) {
	if old < 0 {
		return 0, "", errors.New("nothing is committed that --shift-by could move: choose the partitions that have offsets, or another flag")
	}
	if f.shift > math.MaxInt64-old { // what wraps around would go to the start
		return math.MaxInt64, "", nil
	}
	return old + f.shift, "", nil
}

// firstSince looks for the first records since a moment.
func firstSince(ctx context.Context, client *broker.Client, logs groupLogs, at time.Time) (destination, error) {
	since := map[string]map[int]int64{}
	for topic := range logs {
		offsets, err := client.OffsetsAt(ctx, topic, at)
		if err != nil {
			return nil, fmt.Errorf("group: %w", err)
		}
		since[topic] = offsets
	}
	return func(topic string, partition int, _ int64, log broker.OffsetRange) (int64, string, error) {
		offset := since[topic][partition]
		if offset >= log.Next {
			return log.Next, "no record since " + at.UTC().Format(time.RFC3339) + ": the end", nil
		}
		return offset, "", nil
	}, nil
}
