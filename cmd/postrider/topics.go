package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/sender"
	"github.com/postrider/postrider/pkg/event"
)

// newTopics is `postrider topics` with its subcommand.
func newTopics(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Show the topics, what they hold and how they are set",
		Long: `Show every topic the configuration needs: what goes into it, what it holds, and
the settings that decide whether records are safe. Exit code 1 if one is missing.`,
		Example: `  postrider topics
  postrider topics --output json
  postrider topics create`,
		Args: onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.topics(cmd.Context(), false) },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "create",
		Short: "Create the topics that are missing",
		Long: `Create the topics that are missing, with the settings of kafka.topics, and show all
of them. Existing topics stay as they are. ` + "`postrider serve`" + ` does the same at its
start unless kafka.topics.create is never.`,
		Example: `  postrider topics create --config /etc/postrider/config.yaml`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.topics(cmd.Context(), true) },
	})
	return cmd
}

// topicRow is one topic.
type topicRow struct {
	Name            string   `json:"name"`
	Content         string   `json:"content"` // short names of the types, "raw requests", "dead letters"
	State           string   `json:"state"`   // ok | created | warning | missing
	Partitions      int      `json:"partitions"`
	Records         int64    `json:"records"` // between the first and the next offset
	Next            int64    `json:"next"`    // sum of the next offsets: records ever published
	Replication     int      `json:"replication"`
	MinISR          int      `json:"min_insync_replicas"`
	RetentionMillis int64    `json:"retention_ms"` // -1: for ever
	MaxMessageBytes int      `json:"max_message_bytes"`
	Warnings        []string `json:"warnings,omitempty"`

	retention time.Duration
}

// topics shows the topics, after creating those that are missing if create is set.
func (c *cli) topics(ctx context.Context, create bool) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	client, err := c.kafka(ctx, cfg)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	defer client.Close()
	specs := app.EveryTopic(cfg, cfg.EmbeddedBroker())
	reports, err := client.EnsureTopics(ctx, specs, create)
	var missing *broker.MissingTopicsError
	if err != nil && !errors.As(err, &missing) {
		return err //nolint:wrapcheck // it says who it is
	}
	rows, err := topicRows(ctx, client, cfg, specs, reports)
	if err != nil {
		return err
	}
	if err := c.printTopics(rows); err != nil {
		return err
	}
	if missing != nil {
		return fmt.Errorf("topics: %s missing: `postrider topics create` makes them, and so does `postrider serve` at its start unless kafka.topics.create is never",
			plural(len(missing.Specs), "topic"))
	}
	return nil
}

// topicRows puts together what is known of each topic, in the order of specs.
func topicRows(ctx context.Context, client *broker.Client, cfg *config.Config, specs []broker.TopicSpec, reports []broker.TopicReport) ([]topicRow, error) {
	there := make(map[string]broker.TopicReport, len(reports))
	for _, r := range reports {
		there[r.Name] = r
	}
	content := topicContents(cfg.Kafka.Topics)
	rows := make([]topicRow, len(specs))
	for i, s := range specs {
		rows[i] = topicRow{Name: s.Name, Content: content[s.Name], State: "missing"}
		if r, ok := there[s.Name]; ok {
			rows[i].describe(r)
			if err := rows[i].count(ctx, client); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

// topicContents says what goes into each topic.
func topicContents(t config.Topics) map[string]string {
	content := map[string]string{
		t.Raw(): "raw requests", t.Deadletter(): "dead letters", t.Seen(): "ids of accepted events", t.Replays(): "runs of replays",
	}
	names := app.TopicNames(t)
	if names.All != "" {
		content[names.All] = "every event"
	}
	for _, r := range event.Routes() {
		name := names.Typed[r]
		if content[name] != "" {
			content[name] += ", "
		}
		content[name] += sender.RouteWord(r)
	}
	return content
}

// describe takes over a report.
func (r *topicRow) describe(t broker.TopicReport) {
	r.State, r.Partitions, r.Replication, r.MinISR = "ok", t.Partitions, t.Replication, t.MinISR
	r.MaxMessageBytes, r.Warnings, r.retention = t.MaxMessageBytes, t.Warnings, t.Retention
	r.RetentionMillis = t.Retention.Milliseconds()
	if t.Retention < 0 {
		r.RetentionMillis = -1
	}
	switch {
	case len(t.Warnings) > 0:
		r.State = "warning"
	case t.Created:
		r.State = "created"
	}
}

// count asks what the topic holds.
func (r *topicRow) count(ctx context.Context, client *broker.Client) error {
	ranges, err := client.Offsets(ctx, r.Name)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	for _, p := range ranges {
		r.Records += p.Next - p.First
		r.Next += p.Next
	}
	return nil
}

// printTopics prints the rows and the warnings below them.
func (c *cli) printTopics(rows []topicRow) error {
	if c.json() {
		return json.NewEncoder(c.out).Encode(rows) //nolint:wrapcheck // standard output
	}
	t := newTable(c, topicColumns(rows)...)
	for _, r := range rows {
		if err := t.row(r.cells(c.style)...); err != nil {
			return err
		}
	}
	for _, r := range rows {
		for _, w := range r.Warnings {
			fmt.Fprintln(c.out, c.style.warn.apply("warning: "+w))
		}
	}
	return nil
}

// topicColumns are as wide as the rows need.
func topicColumns(rows []topicRow) []column {
	columns := []column{
		{title: "TOPIC"},
		{title: "CONTENT"},
		{title: "STATE"},
		{title: "PARTITIONS"},
		{title: "RECORDS"},
		{title: "REPLICAS"},
		{title: "MIN ISR"},
		{title: "RETENTION"},
		{title: "MAX MESSAGE"},
	}
	for _, r := range rows {
		for i, cell := range r.cells(style{}) {
			columns[i].width = max(columns[i].width, len(cell.text))
		}
	}
	return columns
}

// cells are the fields of one row.
func (r *topicRow) cells(st style) []cell {
	state := cell{r.State, map[string]paint{"ok": st.good, "created": st.good, "warning": st.warn, "missing": st.bad}[r.State]}
	if r.State == "missing" {
		return []cell{plain(r.Name), plain(r.Content), state}
	}
	return []cell{
		plain(r.Name), plain(r.Content), state, number(r.Partitions), number(r.Records),
		number(r.Replication), number(r.MinISR), plain(span(r.retention)), plain(size(r.MaxMessageBytes)),
	}
}

// number is a cell with a number.
func number[T int | int64](n T) cell { return plain(strconv.FormatInt(int64(n), 10)) }

// span writes a long duration: "30d", "12h", "for ever".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "for ever"
	case d == 0:
		return "?"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}

// size writes a number of bytes, to a tenth: "16 MiB", "1 MiB" also for the few
// bytes more that brokers have as their default.
func size(n int) string {
	scaled := func(unit int) string {
		return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(unit), 'f', 1, 64), ".0")
	}
	switch {
	case n == 0:
		return "?"
	case n >= 1<<20:
		return scaled(1<<20) + " MiB"
	case n >= 1<<10:
		return scaled(1<<10) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}
