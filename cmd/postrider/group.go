package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// newGroup is `postrider group` with its subcommands.
func newGroup(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Show consumer groups, and move one so that it reads again or skips",
		Long: `Consumer groups are the programs that read the topics; what each has read is an
offset for every partition. Moving a group back makes its consumers read records
again, the very ones, where a replay would publish copies. It works on any group of
the cluster and any topic, and only while the group's consumers are stopped.`,
		Example: `  postrider group ls
  postrider group show warehouse
  postrider group reset warehouse --all-topics --to-time -2h
  postrider group export warehouse > warehouse.csv`,
	}
	group(cmd)
	cmd.AddCommand(newGroupList(c), newGroupShow(c), newGroupReset(c), newGroupExport(c), newGroupImport(c))
	return cmd
}

// newGroupList is `postrider group ls`.
func newGroupList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show the cluster's consumer groups and how far behind they are",
		Long: `Show every consumer group of the cluster that this account may see: its state, how
many members it has, the topics it has committed offsets in, and how many records it
has still to read.`,
		Example: `  postrider group ls
  postrider group ls --output json | jq -r '.[] | select(.lag > 1000) | .group'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.groupList(cmd.Context()) },
	}
}

// groupRow is one group of a list.
type groupRow struct {
	Group   string   `json:"group"`
	State   string   `json:"state"` // Kafka's word, or "Modern" (see docs/groups.md)
	Members int      `json:"members"`
	Topics  []string `json:"topics"`
	Lag     int64    `json:"lag"` // records
}

// groupList shows all groups.
func (c *cli) groupList(ctx context.Context) error {
	return c.withKafka(ctx, func(client *broker.Client) error {
		groups, err := client.AllGroups(ctx)
		if err != nil {
			return fmt.Errorf("group: %w", err)
		}
		rows := make([]groupRow, len(groups))
		for i := range groups {
			rows[i] = listed(&groups[i])
		}
		return c.printGroups(rows)
	})
}

// listed is a group as a list shows it.
func listed(g *broker.Group) groupRow {
	row := groupRow{Group: g.Name, State: g.State, Members: len(g.Members), Topics: []string{}}
	for i := range g.Offsets {
		o := &g.Offsets[i]
		row.Lag += o.Lag()
		if n := len(row.Topics); n == 0 || row.Topics[n-1] != o.Topic {
			row.Topics = append(row.Topics, o.Topic)
		}
	}
	return row
}

func (c *cli) printGroups(rows []groupRow) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(rows) //nolint:wrapcheck // standard output
	}
	if len(rows) == 0 {
		fmt.Fprintln(c.out, "no consumer groups")
		return nil
	}
	t := newTable(c, column{title: "GROUP"}, column{title: "STATE"}, column{title: "MEMBERS"}, column{title: "TOPICS"}, column{title: "LAG"})
	for _, r := range rows {
		t.columns[0].width = max(t.columns[0].width, len(shown(r.Group)))
		t.columns[1].width = max(t.columns[1].width, len(r.State))
	}
	for _, r := range rows {
		if err := t.row(plain(shown(r.Group)), c.stateCell(r.State), c.memberCount(r.State, r.Members), number(len(r.Topics)), number(r.Lag)); err != nil {
			return err
		}
	}
	return nil
}

// memberCount is how many members there are, where that is known.
func (c *cli) memberCount(state string, n int) cell {
	if state == broker.GroupModern {
		return plain("?")
	}
	return number(n)
}

// stateCell is a group's state.
func (c *cli) stateCell(state string) cell {
	paints := map[string]paint{broker.GroupStable: c.style.good, broker.GroupEmpty: c.style.dim, broker.GroupDead: c.style.bad}
	return cell{state, cmp.Or(paints[state], c.style.warn)}
}

// shown is a group's name for people: in quotes, with what no terminal should get
// escaped, where it is not plain.
func shown(name string) string {
	if quoted := strconv.Quote(name); name == "" || quoted[1:len(quoted)-1] != name || printable(name) != name {
		return quoted
	}
	return name
}

// withKafka calls fn with a connection that Ping has proven.
func (c *cli) withKafka(ctx context.Context, fn func(*broker.Client) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("group: %w", err)
	}
	defer client.Close()
	return fn(client)
}

// mustExist finds a group; one that does not exist is an error that names the one
// that was meant.
func mustExist(ctx context.Context, client *broker.Client, name string) (broker.Group, error) {
	g, err := client.Group(ctx, name)
	if err != nil {
		return g, fmt.Errorf("group: %w", err)
	}
	if g.Exists() {
		return g, nil
	}
	list, err := client.Groups(ctx)
	if err != nil {
		return g, fmt.Errorf("group: %w", err)
	}
	return g, unknownGroup(name, list)
}

// errNoGroup is wrapped by the error about a group that does not exist.
var errNoGroup = errors.New("there is no group")

func unknownGroup(name string, list []broker.GroupListing) error {
	names := make([]string, len(list))
	for i, l := range list {
		names[i] = l.Name
	}
	hint := "`postrider group ls` shows those there are"
	if near := config.Nearest(name, names); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	return fmt.Errorf("group: %w %s: %s", errNoGroup, strconv.Quote(name), hint)
}

// completionPatience is how long completion waits for Kafka.
const completionPatience = 2 * time.Second

// completeGroup completes a group's name as the first argument.
func (c *cli) completeGroup(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	var names []string
	_ = c.withKafka(ctx, func(client *broker.Client) error { // without Kafka there is nothing to complete
		list, err := client.Groups(ctx)
		for _, l := range list {
			if shown(l.Name) == l.Name {
				names = append(names, l.Name)
			}
		}
		return err
	})
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}
