package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Report judges every request of the window. Add nothing afterwards.
func (a *Audit) Report() *Report {
	a.findTwins()
	a.findCover()
	a.ledger.all(func(q *request) {
		if a.inside(q) {
			a.judge(q, &a.sources[q.source])
		}
	})
	r := &a.report
	r.Total.Name = "all"
	for i := range a.sources {
		r.Total.add(&a.sources[i])
	}
	r.Sources = slices.SortedFunc(slices.Values(a.sources), func(x, y Source) int { return cmp.Compare(x.Name, y.Name) })
	return r
}

// judge files one request.
func (a *Audit) judge(q *request, row *Source) {
	switch {
	case !q.state.has(rawThere | rawSpooled):
		a.judgeOrphan(q, row)
	case a.has(q) < q.wants():
		a.judgePart(q, row)
	case q.spooled > 0 || !q.state.has(rawThere):
		row.Spooled++
	case q.expected == unknownCount:
		row.Uncheckable++
	case q.items > q.expected:
		row.Surplus++
		a.find(a.about(q, Surplus, fmt.Sprintf("the request says that it has %d, and %d are there", q.expected, q.items)))
	}
}

// has is how many items the request has.
func (a *Audit) has(q *request) int32 {
	n := q.items + q.spooled
	if a.opt.Repeating[a.sources[q.source].Name] {
		n += q.copies
	}
	return n
}

// wants is how many items the request must have. A raw record that does not
// count was only published for requests with at least one.
func (q *request) wants() int32 {
	if q.expected == unknownCount {
		return 1
	}
	return q.expected
}

// whole reports whether a request has its raw record, says how many items it has,
// and has them.
func (a *Audit) whole(q *request) bool {
	return q.state.has(rawThere|rawSpooled) && q.expected != unknownCount && a.has(q) >= q.expected
}

// judgePart files a request that lacks items.
func (a *Audit) judgePart(q *request, row *Source) {
	switch {
	case q.state.has(twinWhole):
		row.Explained++
	case q.received < a.typedKept.UnixMilli():
		row.Uncheckable++
	case q.received >= a.opt.Settled.UnixMilli():
		row.InProgress++
	default:
		row.Incomplete++
		a.find(a.about(q, Incomplete, a.lacks(q)))
	}
}

// lacks says what a request lacks.
func (a *Audit) lacks(q *request) string {
	if q.expected == unknownCount {
		return "none of the request's events and dead letters is there"
	}
	return fmt.Sprintf("%d of %d events and dead letters are missing", q.expected-a.has(q), q.expected)
}

// judgeOrphan files items whose raw record is not there.
func (a *Audit) judgeOrphan(q *request, row *Source) {
	switch {
	case q.covered == q.items+q.spooled:
		row.Explained++
	case q.received < a.rawKept.UnixMilli():
		row.Uncheckable++
	case q.received >= a.opt.Settled.UnixMilli():
		row.InProgress++
	default:
		row.Orphaned++
		a.find(a.about(q, Orphaned, "the raw record that they name is missing"))
	}
}

// about begins a finding on a request.
func (a *Audit) about(q *request, kind, detail string) Finding {
	return Finding{
		Kind: kind, Source: a.sources[q.source].Name, RawID: q.name(), Place: a.ledger.place(q.at),
		ReceivedAt: time.UnixMilli(q.received).UTC(), Expected: int(max(q.expected, 0)), Found: int(q.items), Detail: detail,
	}
}

// find keeps a finding as long as there are not too many of its kind.
func (a *Audit) find(f Finding) {
	if a.kept[f.Kind]++; a.kept[f.Kind] > a.opt.MaxFindings {
		a.report.Omitted[f.Kind]++
		return
	}
	a.report.Findings = append(a.report.Findings, f)
}

// twin is what requests with the same content have in common.
type twin struct {
	body   uint64
	source uint32
}

// findTwins marks the requests that lack something and have a twin that is
// whole: a provider sends what was not answered with 2xx again, as it was. The
// twin must have at least as many items of its own: one whose events were taken
// for repeats of this very request proves nothing.
func (a *Audit) findTwins() {
	best := map[twin]int32{} // of whole twins, the most items
	a.ledger.all(func(q *request) {
		if q.state.has(rawThere|rawSpooled) && a.has(q) < q.wants() {
			best[twin{q.body, q.source}] = -1
		}
	})
	a.ledger.all(func(q *request) {
		t := twin{q.body, q.source}
		if most, wanted := best[t]; wanted && a.whole(q) {
			best[t] = max(most, q.expected)
		}
	})
	a.ledger.all(func(q *request) {
		if most, ok := best[twin{q.body, q.source}]; ok && most >= q.wants() && !a.whole(q) {
			q.state |= twinWhole
		}
	})
}

// findCover counts the items of each request without a raw record that another
// one, with a raw record, has too: that is the provider's retry after a crash
// between the two.
func (a *Audit) findCover() {
	covered := map[key]bool{}
	for p := range a.ledger.more {
		if a.hasRaw(p.number) || a.hasRaw(a.ledger.holder[p.item].number()) {
			covered[p.item] = true
		}
	}
	for item := range covered {
		a.ledger.at(a.ledger.holder[item].number()).covered++
	}
	for p := range a.ledger.more {
		if covered[p.item] {
			a.ledger.at(p.number).covered++
		}
	}
}

// hasRaw reports whether the raw record of a request is there.
func (a *Audit) hasRaw(number uint32) bool {
	return a.ledger.at(number).state.has(rawThere | rawSpooled)
}
