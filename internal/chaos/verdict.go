package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// verdict is what the ledger says of one phase.
type verdict struct {
	Phase    string         `json:"phase"`
	Requests int            `json:"requests"`
	Attempts int            `json:"attempts"`
	Retried  int            `json:"retried"`  // attempts after a request's first
	Sent     int            `json:"sent"`     // events
	Accepted int            `json:"accepted"` // events answered 200
	Present  int            `json:"present"`  // accepted events that are in Kafka
	GivenUp  int            `json:"given_up"` // events of providers that never try again, not accepted
	Lost     int            `json:"lost"`     // accepted and not there
	RawLost  int            `json:"raw_lost"` // requests accepted whose raw copy is not there
	Altered  int            `json:"altered"`
	Stuck    int            `json:"stuck"` // events never accepted, however often they were sent
	Order    int            `json:"order"` // accepted events behind a later one of their key
	Faults   map[string]int `json:"faults"`
	Statuses map[int]int    `json:"statuses"`

	// Copies beyond the first, by what led to them.
	Duplicates  int `json:"duplicates"`
	ByKill      int `json:"duplicates_in_flight"`   // the request was unanswered when the receiver was killed
	ByRetry     int `json:"duplicates_resent"`      // the provider sent again for another reason
	Redelivered int `json:"duplicates_redelivered"` // sent and accepted once
	InFlight    int `json:"in_flight_at_kills"`     // events that were on their way when the receiver was killed

	P50, P99, Max time.Duration
	Late          int `json:"late"`      // answers after the limit
	LateReal      int `json:"late_real"` // of them beyond the slack and our own stalls
	// Answers to requests that came while Kafka could not be written to.
	OutageFirst answers       `json:"outage_first"` // in the first seconds
	OutageLater answers       `json:"outage_later"` // after that
	Stall       time.Duration `json:"stall"`        // the longest time this program was not scheduled

	offences map[string][]offence // the first of each kind, to look into
}

// answers are some answers' times.
type answers struct {
	Count int
	P99   time.Duration
}

// outageFirst is how long a receiver may need to notice that Kafka is away.
const outageFirst = 5 * time.Second

// Kinds of offences.
const (
	kindLost        = "lost"
	kindAltered     = "altered"
	kindOrder       = "order"
	kindLate        = "late"
	kindStuck       = "stuck"
	kindResent      = "resent"
	kindRedelivered = "redelivered"
)

// maxOffences bounds what is shown of each kind of breach.
const maxOffences = 5

// verdictOf judges a phase. slack is what the machine may add to an answer.
func (l *ledger) verdictOf(index int, slack time.Duration) verdict {
	t := l.phases[index]
	v := verdict{Phase: t.name, Faults: t.faults, Statuses: t.statuses, Altered: len(t.altered), Order: len(t.disorder)}
	v.offences = map[string][]offence{kindAltered: first(t.altered), kindOrder: first(t.disorder)}
	l.markUnanswered(t)
	v.InFlight = l.markInTrouble(t)
	for id := range l.requests {
		if r := &l.requests[id]; r.made && int(r.phase) == index {
			l.count(&v, uint32(id), r)
		}
	}
	for _, n := range t.statuses {
		v.Attempts += n
	}
	v.Retried = v.Attempts - v.Requests
	l.judgeAnswers(&v, t, slack)
	return v
}

// first is what is shown of some offences.
func first(o []offence) []offence { return slices.Clone(o[:min(len(o), maxOffences)]) }

// markUnanswered finds the requests of which an attempt got no answer from somebody.
func (l *ledger) markUnanswered(t *tally) {
	for _, a := range t.silent {
		if !slices.ContainsFunc(t.kills, a.tooLateFor) {
			l.requests[a.request].unanswered = true
		}
	}
}

// markInTrouble finds the requests that were unanswered when the receiver was
// killed and counts their events and those that the receiver held itself.
func (l *ledger) markInTrouble(t *tally) int {
	events := 0
	for _, k := range t.kills {
		events += k.events
		for _, a := range t.silent {
			if a.from <= k.to && k.from <= a.to {
				r := &l.requests[a.request]
				r.inTrouble = true
				events += int(r.count)
			}
		}
	}
	return events
}

// tooLateFor reports whether the process that a kill ended was gone when the attempt
// began, and the attempt's connection led to it: nobody can have taken it.
func (a attempt) tooLateFor(k fault) bool { return 0 <= a.since && a.since <= k.to && k.to <= a.from }

// count adds one request to a verdict.
func (l *ledger) count(v *verdict, id uint32, r *requestState) {
	n := int(r.count)
	v.Requests++
	v.Sent += n
	switch {
	case r.accepted:
		v.Accepted += n
	case r.once:
		v.GivenUp += n
	default:
		v.Stuck += n
		v.note(kindStuck, offence{r.first, id, "was never accepted"})
	}
	if r.accepted && r.raws == 0 {
		v.RawLost++
		v.note(kindLost, offence{r.first, id, "was accepted, and its raw copy is not there"})
	}
	for serial := r.first; serial < r.first+uint32(n); serial++ {
		l.countEvent(v, serial, id, r)
	}
}

// countEvent adds one event to a verdict.
func (l *ledger) countEvent(v *verdict, serial, id uint32, r *requestState) {
	e := &l.events[serial]
	switch {
	case r.accepted && e.seen == 0:
		v.Lost++
		v.note(kindLost, offence{serial, id, "LOST: accepted, and nowhere"})
	case r.accepted:
		v.Present++
	}
	if e.seen < 2 {
		return
	}
	more := int(e.seen) - 1
	v.Duplicates += more
	switch {
	case r.inTrouble:
		v.ByKill += more
	case r.refused || r.unanswered:
		v.ByRetry += more
		v.note(kindResent, offence{serial, id, fmt.Sprintf("%d copies after it was sent again, the first at %s", e.seen, l.show(e.first))})
	default:
		v.Redelivered += more
		v.note(kindRedelivered, offence{serial, id, fmt.Sprintf("%d copies of what was accepted at once, the first at %s", e.seen, l.show(e.first))})
	}
}

// note keeps an offence to show; the first few are enough.
func (v *verdict) note(kind string, o offence) {
	if len(v.offences[kind]) < maxOffences {
		v.offences[kind] = append(v.offences[kind], o)
	}
}

// worst returns the offences that breach something.
func (v *verdict) worst() []offence {
	var found []offence
	for _, kind := range []string{kindLost, kindAltered, kindOrder, kindLate, kindStuck} {
		found = append(found, v.offences[kind]...)
	}
	if v.Faults[faultBridgeKill] == 0 && v.Duplicates > v.excused() || v.Duplicates > v.InFlight {
		found = append(found, v.offences[kindRedelivered]...)
	}
	if v.excused() == 0 {
		found = append(found, v.offences[kindResent]...)
	}
	return found
}

// judgeAnswers looks at the times of the answers.
func (l *ledger) judgeAnswers(v *verdict, t *tally, slack time.Duration) {
	all := make([]uint32, 0, len(t.answers))
	var early, later []uint32
	for _, a := range t.answers {
		all = append(all, a.took)
		switch since := t.away(a.from); {
		case since < 0:
		case since < outageFirst.Microseconds():
			early = append(early, a.took)
		default:
			later = append(later, a.took)
		}
	}
	slices.Sort(all)
	v.P50, v.P99, v.Max = quantile(all, 0.5), quantile(all, 0.99), quantile(all, 1)
	v.OutageFirst, v.OutageLater = answersOf(early), answersOf(later)
	v.Late = len(t.late)
	for _, a := range t.late {
		stalled := l.stalled(a.span)
		v.Stall = max(v.Stall, time.Duration(stalled)*time.Microsecond)
		if a.to-a.from-stalled > answerLimit+slack.Microseconds() {
			v.LateReal++
			v.note(kindLate, offence{request: a.request, what: fmt.Sprintf("answered %d after %.2f s", a.status, float64(a.to-a.from)/1e6)})
		}
	}
}

// away is for how long Kafka has been away at a time, microseconds; negative if
// it is there.
func (t *tally) away(at int64) int64 {
	for _, o := range t.outages {
		if o.from <= at && at < o.to {
			return at - o.from
		}
	}
	return -1
}

// answersOf sums some times up.
func answersOf(times []uint32) answers {
	slices.Sort(times)
	return answers{len(times), quantile(times, 0.99)}
}

// stalled is for how much of a stretch this program was not scheduled,
// microseconds.
func (l *ledger) stalled(s span) int64 {
	var sum int64
	for _, stall := range l.stalls {
		sum += max(0, min(s.to, stall.to)-max(s.from, stall.from))
	}
	return sum
}

// quantile is the value that a share q of sorted values does not exceed.
func quantile(sorted []uint32, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := min(int(q*float64(len(sorted))), len(sorted)-1)
	return time.Duration(sorted[i]) * time.Microsecond
}

// excused counts the duplicates that refusals explain which are part of a phase.
func (v *verdict) excused() int {
	if v.Faults[faultSpoolFull]+v.Faults[faultOverload] == 0 {
		return 0
	}
	return v.ByRetry
}

// breaches says in words what is wrong with a phase; none is success.
func (v *verdict) breaches() []string {
	var found []string
	wrong := func(n int, what string) {
		if n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, what))
		}
	}
	wrong(v.Lost, "events were accepted and are lost (I1)")
	wrong(v.RawLost, "accepted requests have no raw copy (I1)")
	wrong(v.Altered, "events were altered (I2)")
	wrong(v.Order, "events came out of order (I4)")
	if v.Faults[faultOverload] == 0 {
		wrong(v.LateReal, "answers came too late (I6)")
	}
	wrong(v.Stuck, "events were never accepted, although all was well in the end")
	if v.Faults[faultBridgeKill] == 0 {
		wrong(v.Duplicates-v.excused(), "duplicates, though the receiver was never killed (I3)")
	} else if v.Duplicates > v.InFlight {
		found = append(found, fmt.Sprintf("%d duplicates, and only %d events were in flight at the kills (I3)", v.Duplicates, v.InFlight))
	} else {
		wrong(v.ByRetry, "duplicates that no kill explains (I3)")
	}
	for _, status := range slices.Sorted(maps.Keys(v.Statuses)) {
		if status > 0 && status != http.StatusOK && status != http.StatusTooManyRequests && status < 500 {
			wrong(v.Statuses[status], fmt.Sprintf("answers were %d, after which a provider may never try again", status))
		}
	}
	return found
}
