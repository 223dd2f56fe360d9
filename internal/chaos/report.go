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
	"time"
)

// report is what a run came to.
type report struct {
	Command string        `json:"command"`
	Commit  string        `json:"commit"`
	Seed    uint64        `json:"seed"`
	Machine string        `json:"machine"`
	Kafka   string        `json:"kafka"`
	Took    time.Duration `json:"took"`
	Phases  []*result     `json:"phases"`
	Faults  []string      `json:"invented,omitempty"` // records that nobody sent
}

// line is a phase in one line.
func (r *result) line() string {
	verdict := "ok"
	if len(r.Breaches) > 0 {
		verdict = "BROKEN: " + strings.Join(r.Breaches, "; ")
	}
	return fmt.Sprintf("%d events accepted, %d lost, %d altered, %d duplicates, %d out of order, p99 %s, max %s, %s in %.0f s: %s",
		r.Accepted, r.Lost, r.Altered, r.Duplicates, r.Order, ms(r.P99), ms(r.Max), r.broken(), r.Took.Seconds(), verdict)
}

// broken says what was broken and how often.
func (r *result) broken() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		if !strings.HasSuffix(kind, over) {
			parts = append(parts, fmt.Sprintf("%d × %s", r.Faults[kind], kind))
		}
	}
	return strings.Join(parts, ", ")
}

// ms writes a time in milliseconds, short.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	if v < 10 {
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

// columns are the table's.
func columns() []string {
	return []string{"phase", "broken", "requests", "sent again", "events accepted", "present", "lost", "altered", "duplicates (in flight or spooled at kills)", "out of order", "answer p50", "p99", "max"}
}

// cells is a phase as a row.
func (r *result) cells() []string {
	dup := fmt.Sprintf("%d (%d)", r.Duplicates, r.InFlight)
	name := r.Phase
	if r.Nodes > 1 {
		name += fmt.Sprintf(", %d nodes", r.Nodes)
	}
	return []string{
		name, r.broken(), number(r.Requests), number(r.Retried), number(r.Accepted), number(r.Present), number(r.Lost + r.RawLost),
		number(r.Altered), dup, number(r.Order), quantileCell(r.P50), quantileCell(r.P99), ms(r.Max),
	}
}

// quantileCell writes a quantile; of all phases together there is none.
func quantileCell(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return ms(d)
}

// number writes a number with its thousands apart.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// sum is the row of all phases together.
func (r *report) sum() *result {
	all := &result{verdict: verdict{Phase: "all", Faults: map[string]int{}}}
	for _, p := range r.Phases {
		all.Requests += p.Requests
		all.Retried += p.Retried
		all.Accepted += p.Accepted
		all.Present += p.Present
		all.Lost += p.Lost
		all.RawLost += p.RawLost
		all.Altered += p.Altered
		all.Duplicates += p.Duplicates
		all.InFlight += p.InFlight
		all.Order += p.Order
		all.Max = max(all.Max, p.Max)
		for kind, n := range p.Faults {
			all.Faults[kind] += n
		}
	}
	return all
}

// sound reports whether nothing was breached.
func (r *report) sound() bool {
	return len(r.Faults) == 0 && !slices.ContainsFunc(r.Phases, func(p *result) bool { return len(p.Breaches) > 0 })
}

// write writes the report.
func (r *report) write(w io.Writer, form string) error {
	if form == outputJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r) //nolint:wrapcheck // to the terminal
	}
	fmt.Fprintf(w, "\n- command: `%s`\n- commit: `%s`\n- seed: %d\n- machine: %s, %s\n- took: %s\n\n", r.Command, r.Commit, r.Seed, r.Machine, r.Kafka, r.Took.Round(time.Second))
	if form == outputMarkdown {
		r.markdown(w)
	} else if err := r.text(w); err != nil {
		return err
	}
	r.details(w)
	return nil
}

// markdown writes the table.
func (r *report) markdown(w io.Writer) {
	row := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	row(columns())
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(columns())))
	for _, p := range append(slices.Clone(r.Phases), r.sum()) {
		cells := p.cells()
		row(cells)
	}
	fmt.Fprintln(w)
}

// text writes the table for a terminal.
func (r *report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns(), "\t"))
	for _, p := range append(slices.Clone(r.Phases), r.sum()) {
		fmt.Fprintln(t, strings.Join(p.cells(), "\t"))
	}
	return t.Flush() //nolint:wrapcheck // to the terminal
}

// details writes notes and breaches.
func (r *report) details(w io.Writer) {
	for _, p := range r.Phases {
		for _, n := range p.notes() {
			fmt.Fprintf(w, "- %s: %s\n", p.Phase, n)
		}
	}
	for _, p := range r.Phases {
		for _, b := range p.Breaches {
			fmt.Fprintf(w, "- BROKEN %s: %s\n", p.Phase, b)
		}
	}
	for _, f := range r.Faults {
		fmt.Fprintf(w, "- BROKEN (I2): invented: %s\n", f)
	}
}

// notes are a phase's figures beyond the table.
func (r *result) notes() []string {
	notes := slices.Clone(r.Notes)
	for _, what := range slices.Sorted(maps.Keys(r.times)) {
		notes = append(notes, fmt.Sprintf("%s %.1f s", what, r.times[what].Seconds()))
	}
	if r.leaders > 0 {
		notes = append(notes, fmt.Sprintf("%d partitions lost their leader", r.leaders))
	}
	if r.OutageFirst.Count > 0 {
		notes = append(notes, fmt.Sprintf("while Kafka was away: %d answers in the first %s, p99 %s; %d after that, p99 %s",
			r.OutageFirst.Count, outageFirst, ms(r.OutageFirst.P99), r.OutageLater.Count, ms(r.OutageLater.P99)))
	}
	if r.Late > 0 {
		notes = append(notes, fmt.Sprintf("%d answers after 2.5 s, %d of them beyond the slack; this program was not scheduled for up to %s during them", r.Late, r.LateReal, ms(r.Stall)))
	}
	if r.GivenUp > 0 {
		notes = append(notes, fmt.Sprintf("%d events of providers that never try again were not accepted", r.GivenUp))
	}
	if r.Peak > 0 {
		notes = append(notes, fmt.Sprintf("the receiver at most %.0f MiB; at rest %d goroutines, %d open files", r.Peak, r.Goroutines, r.Files))
	}
	return notes
}
