package main

import (
	"fmt"
	"slices"
	"strings"
)

// First marks for speed, on two cores shared with the load generator and Kafka.
const (
	markConns     = 64  // connections at which throughput and processor time are judged
	markPerSecond = 0.3 // at least this share of the yardstick's requests a second
	markCPU       = 4.0 // at most this multiple of the yardstick's processor time a request
	markP50       = 1.0 // at one connection, embedded broker without synchronous writes: below, in ms
)

// spread is the median of some measurements and how far they lie apart.
type spread struct {
	Median number `json:"median"`
	Min    number `json:"min"`
	Max    number `json:"max"`
}

// row is one target under one number of connections, over all rounds.
type row struct {
	Target     string         `json:"target"`
	Conns      int            `json:"connections"`
	PerSecond  spread         `json:"requests_per_second"`
	P50        spread         `json:"p50_ms"`
	P99        spread         `json:"p99_ms"`
	CPU        spread         `json:"cpu_seconds_per_100k"`
	Memory     spread         `json:"peak_rss_mib"`
	Others     spread         `json:"other_cores"`
	Generator  spread         `json:"generator_cpu_seconds_per_100k"`
	ShareOf    *spread        `json:"share_of_echo_requests_per_second,omitempty"` // of the yardstick in the same round
	MultipleOf *spread        `json:"multiple_of_echo_cpu,omitempty"`
	Errors     map[string]int `json:"errors,omitempty"`
	Faults     []string       `json:"faults,omitempty"`
}

// mark is a goal and whether a target reached it.
type mark struct {
	Target  string `json:"target"`
	Goal    string `json:"goal"`
	Got     number `json:"got"`
	Reached bool   `json:"reached"`
}

// rows puts the measurements together, targets in order of appearance, each
// with its numbers of connections in ascending order.
func rows(ms []measurement) []row {
	var rs []row
	for _, m := range ms {
		if !slices.ContainsFunc(rs, func(r row) bool { return r.Target == m.Target && r.Conns == m.Conns }) {
			rs = append(rs, newRow(ms, m.Target, m.Conns))
		}
	}
	var order []string
	for _, r := range rs {
		if !slices.Contains(order, r.Target) {
			order = append(order, r.Target)
		}
	}
	slices.SortStableFunc(rs, func(a, b row) int {
		if d := slices.Index(order, a.Target) - slices.Index(order, b.Target); d != 0 {
			return d
		}
		return a.Conns - b.Conns
	})
	return rs
}

// newRow makes the row of one target and number of connections.
func newRow(ms []measurement, target string, conns int) row {
	mine := slices.DeleteFunc(slices.Clone(ms), func(m measurement) bool { return m.Target != target || m.Conns != conns })
	r := row{
		Target: target, Conns: conns,
		PerSecond: spreadOf(mine, func(m measurement) number { return m.PerSecond }),
		P50:       spreadOf(mine, func(m measurement) number { return m.P50 }),
		P99:       spreadOf(mine, func(m measurement) number { return m.P99 }),
		CPU:       spreadOf(mine, func(m measurement) number { return m.CPU }),
		Memory:    spreadOf(mine, func(m measurement) number { return m.Memory }),
		Others:    spreadOf(mine, func(m measurement) number { return m.Others }),
		Generator: spreadOf(mine, func(m measurement) number { return m.GeneratorCP }),
	}
	if target != targetEcho {
		r.ShareOf = compared(ms, mine, func(m measurement) number { return m.PerSecond })
		r.MultipleOf = compared(ms, mine, func(m measurement) number { return m.CPU })
	}
	var t tally
	for _, m := range mine {
		for kind, n := range m.Errors {
			t.failed(kind, n)
		}
		if m.Fault != "" {
			r.Faults = append(r.Faults, fmt.Sprintf("round %d: %s", m.Round, m.Fault))
		}
	}
	r.Errors = t.errors
	return r
}

// spreadOf is the spread of one value over some measurements.
func spreadOf(ms []measurement, value func(measurement) number) spread {
	vs := make([]number, len(ms))
	for i, m := range ms {
		vs[i] = value(m)
	}
	return newSpread(vs)
}

// newSpread sorts vs; of an even count the median is the middle of the two in
// the middle. One value that is not known makes all of it unknown.
func newSpread(vs []number) spread {
	if len(vs) == 0 || slices.ContainsFunc(vs, func(v number) bool { return !v.known() }) {
		return spread{unknown(), unknown(), unknown()}
	}
	slices.Sort(vs)
	n := len(vs)
	return spread{Median: (vs[(n-1)/2] + vs[n/2]) / 2, Min: vs[0], Max: vs[n-1]}
}

// compared is the spread of a value divided by the yardstick's in the same round
// under the same number of connections; nil where that was not measured.
func compared(all, mine []measurement, value func(measurement) number) *spread {
	var ratios []number
	for _, m := range mine {
		i := slices.IndexFunc(all, func(e measurement) bool {
			return e.Target == targetEcho && e.Conns == m.Conns && e.Round == m.Round
		})
		if i >= 0 {
			ratios = append(ratios, value(m)/value(all[i]))
		}
	}
	if len(ratios) == 0 {
		return nil
	}
	s := newSpread(ratios)
	return &s
}

// marks judges the rows by the first marks, as far as they were measured.
func marks(rs []row) []mark {
	var found []mark
	for _, r := range rs {
		if r.Conns == markConns && r.ShareOf != nil {
			got, cpu := r.ShareOf.Median, r.MultipleOf.Median
			found = append(found,
				mark{r.Target, fmt.Sprintf("at least %g of echo's requests a second at %d connections", markPerSecond, markConns), got, got >= markPerSecond},
				mark{r.Target, fmt.Sprintf("at most %g times echo's processor time a request at %d connections", markCPU, markConns), cpu, cpu <= markCPU})
		}
		if r.Conns == 1 && strings.HasPrefix(r.Target, targetNoSync) {
			got := r.P50.Median
			found = append(found, mark{r.Target, fmt.Sprintf("p50 below %g ms at one connection", markP50), got, got < markP50})
		}
	}
	return found
}

// markBatch is how many events in batches a second a real Kafka acknowledges, at least.
const markBatch = 50_000

// batchMarks judges the best of the rows of a receiver on a real Kafka by its events a second.
func batchMarks(rs []row, events int) []mark {
	var found []mark
	for _, r := range rs {
		if strings.HasPrefix(r.Target, targetKafka) {
			got := r.PerSecond.Median * number(events)
			found = append(found, mark{r.Target, fmt.Sprintf("at least %d events a second in batches of %d over %d connections", markBatch, events, r.Conns), got, got >= markBatch})
		}
	}
	return found
}

// sound reports whether every request was answered 200 and every count agrees.
func sound(rs []row) bool {
	return !slices.ContainsFunc(rs, func(r row) bool { return len(r.Errors) > 0 || len(r.Faults) > 0 })
}
