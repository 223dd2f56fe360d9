package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// soakReport is what a soak found out.
type soakReport struct {
	Command string         `json:"command"`
	Commit  string         `json:"commit"`
	Machine machine        `json:"machine"`
	Notes   []string       `json:"notes"`
	Series  []judgedSeries `json:"series"`
	Samples []soakSample   `json:"samples"`

	options options
	load    *tally
	fault   string
}

// judgedSeries is one value over the second half of a soak.
type judgedSeries struct {
	Name    string `json:"name"`
	Begin   number `json:"begin"` // of the second half, median of its first tenth
	End     number `json:"end"`   // median of its last tenth
	Slope   slope  `json:"slope"`
	Most    number `json:"most_per_hour"` // that the slope may be
	Verdict string `json:"verdict"`
}

// watched is a value that has to stay as it is.
type watched struct {
	name  string
	value func(soakSample) number
	least bool   // the least of a block counts, not its median
	share number // of its size that it may grow by within an hour
	floor number // what it may grow by within an hour at least
}

// watchedValues are those a soak judges. What a slope may be is a share of the value an
// hour: over the half of a half-hour less can hardly be told from noise.
func watchedValues() []watched {
	return []watched{
		{"RSS, MiB", func(s soakSample) number { return s.RSS }, false, 0.1, 4},
		{"heap in use, MiB", func(s soakSample) number { return s.Heap }, true, 0.1, 4},
		{"stacks, MiB", func(s soakSample) number { return s.Stack }, false, 0.1, 1},
		{"goroutines", func(s soakSample) number { return s.Goroutines }, false, 0.05, 4},
		{"threads", func(s soakSample) number { return s.Threads }, false, 0.1, 4},
		{"open files", func(s soakSample) number { return s.Files }, false, 0.05, 4},
		{"ids in the window", func(s soakSample) number { return s.IDs }, false, 0, 1},
		{"spool, MiB", func(s soakSample) number { return s.Spool }, false, 0, 1},
	}
}

func newSoakReport(ctx context.Context, o options, args []string) *soakReport {
	where := fmt.Sprintf("the embedded broker in the same process, which keeps %d MiB a partition and holds them in memory, too", soakBrokerBytes/mib)
	if o.brokers != nil {
		where = "a Kafka at " + strings.Join(o.brokers, ",")
	}
	return &soakReport{
		options: o, Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir),
		Notes: []string{
			fmt.Sprintf("%d signed requests a second for %v, open loop over %d connections, on %s", o.rate, o.soak, soakConns, where),
			fmt.Sprintf("the window of ids is bounded to %d, so that it is full after an eighth of the time: what it takes is no growth", o.soakIDs()),
			fmt.Sprintf("slopes are Theil's and Sen's over the second half, cut into %d blocks (of the heap the least of each), with bounds of 95 %%; a value is growing when its lower bound, "+
				"and flat when its upper bound is on that side of what is let pass", blocks),
		},
	}
}

// judge works out the slopes of the second half.
func (r *soakReport) judge() {
	half := r.Samples[len(r.Samples)/2:]
	r.Series = nil
	for _, w := range watchedValues() {
		points := make([]point, 0, len(half))
		for _, s := range half {
			if v := w.value(s); v.known() {
				points = append(points, point{float64(s.Seconds) / 3600, float64(v)})
			}
		}
		if len(points) == 0 {
			continue
		}
		j := judgedSeries{Name: w.name, Begin: middle(points[:(len(points)+9)/10]), End: middle(points[len(points)*9/10:]), Slope: slopeOf(condense(points, w.least))}
		j.Most = max(w.floor, w.share*j.Begin)
		j.Verdict = j.Slope.verdict(j.Most)
		r.Series = append(r.Series, j)
	}
}

// middle is the median of the values of points.
func middle(points []point) number {
	vs := make([]number, len(points))
	for i, p := range points {
		vs[i] = number(p.value)
	}
	return newSpread(vs).Median
}

// verdict is an error if something grows, or a request was lost.
func (r *soakReport) verdict() error {
	if len(r.load.errors) > 0 || r.fault != "" {
		return errUnsound
	}
	for _, s := range r.Series {
		if s.Verdict == verdictGrowing {
			return errGrowing
		}
	}
	return nil
}

// write prints the report.
func (r *soakReport) write(w io.Writer, form string) error {
	r.judge()
	heading := (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
	return writeSheet(w, form, r, sheet{heading, r.table(), r.remarks()})
}

// table has a row for each value.
func (r *soakReport) table() [][]string {
	rows := [][]string{{"value", "second half begins", "ends", "slope an hour", "at 95 %", "let pass an hour", "a day", "verdict"}}
	for _, s := range r.Series {
		show := func(n number) string { return spread{Median: n}.median("%.1f") }
		rows = append(rows, []string{
			s.Name, show(s.Begin), show(s.End), show(s.Slope.PerHour), show(s.Slope.Low) + " to " + show(s.Slope.High), show(s.Most), show(s.Slope.PerHour * 24), s.Verdict,
		})
	}
	return rows
}

// remarks are the lines below the table.
func (r *soakReport) remarks() []string {
	lines := []string{fmt.Sprintf("%d requests answered 200, p50 %v, p99 %v, longest %v, from when each was due", r.load.ok,
		r.load.latency.quantile(0.5).Round(10*time.Microsecond), r.load.latency.quantile(0.99).Round(10*time.Microsecond), r.load.latency.max.Round(time.Millisecond))}
	for kind, n := range r.load.errors {
		lines = append(lines, fmt.Sprintf("ERRORS %d × %s", n, kind))
	}
	if r.fault != "" {
		lines = append(lines, "FAULT "+r.fault)
	}
	if n := len(r.Samples); n > 0 {
		lines = append(lines, fmt.Sprintf("on the disk: %.0f MiB at half-time, %.0f MiB at the end (bounded by the embedded broker's and the spool's own limits)",
			float64(r.Samples[n/2].Disk), float64(r.Samples[n-1].Disk)))
	}
	return append(lines, r.Notes...)
}
