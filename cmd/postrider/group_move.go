package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
)

// moving declares the flags that every move has.
func (f *groupFlags) moving(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.execute, "execute", false, "do it (default: only show what would be done)")
	cmd.Flags().BoolVar(&f.fresh, "new", false, "the group may not exist yet: prepare one")
	cmd.Flags().StringVar(&f.backup, "backup", "", "write the old offsets to this file (JSON if it is called .json), the way back by 'postrider group import'")
}

// find looks the group up. One that does not exist is right only where --new says
// so.
func (f *groupFlags) find(ctx context.Context, client *broker.Client, name string) (broker.Group, error) {
	g, err := mustExist(ctx, client, name)
	if !errors.Is(err, errNoGroup) {
		return g, err
	}
	if !f.fresh {
		return g, fmt.Errorf("%w (--new prepares one that does not exist yet)", err)
	}
	return g, nil
}

// groupMoving is a plan, and whether it was carried out.
type groupMoving struct {
	Group      string      `json:"group"`
	State      string      `json:"state"`
	New        bool        `json:"new"`      // the group did not exist
	Executed   bool        `json:"executed"` // false: this is only what would be done
	Partitions []groupMove `json:"partitions"`
	Gone       []string    `json:"gone,omitempty"` // topics of the group that do not exist any more

	group *broker.Group
	// uncertain says that moving failed, and nobody knows for how many partitions.
	uncertain bool
}

// move shows a plan and, if it is told to, carries it out.
func (c *cli) move(ctx context.Context, client *broker.Client, m *groupMoving, f *groupFlags) error {
	if len(m.Partitions) == 0 {
		return errors.New("group: none of its topics exists any more: nothing to move")
	}
	if err := f.save(m); err != nil {
		return err
	}
	var err error
	if busy := !m.group.Idle() && m.State != broker.GroupModern; busy {
		err = fmt.Errorf("group: %w", &broker.GroupActiveError{Group: m.Group, Members: m.group.Members})
	} else if f.execute {
		err = commitPlan(ctx, client, m)
		_, active := errors.AsType[*broker.GroupActiveError](err)
		m.uncertain = err != nil && !m.Executed && !active
	}
	return errors.Join(c.printMove(m), err)
}

// save writes the files that were asked for, before anything is moved.
func (f *groupFlags) save(m *groupMoving) error {
	before, after := offsetFile{Group: m.Group, Offsets: []offsetLine{}}, offsetFile{Group: m.Group}
	for _, p := range m.Partitions {
		after.Offsets = append(after.Offsets, offsetLine{p.Topic, p.Partition, p.New})
		if p.Old != nil {
			before.Offsets = append(before.Offsets, offsetLine{p.Topic, p.Partition, *p.Old})
		}
	}
	if f.backup != "" {
		if err := before.save(f.backup); err != nil {
			return err
		}
	}
	if f.export != "" {
		return after.save(f.export)
	}
	return nil
}

// commitPlan moves the group, and looks whether it stayed where it was put: a
// consumer that started meanwhile may have committed over it.
func commitPlan(ctx context.Context, client *broker.Client, m *groupMoving) error {
	offsets := map[string]map[int]int64{}
	for _, p := range m.Partitions {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int]int64{}
		}
		offsets[p.Topic][p.Partition] = p.New
	}
	if err := client.CommitGroup(ctx, m.Group, offsets); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	m.Executed = true
	after, err := client.Group(ctx, m.Group)
	if err != nil {
		return fmt.Errorf("group: the offsets were moved, but looking at them again failed: %w", err)
	}
	for _, o := range after.Offsets {
		if want, ok := offsets[o.Topic][o.Partition]; ok && want != o.Offset {
			return fmt.Errorf("group: the offsets were moved, but %s[%d] is at %d already: a consumer has started and read on", o.Topic, o.Partition, o.Offset)
		}
	}
	return nil
}

// printMove shows a plan and what became of it.
func (c *cli) printMove(m *groupMoving) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(m) //nolint:wrapcheck // standard output
	}
	t := newTable(c, column{title: "TOPIC"}, column{title: "PARTITION"}, column{title: "OLD"}, column{title: "NEW"},
		column{title: "MOVES"}, column{title: "LAG"}, column{title: "NOTE"})
	for _, p := range m.Partitions {
		t.columns[0].width = max(t.columns[0].width, len(p.Topic))
	}
	for _, p := range m.Partitions {
		old := plain("-")
		if p.Old != nil {
			old = number(*p.Old)
		}
		if err := t.row(plain(p.Topic), number(p.Partition), old, number(p.New), plain(p.moves()), number(p.Lag), cell{p.Note, c.style.warn}); err != nil {
			return err
		}
	}
	for _, topic := range m.Gone {
		c.note("topic %s does not exist any more and is left out", topic)
	}
	c.concludeMove(m)
	return nil
}

// concludeMove says in a sentence what the move is, and whether it was made.
func (c *cli) concludeMove(m *groupMoving) {
	var lag int64
	for _, p := range m.Partitions {
		lag += p.Lag
	}
	name := shown(m.Group)
	switch {
	case m.uncertain:
		fmt.Fprintf(c.out, "moving %s failed, for some partitions at least: `postrider group show` tells where it stands\n", name)
	case m.Executed && m.New:
		fmt.Fprintf(c.out, "%s was prepared: its consumers begin there, with %s to read\n", name, recordCount(lag))
	case m.Executed:
		fmt.Fprintf(c.out, "%s was moved: its consumers go on there, with %s to read\n", name, recordCount(lag))
	case m.New:
		fmt.Fprintf(c.out, "%s does not exist yet and would begin with %s to read. Nothing was changed: --execute prepares it\n", name, recordCount(lag))
	default:
		fmt.Fprintf(c.out, "%s would have %s to read. Nothing was changed: --execute moves it\n", name, recordCount(lag))
	}
	if m.State == broker.GroupModern && !m.Executed {
		c.note("the group speaks the protocol of KIP-848, which does not show whether it has members; if it has, --execute is refused")
	}
}
