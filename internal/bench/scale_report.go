package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// markGrowth is the least share of the events per core at the small end of a dimension
// that the large end must reach.
const markGrowth = 0.8

// scaleReport is what -scale found out.
type scaleReport struct {
	Command      string    `json:"command"`
	Commit       string    `json:"commit"`
	Machine      machine   `json:"machine"`
	Notes        []string  `json:"notes"`
	Marks        []mark    `json:"marks"`
	Starts       []started `json:"starts"`
	Measurements []sized   `json:"measurements"`

	order []dimension
}

func newScaleReport(ctx context.Context, o options, args []string) *scaleReport {
	where := "on the embedded broker without synchronous writes, whose processor time is the receiver's"
	if o.brokers != nil {
		where = "on a Kafka at " + strings.Join(o.brokers, ",")
	}
	return &scaleReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir),
		Notes: []string{
			fmt.Sprintf("closed loop of %d connections %s; after one round that does not count, %d rounds of %v after %v of warm-up, both ends in each, who goes first takes turns; "+
				"medians, in brackets lowest and highest", o.growthConns(), where, o.rounds, o.duration, o.warmup),
			"per core: events per second of the receiver's own processor time; the ratio is that of the larger to the smaller end of the same round",
			"elsewhere: processor time of all but receiver and generator, brokers and whatever else runs on the machine",
		},
	}
}

// about adds a dimension whose ends are measured next.
func (r *scaleReport) about(d dimension) {
	r.order = append(r.order, d)
	r.Notes = append(r.Notes, d.name+": "+d.about)
}

// of are the measurements of an end, round by round.
func (r *scaleReport) of(d dimension, label string) []sized {
	return slices.DeleteFunc(slices.Clone(r.Measurements), func(m sized) bool { return m.Dimension != d.name || m.Size != label })
}

// spreadOfSized is the spread of a value.
func spreadOfSized(ms []sized, value func(sized) number) spread {
	vs := make([]number, len(ms))
	for i, m := range ms {
		vs[i] = value(m)
	}
	return newSpread(vs)
}

// ratios compare the events per core of the ends of a dimension, round by round.
func (r *scaleReport) ratios(d dimension) spread {
	low, high := r.of(d, d.ends[0].label), r.of(d, d.ends[1].label)
	vs := make([]number, 0, len(low))
	for i := range min(len(low), len(high)) {
		vs = append(vs, low[i].Cost/high[i].Cost)
	}
	return newSpread(vs)
}

// judge holds every dimension against the mark.
func (r *scaleReport) judge() {
	r.Marks = nil
	for _, d := range r.order {
		got := r.ratios(d)
		r.Marks = append(r.Marks, mark{
			Target: d.name, Got: got.Median, Reached: got.Median >= markGrowth,
			Goal: fmt.Sprintf("%s, %s: at least %g of the events per core", d.name, d.sizes(), markGrowth),
		})
	}
}

// write prints the report.
func (r *scaleReport) write(w io.Writer, form string) error {
	r.judge()
	heading := (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
	return writeSheet(w, form, r, sheet{heading, r.table(), r.remarks()})
}

// table has a row for each end.
func (r *scaleReport) table() [][]string {
	rows := [][]string{{"dimension", "size", "events/s", "p99 ms", "CPU µs/event", "events/s per core", "elsewhere µs/event", "records/batch", "batches/event", "bytes/event", "RSS MiB", "start s"}}
	for _, d := range r.order {
		for _, e := range d.ends {
			ms := r.of(d, e.label)
			per := func(value func(sized) number) spread { return spreadOfSized(ms, value) }
			rows = append(rows, []string{
				d.name, e.label, per(func(m sized) number { return m.Events }).show("%.0f"), per(func(m sized) number { return m.P99 }).median("%.1f"),
				per(func(m sized) number { return m.Cost }).show("%.1f"), per(func(m sized) number { return 1e6 / m.Cost }).median("%.0f"),
				per(func(m sized) number { return m.Elsewhere }).median("%.1f"), per(func(m sized) number { return m.Batch }).median("%.1f"),
				per(func(m sized) number { return m.Batches }).median("%.2f"), per(func(m sized) number { return m.Bytes }).median("%.0f"),
				per(func(m sized) number { return m.Memory }).median("%.0f"), r.startOf(d.name, e.label),
			})
		}
	}
	return rows
}

// startOf is how long an end took to start.
func (r *scaleReport) startOf(dimension, size string) string {
	for _, s := range r.Starts {
		if s.Dimension == dimension && s.Size == size {
			return spread{Median: s.Seconds}.median("%.1f")
		}
	}
	return ""
}

// remarks are the lines below the table.
func (r *scaleReport) remarks() []string {
	var lines []string
	for _, m := range r.Measurements {
		for kind, n := range m.Errors {
			lines = append(lines, fmt.Sprintf("ERRORS %s %s: %d × %s", m.Dimension, m.Size, n, kind))
		}
		if m.Fault != "" {
			lines = append(lines, fmt.Sprintf("FAULT %s %s: %s", m.Dimension, m.Size, m.Fault))
		}
	}
	for i, m := range r.Marks {
		lines = append(lines, m.sentence(r.ratios(r.order[i]).show("%.2f")))
	}
	for _, s := range r.Starts {
		if s.IDs > 0 {
			lines = append(lines, fmt.Sprintf("%d ids in the window: ready with all of them after %.1f s, %.0f MiB resident before any load", s.IDs, float64(s.Seconds), float64(s.Memory)))
		}
	}
	return append(lines, r.Notes...)
}
