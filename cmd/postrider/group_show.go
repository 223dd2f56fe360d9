package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
)

// newGroupShow is `postrider group show`.
func newGroupShow(c *cli) *cobra.Command {
	var times bool
	cmd := &cobra.Command{
		Use:   "show GROUP",
		Short: "Show one consumer group: its members, offsets and lag",
		Long: `Show one consumer group: its state, who its members are and what they read, and for
each partition the offset it goes on at, what the partition holds, and how many
records are still to be read. --times reads the first of these, one record of each
partition, and shows when it was made.`,
		Example: `  postrider group show warehouse
  postrider group show warehouse --times
  postrider group show warehouse --output json | jq '[.partitions[].lag] | add'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeGroup,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.groupShow(cmd.Context(), args[0], times) },
	}
	cmd.Flags().BoolVar(&times, "times", false, "read the next record of each partition and show its time")
	return cmd
}

// groupDetail is one group.
type groupDetail struct {
	Group      string           `json:"group"`
	State      string           `json:"state"`
	Protocol   string           `json:"protocol"`
	Assignor   string           `json:"assignor,omitempty"`
	Lag        int64            `json:"lag"`
	Members    []groupMember    `json:"members"`
	Partitions []groupPartition `json:"partitions"`
}

// groupMember is one of its members.
type groupMember struct {
	ID       string           `json:"id"`
	Instance string           `json:"instance,omitempty"`
	Client   string           `json:"client"`
	Host     string           `json:"host"`
	Assigned map[string][]int `json:"assigned,omitempty"`
}

// groupPartition is where it is in one partition.
type groupPartition struct {
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	First     int64     `json:"first"` // what the partition holds
	Next      int64     `json:"next"`
	Lag       int64     `json:"lag"`
	Time      time.Time `json:"time,omitzero"` // of the next record, with --times
	Note      string    `json:"note,omitempty"`
}

// groupShow shows a group.
func (c *cli) groupShow(ctx context.Context, name string, times bool) error {
	return c.withKafka(ctx, func(client *broker.Client) error {
		g, err := mustExist(ctx, client, name)
		if err != nil {
			return err
		}
		d := detailed(&g)
		for i := range d.Partitions {
			if times {
				if err := d.Partitions[i].readTime(ctx, client); err != nil {
					return err
				}
			}
		}
		if c.json() {
			return json.NewEncoder(c.out).Encode(d) //nolint:wrapcheck // standard output
		}
		return c.printGroup(d, times)
	})
}

// detailed is a group as it is shown.
func detailed(g *broker.Group) *groupDetail {
	d := &groupDetail{Group: g.Name, State: g.State, Protocol: g.Protocol, Assignor: g.Assignor, Members: []groupMember{}, Partitions: []groupPartition{}}
	for _, m := range g.Members {
		d.Members = append(d.Members, groupMember{ID: m.ID, Instance: m.Instance, Client: m.Client, Host: strings.TrimPrefix(m.Host, "/"), Assigned: m.Assigned})
	}
	for i := range g.Offsets {
		o := &g.Offsets[i]
		d.Lag += o.Lag()
		d.Partitions = append(d.Partitions, groupPartition{
			Topic: o.Topic, Partition: o.Partition, Offset: o.Offset, First: o.Log.First, Next: o.Log.Next, Lag: o.Lag(), Note: placeNote(o),
		})
	}
	return d
}

// placeNote says what is odd about a place.
func placeNote(o *broker.GroupOffset) string {
	switch {
	case o.Gone:
		return "the partition does not exist any more"
	case o.Offset < o.Log.First:
		return recordCount(o.Log.First-o.Offset) + " expired before being read"
	case o.Offset > o.Log.Next:
		return "past the end of the partition"
	}
	return ""
}

// readTime reads when the next record was made.
func (p *groupPartition) readTime(ctx context.Context, client *broker.Client) error {
	from := max(p.Offset, p.First)
	if p.Lag == 0 {
		return nil
	}
	err := client.Read(ctx, p.Topic, p.Partition, from, p.Next, func(m broker.Message) error {
		p.Time = m.Time
		return broker.ErrStop
	})
	var gap *broker.OffsetGapError
	if err != nil && !errors.As(err, &gap) { // it has expired since
		return fmt.Errorf("group: %w", err)
	}
	return nil
}

func (c *cli) printGroup(d *groupDetail, times bool) error {
	fmt.Fprintf(c.out, "%s is %s", shown(d.Group), c.stateCell(d.State).paint.apply(d.State))
	if d.State == broker.GroupModern {
		fmt.Fprint(c.out, ": its members speak the protocol of KIP-848, and are not shown")
	}
	fmt.Fprintf(c.out, ", %s behind\n", recordCount(d.Lag))
	if err := c.printMembers(d.Members); err != nil {
		return err
	}
	if len(d.Partitions) == 0 {
		fmt.Fprintln(c.out, "it has committed no offsets")
		return nil
	}
	return c.printPlaces(d.Partitions, times)
}

func (c *cli) printMembers(members []groupMember) error {
	if len(members) == 0 {
		return nil
	}
	t := newTable(c, column{title: "MEMBER"}, column{title: "HOST"}, column{title: "READS"})
	for _, m := range members {
		t.columns[0].width = max(t.columns[0].width, len(shown(m.Client)))
		t.columns[1].width = max(t.columns[1].width, len(m.Host))
	}
	for _, m := range members {
		if err := t.row(plain(shown(m.Client)), plain(m.Host), plain(assignment(m.Assigned))); err != nil {
			return err
		}
	}
	fmt.Fprintln(c.out)
	return nil
}

// assignment writes partitions by topic: "a[0 1], b[2]".
func assignment(assigned map[string][]int) string {
	topics := make([]string, 0, len(assigned))
	for topic, partitions := range assigned {
		numbers := make([]string, len(partitions))
		for i, p := range partitions {
			numbers[i] = strconv.Itoa(p)
		}
		topics = append(topics, topic+"["+strings.Join(numbers, " ")+"]")
	}
	slices.Sort(topics)
	return strings.Join(topics, ", ")
}

func (c *cli) printPlaces(places []groupPartition, times bool) error {
	columns := []column{{title: "TOPIC"}, {title: "PARTITION"}, {title: "OFFSET"}, {title: "FIRST"}, {title: "NEXT"}, {title: "LAG"}}
	if times {
		columns = append(columns, column{title: "NEXT RECORD OF", width: len(time.RFC3339)})
	}
	t := newTable(c, append(columns, column{title: "NOTE"})...)
	for _, p := range places {
		t.columns[0].width = max(t.columns[0].width, len(p.Topic))
	}
	for _, p := range places {
		cells := []cell{plain(p.Topic), number(p.Partition), number(p.Offset), number(p.First), number(p.Next), number(p.Lag)}
		if times {
			cells = append(cells, plain(timeOrNothing(p.Time)))
		}
		if err := t.row(append(cells, cell{p.Note, c.style.warn})...); err != nil {
			return err
		}
	}
	return nil
}

func timeOrNothing(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// recordCount is a number of records in words.
func recordCount(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return strconv.FormatInt(n, 10) + " records"
}
