package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
)

// newGroupImport is `postrider group import`.
func newGroupImport(c *cli) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "import GROUP FILE",
		Short: "Move a consumer group to the offsets of a file",
		Long: `Move a consumer group to the offsets of a file: what ` + "`postrider group export`" + ` or
kafka-consumer-groups.sh --export wrote, lines of topic,partition,offset, or an
object of JSON; - reads standard input. Partitions that are not in the file stay as
they are. As with reset, nothing is done without --execute or while the group has
members.`,
		Example: `  postrider group import warehouse before.csv
  postrider group import warehouse before.csv --execute
  postrider group import warehouse-copy warehouse.json --new --execute`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return c.completeGroup(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.groupImport(cmd.Context(), args[0], args[1], &f)
		},
	}
	f.moving(cmd)
	return cmd
}

// groupImport moves a group to what a file says.
func (c *cli) groupImport(ctx context.Context, name, path string, f *groupFlags) error {
	lines, err := c.readOffsets(path, name)
	if err != nil {
		return err
	}
	return c.withKafka(ctx, func(client *broker.Client) error {
		g, err := f.find(ctx, client, name)
		if err != nil {
			return err
		}
		var choices []topicChoice
		wanted := map[string]map[int]int64{}
		for _, l := range lines {
			choices = append(choices, topicChoice{l.Topic, []int{l.Partition}})
			if wanted[l.Topic] == nil {
				wanted[l.Topic] = map[int]int64{}
			}
			wanted[l.Topic][l.Partition] = l.Offset
		}
		logs, _, err := readLogs(ctx, client, choices, false)
		if err != nil {
			return err
		}
		chosen, err := chosenPartitions(choices, logs)
		if err != nil {
			return err
		}
		plan, err := planMoves(&g, logs, chosen, func(topic string, partition int, _ int64, _ broker.OffsetRange) (int64, string, error) {
			return wanted[topic][partition], "", nil
		})
		if err != nil {
			return fmt.Errorf("group: %w", err)
		}
		return c.move(ctx, client, &groupMoving{Group: name, State: g.State, New: !g.Exists(), Partitions: plan, group: &g}, f)
	})
}
