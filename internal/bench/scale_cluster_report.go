package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// markTogether is the least share of one receiver's events a second that three on the
// same cores must reach: what they lose to each other is batches that are smaller.
const markTogether = 0.8

// clusterReport is what -cluster found out.
type clusterReport struct {
	Command  string     `json:"command"`
	Commit   string     `json:"commit"`
	Machine  machine    `json:"machine"`
	Notes    []string   `json:"notes"`
	Marks    []mark     `json:"marks"`
	Findings []string   `json:"findings"`
	Faults   []string   `json:"faults,omitempty"`
	Together []together `json:"measurements"`
}

func newClusterReport(ctx context.Context, o options, args []string) *clusterReport {
	return &clusterReport{
		Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir),
		Notes: []string{fmt.Sprintf("closed loop of %d connections through a balancer that passes connections on in turn, on a Kafka at %s; after one round that does not count, "+
			"%d rounds of %v, one receiver and %d in each, who goes first takes turns; the receivers share their configuration and nothing else",
			o.growthConns(), strings.Join(o.brokers, ","), o.rounds, o.duration, crowdSize)},
	}
}

// of are the measurements of so many receivers, round by round.
func (r *clusterReport) of(receivers int, value func(together) number) []number {
	var vs []number
	for _, m := range r.Together {
		if m.Receivers == receivers {
			vs = append(vs, value(m))
		}
	}
	return vs
}

// ratios compare the events a second of three with those of one, round by round.
func (r *clusterReport) ratios() spread {
	perSecond := func(m together) number { return m.PerSecond }
	one, three := r.of(1, perSecond), r.of(crowdSize, perSecond)
	vs := make([]number, 0, len(one))
	for i := range min(len(one), len(three)) {
		vs = append(vs, three[i]/one[i])
	}
	return newSpread(vs)
}

// unsound is errUnsound if something does not add up.
func (r *clusterReport) unsound() error {
	if len(r.Faults) > 0 || slices.ContainsFunc(r.Together, func(m together) bool { return len(m.Errors) > 0 || m.Fault != "" }) {
		return errUnsound
	}
	return nil
}

// write prints the report.
func (r *clusterReport) write(w io.Writer, form string) error {
	got := r.ratios()
	m := mark{Target: "cluster", Goal: fmt.Sprintf("%d receivers, at least %g of the events a second of one on the same processors", crowdSize, markTogether), Got: got.Median, Reached: got.Median >= markTogether}
	r.Marks = []mark{m}
	lines := []string{m.sentence(got.show("%.2f"))}
	for _, f := range r.Faults {
		lines = append(lines, "FAULT "+f)
	}
	for _, t := range r.Together {
		if len(t.Errors) > 0 || t.Fault != "" {
			lines = append(lines, fmt.Sprintf("FAULT %d receivers, round %d: %v %s", t.Receivers, t.Round, t.Errors, t.Fault))
		}
	}
	heading := (&report{Command: r.Command, Commit: r.Commit, Machine: r.Machine}).heading()
	return writeSheet(w, form, r, sheet{heading, r.table(), slices.Concat(lines, r.Findings, r.Notes)})
}

// table has a row for one receiver, and one for three.
func (r *clusterReport) table() [][]string {
	rows := [][]string{{"receivers", "events/s", "p50 ms", "p99 ms", "CPU µs/event, all", "records/batch"}}
	for _, n := range []int{1, crowdSize} {
		of := func(value func(together) number) spread { return newSpread(r.of(n, value)) }
		rows = append(rows, []string{
			strconv.Itoa(n), of(func(m together) number { return m.PerSecond }).show("%.0f"), of(func(m together) number { return m.P50 }).median("%.1f"),
			of(func(m together) number { return m.P99 }).median("%.1f"), of(func(m together) number { return m.Cost }).show("%.1f"), of(func(m together) number { return m.Batch }).median("%.1f"),
		})
	}
	return rows
}
