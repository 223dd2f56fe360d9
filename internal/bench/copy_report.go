package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
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
	r := &copyReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Machine: thisMachine(o.dir), Pairs: pairs, Ratio: newSpread(ratios),
		Notes: []string{
			fmt.Sprintf("%d records in %d partitions of %s, copied from topic to topic; after one round that does not count, %d pairs, who goes first takes turns",
				o.records, o.partitions, o.where(), len(pairs)),
			"raw is kafka-go's Client.Fetch and Client.Produce for each partition at once, values not decoded, without marks, checkpoints or idempotence",
		},
	}
	r.Mark = mark{"replay", fmt.Sprintf("at least %g of the records a second of raw copying", markCopy), r.Ratio.Median, r.Ratio.Median >= markCopy}
	return r
}

// write prints the report in one of the three forms.
func (r *copyReport) write(w io.Writer, form string) error {
	return writeSheet(w, form, r, sheet{r.heading(), r.table(), r.remarks()})
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
	return append([]string{r.Mark.sentence(r.Ratio.show("%.2f"))}, r.Notes...)
}

func (r *copyReport) heading() []string {
	return (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
}
