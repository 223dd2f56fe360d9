package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// versusReport is everything that a comparison found out.
type versusReport struct {
	Command      string        `json:"command"`
	Commit       string        `json:"commit"`
	Machine      machine       `json:"machine"`
	Entrants     []described   `json:"entrants"`
	Missing      []string      `json:"missing"` // who could not be installed, and why
	Rows         []row         `json:"rows"`
	BatchRows    []row         `json:"batch_rows"`
	Faults       []outage      `json:"faults"`
	Marks        []mark        `json:"marks"`
	Notes        []string      `json:"notes"`
	Measurements []measurement `json:"measurements"`
	Batches      []measurement `json:"batches"`

	installed []peer
}

// described says who somebody is.
type described struct {
	Name string `json:"name"`
	Does string `json:"does"`
	Ours bool   `json:"ours"`
}

func newVersusReport(ctx context.Context, o options, args []string) *versusReport {
	r := &versusReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir),
	}
	r.Notes = []string{
		fmt.Sprintf("single events: closed loop of "+o.load()+", one a request, the same bytes to all but otel, which gets the event as the text of a log record; "+
			"median of %d rounds of %v after %v of warm-up, in brackets lowest and highest", o.rounds, o.duration, o.warmup),
		"every program runs for the whole time, one at a time under load, in turn, the other way round every other round, after a first load that does not count; ratios compare measurements of the same round",
		"load generator, Kafka and programs share the processors; `others` is how many of them everything but program and generator took",
		"sync and nosync have their broker inside: its processor time and memory are theirs",
		fmt.Sprintf("kills: %d distinct events a second over %d connections, none sent twice; the broker is away for %v and the time of its start; "+
			"lost: answered 200, not in the topic; twice: in the topic more than once; ghosts: not answered 200, in the topic all the same, so that the sender's next attempt is another copy",
			steadyRate, steadyConns, downForBroker),
		"only kafkago and postrider verify signatures; only postrider normalizes, keeps a raw copy, knows repeats (what it publishes twice has one id) and counts",
	}
	return r
}

// judge makes the rows and holds them against the goals.
func (r *versusReport) judge() {
	r.Rows, r.BatchRows = rows(r.Measurements), rows(r.Batches)
	r.Marks = slices.Concat(versusMarks(r.Measurements), batchGoals(r.BatchRows, versusBatch), faultMarks(r.ours(r.Faults)))
}

// ours are the outages of this project's receivers.
func (r *versusReport) ours(all []outage) []outage {
	return slices.DeleteFunc(slices.Clone(all), func(o outage) bool { return !r.isOurs(o.Target) })
}

func (r *versusReport) isOurs(name string) bool {
	return slices.ContainsFunc(r.Entrants, func(d described) bool { return d.Ours && d.Name == name })
}

// sound reports whether our own numbers are to be believed. What others do wrong is a
// result.
func (r *versusReport) sound() bool {
	mine := slices.DeleteFunc(slices.Clone(r.Rows), func(w row) bool { return !r.isOurs(w.Target) })
	broken := slices.ContainsFunc(r.ours(r.Faults), func(o outage) bool { return o.Lost > 0 || o.Trouble != "" })
	return sound(mine) && sound(r.BatchRows) && !broken
}

// write prints the report in one of the three forms.
func (r *versusReport) write(w io.Writer, form string) error {
	if form == outputJSON {
		return writeSheet(w, form, r, sheet{})
	}
	sheets := []sheet{
		{heading: r.heading(), table: r.singles()},
		{heading: []string{fmt.Sprintf("batches: %d SendGrid delivered events a signed request, each distinct", versusBatch)}, table: r.batches()},
		{heading: []string{"kills: what was accepted, and what of it is in Kafka"}, table: r.kills()},
		{remarks: r.remarks()},
	}
	for _, s := range sheets {
		if len(s.table) > 1 || len(s.remarks) > 0 {
			if err := writeSheet(w, form, nil, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// heading is what was measured, where, and of whom.
func (r *versusReport) heading() []string {
	lines := (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
	for _, d := range r.Entrants {
		lines = append(lines, d.Name+": "+strings.ReplaceAll(d.Does, "`", ""))
	}
	return lines
}

// singles is the table of single events.
func (r *versusReport) singles() [][]string {
	table := [][]string{{"target", "conns", "req/s", "p50 ms", "p99 ms", "CPU-s/100k", "peak RSS MiB", "req/s of echo", "CPU of echo", "req/s of otel", "others"}}
	for _, w := range r.Rows {
		cells := w.cells()
		ofOTel := ""
		if s := ratio(r.Measurements, w.Target, targetOTel, w.Conns, perSecond); s != nil && w.Target != targetOTel {
			ofOTel = s.show("%.2f")
		}
		table = append(table, slices.Insert(cells, len(cells)-1, ofOTel))
	}
	return table
}

// batches is the table of batches, by events.
func (r *versusReport) batches() [][]string {
	table := [][]string{{"target", "conns", "events/s", "p50 of a request ms", "p99 ms", "CPU µs/event", "peak RSS MiB", "others"}}
	for _, w := range r.BatchRows {
		table = append(table, []string{
			w.Target, strconv.Itoa(w.Conns), w.PerSecond.times(versusBatch).show("%.0f"), w.P50.show("%.1f"), w.P99.show("%.1f"),
			w.CPU.times(microsecondsPer(versusBatch)).show("%.1f"), w.Memory.median("%.0f"), w.Others.median("%.1f"),
		})
	}
	return table
}

// microsecondsPer turns seconds for 100,000 requests into microseconds for one of so many
// events.
func microsecondsPer(events int) number { return number(10 / float64(events)) }

// times is the spread of the values times f.
func (s spread) times(f number) spread { return spread{s.Median * f, s.Min * f, s.Max * f} }

// kills is the table of what was broken.
func (r *versusReport) kills() [][]string {
	table := [][]string{{"target", "killed", "accepted", "refused", "unanswered", "lost", "twice", "ghosts", "longest answer ms"}}
	for _, o := range r.Faults {
		if o.Trouble != "" {
			continue // it is told below
		}
		line := []string{o.Target, o.Killed}
		for _, n := range []int{o.Accepted, o.Refused, o.Unanswered, o.Lost, o.Twice, o.Ghosts} {
			line = append(line, strconv.Itoa(n))
		}
		table = append(table, append(line, spread{Median: o.Longest}.median("%.0f")))
	}
	return table
}

// remarks are the lines below the tables: trouble first, then marks and notes.
func (r *versusReport) remarks() []string {
	lines := slices.Clone(r.Missing)
	for _, w := range slices.Concat(r.Rows, r.BatchRows) {
		for _, kind := range slices.Sorted(maps.Keys(w.Errors)) {
			lines = append(lines, fmt.Sprintf("ERRORS %s, %d connections: %d × %s", w.Target, w.Conns, w.Errors[kind], kind))
		}
		for _, fault := range w.Faults {
			lines = append(lines, fmt.Sprintf("FAULT %s, %d connections: %s", w.Target, w.Conns, fault))
		}
	}
	for _, o := range r.Faults {
		if o.Trouble != "" {
			lines = append(lines, fmt.Sprintf("TROUBLE %s, %s: %s", o.Target, o.Killed, strings.ReplaceAll(o.Trouble, "\n", " ")))
		}
	}
	for _, m := range r.Marks {
		lines = append(lines, m.Target+": "+m.sentence(spread{Median: m.Got}.median("%.2f")))
	}
	return append(lines, r.Notes...)
}
