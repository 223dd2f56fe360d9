package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool"
)

// newSpoolList is `postrider spool ls`.
func newSpoolList(c *cli, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show what the spool holds",
		Long: `Show what the spool holds: for each topic how many records wait, how many bytes and
since when; the records that Kafka refused for what they are, each with the reason;
what is damaged; and which process uses the spool. It changes nothing and works
while the receiver runs; what that one publishes meanwhile may still be shown. No
content is shown: that is what export is for.`,
		Example: `  postrider spool ls
  postrider spool ls --dir /mnt/other-instance/spool
  postrider spool ls --output json | jq .records`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.spoolList(*dir) },
	}
}

// spoolListing is what a spool holds.
type spoolListing struct {
	Dir         string        `json:"dir"`
	Process     int           `json:"process,omitempty"` // that uses it; -1: its id is not known
	Records     int           `json:"records"`
	Requeued    int           `json:"requeued,omitempty"` // of these: still to be taken in, from requeue/
	Bytes       int64         `json:"bytes"`              // of the records, without what the spool adds
	Oldest      *time.Time    `json:"oldest,omitempty"`
	Topics      []spoolTopic  `json:"topics"`
	Dead        []spoolDead   `json:"dead"`
	DeadOmitted int           `json:"dead_omitted,omitempty"` // beyond those listed
	Damaged     []spoolDamage `json:"damaged,omitempty"`
}

// spoolTopic is what waits for one topic.
type spoolTopic struct {
	Topic   string    `json:"topic"`
	Records int       `json:"records"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest"`
}

// spoolDead is a record that was set aside.
type spoolDead struct {
	Seq      uint64    `json:"seq"`
	Topic    string    `json:"topic"`
	StoredAt time.Time `json:"stored_at"`
	Bytes    int64     `json:"bytes"`
	Cause    string    `json:"cause"`
}

// spoolDamage is a part that cannot be read.
type spoolDamage struct {
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Problem string `json:"problem"`
}

// mostDead bounds the dead records that are listed.
const mostDead = 1000

// spoolList shows a spool.
func (c *cli) spoolList(flag string) error {
	dir, err := c.spoolDir(flag)
	if err != nil {
		return err
	}
	l := &spoolListing{Dir: dir, Process: spool.Owner(dir), Topics: []spoolTopic{}, Dead: []spoolDead{}}
	if err := l.waiting(); err != nil {
		return err
	}
	if err := l.aside(); err != nil {
		return err
	}
	if c.json() {
		return json.NewEncoder(c.out).Encode(l) //nolint:wrapcheck // standard output
	}
	return c.printSpool(l)
}

// waiting counts the records that wait.
func (l *spoolListing) waiting() error {
	topics := map[string]*spoolTopic{}
	if _, err := l.count(topics, spool.Read(l.Dir)); err != nil {
		return err
	}
	var err error
	if l.Requeued, err = l.count(topics, spool.Requeued(l.Dir)); err != nil {
		return err
	}
	l.sum(topics)
	return nil
}

// count adds records to their topics and returns how many there are.
func (l *spoolListing) count(topics map[string]*spoolTopic, items iter.Seq2[spool.Item, error]) (n int, err error) {
	for item, err := range items {
		if err != nil {
			if err := l.damaged(&item, err); err != nil {
				return n, err
			}
			continue
		}
		n++
		t := topics[item.Record.Topic]
		if t == nil {
			t = &spoolTopic{Topic: item.Record.Topic, Oldest: item.StoredAt}
			topics[t.Topic] = t
		}
		t.Records++
		t.Bytes += int64(broker.RecordBytes(&item.Record))
		if item.StoredAt.Before(t.Oldest) {
			t.Oldest = item.StoredAt
		}
	}
	return n, nil
}

// sum lists topics by name and adds them up.
func (l *spoolListing) sum(topics map[string]*spoolTopic) {
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		t := topics[name]
		l.Topics = append(l.Topics, *t)
		l.Records += t.Records
		l.Bytes += t.Bytes
		if l.Oldest == nil || t.Oldest.Before(*l.Oldest) {
			l.Oldest = &t.Oldest
		}
	}
}

// aside lists the records that were set aside.
func (l *spoolListing) aside() error {
	for item, err := range spool.Dead(l.Dir) {
		switch {
		case err != nil:
			if err := l.damaged(&item, err); err != nil {
				return err
			}
		case len(l.Dead) >= mostDead:
			l.DeadOmitted++
		default:
			l.Dead = append(l.Dead, spoolDead{
				Seq: item.Seq, Topic: item.Record.Topic, StoredAt: item.StoredAt, Bytes: int64(broker.RecordBytes(&item.Record)), Cause: item.Cause,
			})
		}
	}
	return nil
}

// damaged takes note of a damaged part; any other error is returned.
func (l *spoolListing) damaged(item *spool.Item, err error) error {
	if !errors.Is(err, spool.ErrDamaged) {
		return err
	}
	l.Damaged = append(l.Damaged, spoolDamage{File: item.File, Offset: item.Offset, Problem: err.Error()})
	return nil
}

// printSpool prints a listing for a person.
func (c *cli) printSpool(l *spoolListing) error {
	fmt.Fprintf(c.out, "%s: %s, %s\n", nearby(l.Dir), plural(l.Records, "record")+" "+waits(l.Records), owner(l.Dir))
	if l.Requeued > 0 {
		fmt.Fprintf(c.out, "%d of them in requeue/: a running receiver takes them in within seconds, else the next one\n", l.Requeued)
	}
	if err := c.printSpoolTopics(l.Topics); err != nil {
		return err
	}
	if err := c.printSpoolDead(l); err != nil {
		return err
	}
	for _, d := range l.Damaged {
		fmt.Fprintln(c.out, c.style.bad.apply("damaged: "+printable(plainly(d.Problem))))
	}
	return nil
}

// waits is the verb for so many records.
func waits(n int) string {
	if n == 1 {
		return "waits"
	}
	return "wait"
}

// printSpoolTopics prints what waits for each topic.
func (c *cli) printSpoolTopics(topics []spoolTopic) error {
	if len(topics) == 0 {
		return nil
	}
	name := column{title: "TOPIC"}
	for _, t := range topics {
		name.width = max(name.width, len(t.Topic))
	}
	fmt.Fprintln(c.out)
	out := newTable(c, name, column{title: "RECORDS"}, column{title: "SIZE", width: 9}, column{title: "OLDEST"})
	for _, t := range topics {
		age := c.now().Sub(t.Oldest).Truncate(time.Second)
		if err := out.row(plain(t.Topic), number(t.Records), plain(size(int(t.Bytes))), plain(age.String()+" ago")); err != nil {
			return err
		}
	}
	return nil
}

// printSpoolDead prints what was set aside.
func (c *cli) printSpoolDead(l *spoolListing) error {
	if len(l.Dead) == 0 {
		return nil
	}
	fmt.Fprintln(c.out, "\nset aside, because Kafka refuses them (`postrider spool requeue` tries them again):")
	out := newTable(c, column{title: "SEQ"}, column{title: "TOPIC", width: 16}, column{title: "SIZE", width: 9}, column{title: "CAUSE"})
	for _, d := range l.Dead {
		if err := out.row(plain(strconv.FormatUint(d.Seq, 10)), plain(d.Topic), plain(size(int(d.Bytes))), cell{d.Cause, c.style.bad}); err != nil {
			return err
		}
	}
	if l.DeadOmitted > 0 {
		fmt.Fprintf(c.out, "and %d more\n", l.DeadOmitted)
	}
	return nil
}
