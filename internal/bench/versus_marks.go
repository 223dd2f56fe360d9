package main

import (
	"fmt"
	"slices"
)

// Goals of the default receiver on a real Kafka beside the others, on the two cores that
// all of them share.
const (
	goalOfOTel = 2.0 // of the collector's requests a second, at 64 and 256 connections
	leastOTel  = 1.5
	goalOfEcho = 0.5 // of the bare handler's
	leastEcho  = 0.35
	goalP99    = 20.0 // ms at 64 connections
	goalCPU    = 2.5  // times the bare handler's processor time a request
	goalMemory = 64.0 // MiB
	goalTrip   = 1.5  // times the p50 of a bare round trip, at one connection

	goalBatch      = 150_000 // events a second
	leastBatch     = 100_000
	goalBatchMicro = 8.0 // µs of processor time an event
)

// atLeast and atMost judge a number.
func atLeast(target, goal string, got, least number) mark {
	return mark{target, goal, got, got >= least}
}

func atMost(target, goal string, got, most number) mark { return mark{target, goal, got, got <= most} }

// The values that are compared.
func perSecond(m measurement) number { return m.PerSecond }
func cpuTime(m measurement) number   { return m.CPU }
func p50(m measurement) number       { return m.P50 }

// ratio compares two targets round by round; nil where one was not measured.
func ratio(ms []measurement, target, other string, conns int, value func(measurement) number) *spread {
	var ratios []number
	for _, m := range ms {
		if m.Target != target || m.Conns != conns {
			continue
		}
		i := slices.IndexFunc(ms, func(e measurement) bool { return e.Target == other && e.Conns == conns && e.Round == m.Round })
		if i >= 0 {
			ratios = append(ratios, value(m)/value(ms[i]))
		}
	}
	if len(ratios) == 0 {
		return nil
	}
	s := newSpread(ratios)
	return &s
}

// versusMarks judges single events.
func versusMarks(ms []measurement) []mark {
	var found []mark
	for _, r := range rows(ms) {
		if r.Target != targetKafka {
			continue
		}
		if s := ratio(ms, r.Target, targetProduce, r.Conns, p50); s != nil && r.Conns == 1 {
			found = append(found, atMost(r.Target, fmt.Sprintf("p50 at one connection at most %g times that of a bare produce round trip", goalTrip), s.Median, goalTrip))
		}
		if r.Conns >= markConns {
			found = append(found, manyMarks(ms, r)...)
		}
	}
	return found
}

// manyMarks judges a row of many connections.
func manyMarks(ms []measurement, r row) (found []mark) {
	at := fmt.Sprintf(" at %d connections", r.Conns)
	if s := ratio(ms, r.Target, targetOTel, r.Conns, perSecond); s != nil {
		found = append(found,
			atLeast(r.Target, fmt.Sprintf("at least %g times the collector's requests a second%s", goalOfOTel, at), s.Median, goalOfOTel),
			atLeast(r.Target, fmt.Sprintf("the floor, %g times%s", leastOTel, at), s.Median, leastOTel))
	}
	if s := ratio(ms, r.Target, targetEcho, r.Conns, perSecond); s != nil {
		found = append(found,
			atLeast(r.Target, fmt.Sprintf("at least %g of echo's requests a second%s", goalOfEcho, at), s.Median, goalOfEcho),
			atLeast(r.Target, fmt.Sprintf("the floor, %g%s", leastEcho, at), s.Median, leastEcho))
	}
	if s := ratio(ms, r.Target, targetEcho, r.Conns, cpuTime); s != nil {
		found = append(found, atMost(r.Target, fmt.Sprintf("at most %g times echo's processor time a request%s", goalCPU, at), s.Median, goalCPU))
	}
	if r.Conns == markConns {
		found = append(found, atMost(r.Target, fmt.Sprintf("p99 at most %g ms%s", goalP99, at), r.P99.Median, goalP99))
	}
	return append(found, atMost(r.Target, fmt.Sprintf("peak memory beside the remembered ids at most %g MiB%s", goalMemory, at), besideWindow(ms, r).Median, goalMemory))
}

// besideWindow is the peak memory of a row's measurements without what the remembered ids
// take at most.
func besideWindow(ms []measurement, r row) spread {
	mine := slices.DeleteFunc(slices.Clone(ms), func(m measurement) bool { return m.Target != r.Target || m.Conns != r.Conns })
	return spreadOf(mine, func(m measurement) number { return m.Memory - m.Window })
}

// batchGoals judges the faster of the rows of batches.
func batchGoals(rs []row, events int) []mark {
	if len(rs) == 0 {
		return nil
	}
	best := slices.MaxFunc(rs, func(a, b row) int { return int(a.PerSecond.Median - b.PerSecond.Median) })
	speed, micro := best.PerSecond.Median*number(events), best.CPU.Median*microsecondsPer(events)
	over := fmt.Sprintf(" in batches of %d over %d connections", events, best.Conns)
	return []mark{
		atLeast(best.Target, fmt.Sprintf("at least %d events a second%s", goalBatch, over), speed, goalBatch),
		atLeast(best.Target, fmt.Sprintf("the floor, %d%s", leastBatch, over), speed, leastBatch),
		atMost(best.Target, fmt.Sprintf("at most %g µs of processor time an event%s", goalBatchMicro, over), micro, goalBatchMicro),
	}
}

// faultMarks want nothing lost by whatever was killed.
func faultMarks(os []outage) []mark {
	found := make([]mark, 0, len(os))
	for _, o := range os {
		lost := number(o.Lost)
		if o.Trouble != "" {
			lost = unknown() // which no goal is reached by
		}
		found = append(found, atMost(o.Target, "no accepted event lost ("+o.Killed+")", lost, 0))
	}
	return found
}
