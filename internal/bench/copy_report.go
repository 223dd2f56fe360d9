package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// copyReport is everything that -copy found out.
type copyReport struct {
	Command string   `json:"command"`
	Commit  string   `json:"commit"`
	Machine machine  `json:"machine"`
	Notes   []string `json:"notes"`
	Ratio   spread   `json:"ratio"`
	Mark    mark     `json:"mark"`
	Pairs   []pair   `json:"pairs"`
}

// markCopy is the least share of raw copying that a replay should reach.
const markCopy = 0.7

func newCopyReport(o options, args []string, pairs []pair) *copyReport {
	ratios := make([]number, len(pairs))
	for i, p := range pairs {
		ratios[i] = p.Ratio
	}
	where := "the embedded broker in the same process"
	if o.brokers != nil {
		where = "a Kafka on " + strings.Join(o.brokers, ",")
	}
	r := &copyReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Machine: thisMachine(o.dir), Pairs: pairs, Ratio: newSpread(ratios),
		Notes: []string{
			fmt.Sprintf("%d records in %d partitions of %s, copied from topic to topic; after one round that does not count, %d pairs, who goes first takes turns",
				o.records, o.partitions, where, len(pairs)),
			"raw is kafka-go's Client.Fetch and Client.Produce for each partition at once, values not decoded, without marks, checkpoints or idempotence",
		},
	}
	r.Mark = mark{"replay", fmt.Sprintf("at least %g of the records a second of raw copying", markCopy), r.Ratio.Median, r.Ratio.Median >= markCopy}
	return r
}

// write prints the report in one of the three forms.
func (r *copyReport) write(w io.Writer, form string) error {
	var err error
	switch form {
	case outputJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	case outputMarkdown:
		_, err = io.WriteString(w, r.markdown())
	default:
		_, err = io.WriteString(w, r.text())
	}
	if err != nil {
		return fmt.Errorf("bench: write report: %w", err)
	}
	return nil
}

// table is heads and rows.
func (r *copyReport) table() [][]string {
	rows := [][]string{{"round", "first", "raw records/s", "replay records/s", "ratio", "raw CPU-s/100k", "replay CPU-s/100k"}}
	for _, p := range r.Pairs {
		rows = append(rows, []string{
			strconv.Itoa(p.Round), p.First, fmt.Sprintf("%.0f", float64(p.Raw.PerSecond)), fmt.Sprintf("%.0f", float64(p.Replay.PerSecond)),
			fmt.Sprintf("%.2f", float64(p.Ratio)), spread{Median: p.Raw.CPU}.median("%.2f"), spread{Median: p.Replay.CPU}.median("%.2f"),
		})
	}
	return rows
}

// remarks are the lines below the table.
func (r *copyReport) remarks() []string {
	verdict := "missed"
	if r.Mark.Reached {
		verdict = "reached"
	}
	return append([]string{fmt.Sprintf("mark %s: %s: %s", verdict, r.Mark.Goal, r.Ratio.show("%.2f"))}, r.Notes...)
}

func (r *copyReport) heading() []string {
	return (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
}

// text is the report for a terminal.
func (r *copyReport) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(r.heading(), "\n")+"\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range r.table() {
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // a strings.Builder takes everything
	fmt.Fprintln(&b, "\n"+strings.Join(r.remarks(), "\n"))
	return b.String()
}

// markdown is the report for a document.
func (r *copyReport) markdown() string {
	var b strings.Builder
	for _, line := range r.heading() {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, "- %s: `%s`\n", key, value)
	}
	fmt.Fprintln(&b)
	for i, cells := range r.table() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(cells)))
		}
	}
	fmt.Fprintln(&b)
	for _, line := range r.remarks() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String()
}
