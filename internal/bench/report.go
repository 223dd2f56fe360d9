package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is everything a run found out.
type report struct {
	Command      string        `json:"command"`
	Commit       string        `json:"commit"`
	Machine      machine       `json:"machine"`
	Notes        []string      `json:"notes"`
	Rows         []row         `json:"rows"`
	Marks        []mark        `json:"marks"`
	Measurements []measurement `json:"measurements"`
}

// notes says what a reader must know to read the numbers.
func notes(o options, m machine) []string {
	n := []string{
		fmt.Sprintf("closed loop of "+o.load()+"; median of %d rounds of %v after %v of warm-up, in brackets lowest and highest",
			o.rounds, o.duration, o.warmup),
		"echo is a bare Echo handler that reads the body and answers 200; a ratio compares measurements of the same round",
		"load generator and targets share the processors; `others` is how many of them everything else took, other virtual machines of the host and a Kafka of -brokers included",
	}
	if slices.Contains(o.targets, targetSync) || slices.Contains(o.targets, targetNoSync) {
		n = append(n, "sync and nosync run the embedded broker inside the measured process: its processor time and memory are included")
	}
	if m.Disk == "tmpfs" {
		n = append(n, "the data folder is in memory (tmpfs): synchronous writes cost nothing here; choose a disk with -dir")
	}
	return n
}

// load names what is sent.
func (o *options) load() string {
	if o.batch > 0 {
		return strconv.Itoa(o.batch) + " SendGrid delivered events a signed request, each distinct"
	}
	return "signed JetEmail delivered events, each distinct"
}

// write prints the report in one of the three forms.
func (r *report) write(w io.Writer, form string) error {
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

// columns are the heads of the table.
func columns() []string {
	return []string{
		"target", "conns", "req/s", "p50 ms", "p99 ms", "CPU-s/100k", "peak RSS MiB", "req/s of echo", "CPU of echo", "others",
	}
}

// cells are one row of the table.
func (r row) cells() []string {
	share, multiple := "", ""
	if r.ShareOf != nil {
		share, multiple = r.ShareOf.show("%.2f"), r.MultipleOf.show("%.2f")
	}
	return []string{
		r.Target, strconv.Itoa(r.Conns), r.PerSecond.show("%.0f"), r.P50.show("%.2f"), r.P99.show("%.2f"),
		r.CPU.show("%.2f"), r.Memory.median("%.0f"), share, multiple, r.Others.median("%.1f"),
	}
}

// show writes median and range.
func (s spread) show(format string) string {
	if !s.Median.known() {
		return "n/a"
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", float64(s.Median), float64(s.Min), float64(s.Max))
}

// median writes the median alone.
func (s spread) median(format string) string {
	if !s.Median.known() {
		return "n/a"
	}
	return fmt.Sprintf(format, float64(s.Median))
}

// heading is what was measured, where.
func (r *report) heading() []string {
	m := r.Machine
	disk := m.Folder
	if m.Disk != "" {
		disk += " (" + m.Disk + ")"
	}
	return []string{
		"command: " + r.Command,
		"commit: " + r.Commit,
		fmt.Sprintf("machine: %d × %s, %s, %s; load average at start %s; data in %s", m.Cores, or(m.Processor, "unknown processor"), m.System, m.Go, or(m.LoadAt, "n/a"), disk),
	}
}

// or is s, or another text where s is empty.
func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// text is the report for a terminal.
func (r *report) text() string {
	var b strings.Builder
	for _, line := range r.heading() {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintln(&b)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns(), "\t"))
	for _, row := range r.Rows {
		fmt.Fprintln(t, strings.Join(row.cells(), "\t"))
	}
	_ = t.Flush() // a strings.Builder takes everything
	fmt.Fprintln(&b)
	for _, line := range r.remarks() {
		fmt.Fprintln(&b, line)
	}
	return b.String()
}

// markdown is the report for a document.
func (r *report) markdown() string {
	var b strings.Builder
	for _, line := range r.heading() {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, "- %s: `%s`\n", key, value)
	}
	fmt.Fprintf(&b, "\n| %s |\n|%s\n", strings.Join(columns(), " | "), strings.Repeat("---|", len(columns())))
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row.cells(), " | "))
	}
	fmt.Fprintln(&b)
	for _, line := range r.remarks() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	return b.String()
}

// remarks are the lines below the table: trouble first, then marks and notes.
func (r *report) remarks() []string {
	var lines []string
	for _, row := range r.Rows {
		for _, kind := range slices.Sorted(maps.Keys(row.Errors)) {
			lines = append(lines, fmt.Sprintf("ERRORS %s, %d connections: %d × %s", row.Target, row.Conns, row.Errors[kind], kind))
		}
		for _, fault := range row.Faults {
			lines = append(lines, fmt.Sprintf("FAULT %s, %d connections: %s", row.Target, row.Conns, fault))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "every request was answered 200, and every receiver counted as many events published as requests answered 200")
	}
	for _, m := range r.Marks {
		verdict := "missed"
		if m.Reached {
			verdict = "reached"
		}
		lines = append(lines, fmt.Sprintf("mark %s: %s, %s: %s", verdict, m.Target, m.Goal, spread{Median: m.Got}.median("%.2f")))
	}
	return append(lines, r.Notes...)
}
