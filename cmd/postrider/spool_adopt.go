package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/spool"
)

// newSpoolAdopt is `postrider spool adopt`.
func newSpoolAdopt(c *cli) *cobra.Command {
	var (
		timeout time.Duration
		move    bool
	)
	cmd := &cobra.Command{
		Use:   "adopt DIR",
		Short: "Publish what another instance left in its spool",
		Long: `Publish what another instance, which does not come back, left in its spool: DIR is
that folder, for example on a volume mounted here. Records are published to the
configured Kafka in their order, as the instance itself would have done; what Kafka
refuses for what it is becomes a dead letter. The folder is locked meanwhile; while
its owner lives, adopting fails and changes nothing. With --move the records go into
this machine's own spool instead, for its receiver to publish: also while Kafka is
away.

Ctrl-C stops it within spool.drain_timeout: what Kafka has acknowledged is out of the
spool, the rest stays in it, in order. Exit code 1 if something is left.`,
		Example: `  postrider spool adopt /mnt/other-instance/spool
  postrider spool adopt /mnt/other-instance/spool --timeout 10m --output json
  postrider spool adopt /mnt/other-instance/spool --move`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.spoolAdopt(cmd.Context(), args[0], timeout, move)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "stop after so long (0: when everything is published)")
	cmd.Flags().BoolVar(&move, "move", false, "put the records into this machine's own spool instead of publishing them")
	exclusive(cmd, "timeout", "move")
	return cmd
}

// adoptLook is how often an adoption looks how far it is.
const adoptLook = 100 * time.Millisecond

// adoption is what became of an adopted spool.
type adoption struct {
	Dir       string         `json:"dir"`
	Records   int            `json:"records"`   // that were in it
	Published int            `json:"published"` // as events, or as dead letters in their place
	Left      int            `json:"left"`      // still in it
	SetAside  int            `json:"set_aside"` // refused by Kafka for what they are, and kept
	Lost      int            `json:"lost"`      // damaged on the disk, at most
	Topics    []adoptedTopic `json:"topics"`
	Millis    int64          `json:"milliseconds"`
}

// adoptedTopic is the part of one topic.
type adoptedTopic struct {
	Topic   string `json:"topic"`
	Records int    `json:"records"`
	Left    int    `json:"left"`
}

// spoolAdopt takes over another instance's spool.
func (c *cli) spoolAdopt(ctx context.Context, dir string, timeout time.Duration, move bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if dir, err = adoptable(c.spoolDir(dir)); err != nil {
		return err
	}
	cfg.Log.Level = "warn"
	log, _, err := app.NewLogger(cfg.Log, c.errOut, terminal(c.errOut))
	if err != nil {
		return err
	}
	if move {
		return c.spoolMove(cfg, dir, log) //nolint:contextcheck // a move is local and is not left half-way
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return c.spoolPublish(ctx, cfg, dir, log)
}

// spoolPublish publishes the records of another instance's spool.
func (c *cli) spoolPublish(ctx context.Context, cfg *config.Config, dir string, log *zap.Logger) error {
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer client.Close()
	s, err := spool.Open(spool.Options{
		Dir: dir, MaxBytes: cfg.Spool.MaxBytes, MinFree: cfg.Spool.MinFree, SegmentBytes: cfg.Spool.SegmentBytes, Now: c.now, Log: log,
	})
	if err != nil {
		return err
	}
	a := &adopter{cli: c, spool: s, client: client, began: c.now(), result: adoption{Dir: dir}}
	o := app.PublisherOptions(cfg, c.now, log)
	o.Store, o.StandIn = s, app.StandIn(cfg.Kafka.Topics)
	err = a.run(ctx, cfg, o)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	return c.printAdoption(&a.result)
}

// adoptable refuses a folder that is in use or no spool, before anything is made
// in it.
func adoptable(dir string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if spool.Owner(dir) != 0 {
		return "", fmt.Errorf("spool: adopt: %s: %s; stop it first, or leave the publishing to it", nearby(dir), owner(dir))
	}
	for _, pattern := range []string{"*.seg", "lock"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 { // the pattern is right
			return dir, nil
		}
	}
	return "", fmt.Errorf("spool: adopt: %s is no spool", dir)
}

// adopter publishes what a spool holds.
type adopter struct {
	cli    *cli
	spool  *spool.Spool
	client *broker.Client
	began  time.Time
	result adoption
}

// run publishes until nothing is left or ctx ends.
func (a *adopter) run(ctx context.Context, cfg *config.Config, o broker.PublisherOptions) error {
	before := a.spool.State()
	pending := a.spool.Pending()
	unreadable := before.Records - len(pending)
	requeued, err := a.spool.TakeRequeued() //nolint:contextcheck // a write to the local disk, which is not worth cutting short
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	pending = append(pending, requeued...)
	a.result.Records = len(pending) + unreadable
	a.result.Lost = a.spool.Report().Lost()
	topics := byTopic(pending)
	pub := broker.NewPublisher(a.client, o)
	err = a.limits(ctx, pub, topics)
	if err == nil {
		pub.Resume(pending)
		a.wait(ctx, unreadable)
	}
	flush(ctx, pub, cfg.Spool.DrainTimeout)
	if err != nil {
		return err
	}
	a.sum(before, topics)
	return nil
}

// byTopic counts records.
func byTopic(records []broker.Stored) map[string]int {
	count := map[string]int{}
	for i := range records {
		count[records[i].Topic]++
	}
	return count
}

// limits tells the publisher how large records may be. A topic that does not
// exist is an error: nothing of it could be published.
func (a *adopter) limits(ctx context.Context, pub *broker.GroupCommitter, topics map[string]int) error {
	if len(topics) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(topics))
	reports, err := a.client.Topics(ctx, names...)
	if err != nil {
		return fmt.Errorf("spool: adopt: %w", err)
	}
	for _, name := range names {
		i := slices.IndexFunc(reports, func(r broker.TopicReport) bool { return r.Name == name })
		if i < 0 {
			return fmt.Errorf("spool: adopt: topic %s does not exist, and %s %s for it; nothing was published: `postrider topics create` makes the configured topics",
				name, plural(topics[name], "record"), waits(topics[name]))
		}
		pub.SetLimit(name, reports[i].MaxMessageBytes)
	}
	return nil
}

// wait waits until nothing is left but what cannot be read, or ctx ends.
func (a *adopter) wait(ctx context.Context, unreadable int) {
	bar := a.cli.recordsBar(int64(a.result.Records - unreadable))
	defer bar.end()
	tick := time.NewTicker(adoptLook)
	defer tick.Stop()
	for {
		left := a.spool.State().Records - unreadable
		if bar.at(int64(a.result.Records - unreadable - left)); left <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// flush closes a publisher: what is on its way may still be acknowledged, which
// saves publishing it again.
func flush(ctx context.Context, pub *broker.GroupCommitter, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	_ = pub.Close(ctx) // what is left is counted
}

// sum counts what became of the records.
func (a *adopter) sum(before spool.State, topics map[string]int) {
	after, left := a.spool.State(), byTopic(a.spool.Pending())
	r := &a.result
	r.Left, r.SetAside = after.Records, after.DeadRecords-before.DeadRecords
	r.Published = r.Records - r.Left - r.SetAside
	r.Millis = a.cli.now().Sub(a.began).Milliseconds()
	r.Topics = []adoptedTopic{}
	for name := range left {
		topics[name] += 0 // a dead letter's, perhaps
	}
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		r.Topics = append(r.Topics, adoptedTopic{Topic: name, Records: topics[name], Left: left[name]})
	}
}

// printAdoption tells what became of the records. It is an error if some are left.
func (c *cli) printAdoption(r *adoption) error {
	if c.json() {
		if err := json.NewEncoder(c.out).Encode(r); err != nil {
			return err //nolint:wrapcheck // standard output
		}
		return r.verdict()
	}
	if err := c.printAdopted(r.Topics); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s in %s: %d published, %d left\n", plural(r.Records, "record"), nearby(r.Dir), r.Published, r.Left)
	if r.SetAside > 0 {
		fmt.Fprintln(c.out, c.style.warn.apply(fmt.Sprintf("%s refused by Kafka and set aside: `postrider spool ls --dir %s` says why, `postrider spool requeue` tries again",
			plural(r.SetAside, "record"), nearby(r.Dir))))
	}
	if r.Lost > 0 {
		fmt.Fprintln(c.out, c.style.bad.apply(fmt.Sprintf("%s lost to damage on the disk, at most; what was found is in %s", plural(r.Lost, "record"), nearby(filepath.Join(r.Dir, "damaged")))))
	}
	return r.verdict()
}

// verdict is the command's error: nil if nothing is left.
func (r *adoption) verdict() error {
	switch {
	case r.Left > 0:
		return fmt.Errorf("spool: adopt: %s left in %s: nothing of it is lost; run it again to go on", are(r.Left+r.SetAside, "record"), r.Dir)
	case r.SetAside > 0:
		return fmt.Errorf("spool: adopt: Kafka refuses %s, which is kept in %s", plural(r.SetAside, "record"), r.Dir)
	}
	return nil
}

// printAdopted prints a row for each topic.
func (c *cli) printAdopted(topics []adoptedTopic) error {
	if len(topics) == 0 {
		return nil
	}
	name := column{title: "TOPIC"}
	for _, t := range topics {
		name.width = max(name.width, len(t.Topic))
	}
	out := newTable(c, name, column{title: "RECORDS"}, column{title: "LEFT"})
	for _, t := range topics {
		left := number(t.Left)
		if t.Left > 0 {
			left.paint = c.style.bad
		}
		if err := out.row(plain(t.Topic), number(t.Records), left); err != nil {
			return err
		}
	}
	fmt.Fprintln(c.out)
	return nil
}
