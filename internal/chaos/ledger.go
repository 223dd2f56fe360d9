package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"

	"github.com/postrider/postrider/internal/broker"
)

// ledger holds what was sent against what is there. It keeps a few bytes for
// each event, so that millions fit; events are recognized and compared by their
// markers. The journal comes first, then the records of each partition in order.
// It is not safe for concurrent use.
type ledger struct {
	gen      *generator
	phases   []*tally
	requests []requestState
	events   []eventState      // by serial
	bodies   map[uint64]uint32 // beginning of a body's SHA-256 → request
	newest   map[uint32]uint32 // stream → the latest serial that appeared
	stalls   []span
	invented []offence
	topics   []string // as numbered in places
}

// requestState is what became of a request.
type requestState struct {
	first           uint32
	phase, count    uint16
	raws            uint8 // copies in the raw topic, 255 at most
	once            bool  // its provider never tries again
	accepted        bool
	unanswered      bool // at least one attempt got no answer, and somebody may have taken it
	refused         bool // at least one attempt was answered, and not accepted
	made, inTrouble bool // inTrouble: unanswered when the receiver was killed
}

// eventState is what became of an event.
type eventState struct {
	request uint32
	seen    uint16 // copies, 65,535 at most
	first   place
}

// place is where a record is, packed: topic, partition, offset.
type place uint64

// span is a stretch of the run, in microseconds since it began.
type span struct{ from, to int64 }

// offence is a breach with what is needed to look into it.
type offence struct {
	serial  uint32
	request uint32
	what    string
}

// tally is what is counted in one phase.
type tally struct {
	name     string
	ordered  bool
	answers  []answer
	statuses map[int]int
	late     []attempt // answered after the limit, before slack
	silent   []attempt // not answered at all
	kills    []fault   // of the receiver
	outages  []span    // while Kafka could not be written to
	faults   map[string]int
	altered  []offence
	disorder []offence
}

// answer is when an attempt began and how long its answer took, microseconds.
type answer struct {
	from int64
	took uint32
}

// attempt is one sending of a request.
type attempt struct {
	request uint32
	span
	status int
	since  int64 // when its connection was made; negative: there was none
}

// fault is a kill: from when the signal was sent to when the process was gone, in
// which it may still work, and how many events the receiver held itself.
type fault struct {
	span
	events int
}

// newLedger makes an empty ledger.
func newLedger(g *generator) *ledger {
	return &ledger{gen: g, bodies: make(map[uint64]uint32), newest: make(map[uint32]uint32)}
}

// answerLimit is the time within which every request has to be answered, in
// microseconds: some providers wait no longer than three seconds.
const answerLimit = 2_500_000

// errLine says that a line of the journal is none of those it may be.
var errLine = errors.New("not understood")

// line takes one line of the journal.
func (l *ledger) line(w []string) error {
	switch {
	case len(w) == 4 && w[0] == "P":
		l.phases = append(l.phases, &tally{name: w[2], ordered: w[3] == "ordered", statuses: map[int]int{}, faults: map[string]int{}})
		return nil
	case len(w) == 7 && w[0] == "Q":
		return l.made(w)
	case len(w) == 6 && w[0] == "A":
		return l.attempted(w)
	case len(w) >= 4 && w[0] == "F" && len(l.phases) > 0:
		return l.faulted(w)
	case len(w) == 3 && w[0] == "S":
		n, err := numbers(w[1:]...)
		if err == nil {
			l.stalls = append(l.stalls, span{n[0] - n[1], n[0]})
		}
		return err
	}
	return errLine
}

// made takes the making of a request.
func (l *ledger) made(w []string) error {
	n, err := numbers(w[1:5]...)
	if err != nil {
		return err
	}
	sum, err := hex.DecodeString(w[5])
	if err != nil || len(sum) != sha256.Size || n[1] < 0 || int(n[1]) >= len(l.phases) {
		return errLine
	}
	id, first, count := uint32(n[0]), uint32(n[2]), uint16(n[3])
	l.requests = grow(l.requests, int(id))
	l.requests[id] = requestState{first: first, count: count, phase: uint16(n[1]), once: w[6] == "once", made: true}
	l.bodies[head(sum)] = id
	l.events = grow(l.events, int(first)+int(count)-1)
	for i := range uint32(count) {
		l.events[first+i].request = id
	}
	return nil
}

// grow makes room for index i.
func grow[T any](s []T, i int) []T {
	if i < len(s) {
		return s
	}
	return append(s, make([]T, i+1-len(s))...)
}

// head is the beginning of a hash, enough to tell bodies apart.
func head(sum []byte) uint64 {
	var v uint64
	for _, b := range sum[:8] {
		v = v<<8 | uint64(b)
	}
	return v
}

// attempted takes one attempt.
func (l *ledger) attempted(w []string) error {
	n, err := numbers(w[1:]...)
	if err != nil {
		return err
	}
	if n[0] < 0 || int(n[0]) >= len(l.requests) || !l.requests[n[0]].made {
		return errLine
	}
	a := attempt{uint32(n[0]), span{n[1], n[2]}, int(n[3]), n[4]}
	r := &l.requests[a.request]
	t := l.phases[r.phase]
	t.statuses[a.status]++
	switch a.status {
	case nobodyThere:
		return nil
	case 0:
		t.silent = append(t.silent, a)
		return nil
	case http.StatusOK:
		r.accepted = true
	default:
		r.refused = true
	}
	t.answers = append(t.answers, answer{a.from, uint32(a.to - a.from)})
	if a.to-a.from > answerLimit {
		t.late = append(t.late, a)
	}
	return nil
}

// faulted takes a fault; it belongs to the phase that began last.
func (l *ledger) faulted(w []string) error {
	n, err := numbers(w[1], w[3])
	if err != nil {
		return err
	}
	t := l.phases[len(l.phases)-1]
	t.faults[w[2]]++
	switch w[2] {
	case faultBridgeKill:
		gone := n[0]
		if len(w) > 4 {
			end, err := numbers(w[4])
			if err != nil {
				return err
			}
			gone = end[0]
		}
		t.kills = append(t.kills, fault{span{n[0], gone}, int(n[1])})
	case stepNodeKill, stepFreeze, stepMinISR:
		t.outages = append(t.outages, span{n[0], math.MaxInt64})
	case stepNodeKill + over, stepFreeze + over, stepMinISR + over:
		if len(t.outages) > 0 {
			t.outages[len(t.outages)-1].to = n[0]
		}
	}
	return nil
}

// over ends the name of what ends a fault.
const over = "-over"

// faultBridgeKill is the kind of fault after which events may come twice.
const faultBridgeKill = "bridge-kill"

// Kinds of faults in which a request may be refused whose records are on their
// way to Kafka already, so that the provider's retry makes a second copy.
const (
	faultSpoolFull = "spool-full"
	faultOverload  = "overload" // and answers take as long as they take
)

// sight takes one record of the run's topics; topic is without the prefix.
func (l *ledger) sight(topic string, msg *broker.Message) {
	where := l.placeOf(topic, msg)
	if topic == "raw" {
		l.sightRaw(where, msg)
		return
	}
	m, err := l.gen.judge(topic, msg)
	if errors.Is(err, errInvented) || int(m.serial) >= len(l.events) || !l.requests[l.events[m.serial].request].made {
		l.invent(where, fmt.Sprintf("%v (marker %s)", err, m))
		return
	}
	e := &l.events[m.serial]
	r := &l.requests[e.request]
	if err != nil {
		t := l.phases[r.phase]
		t.altered = append(t.altered, offence{m.serial, e.request, l.show(where) + ": " + err.Error()})
		return
	}
	if e.seen++; e.seen == 1 {
		e.first = where
		l.inOrder(m, e, r)
	}
}

// inOrder checks a first copy against the stream's newest one. Only what was
// accepted counts: a stream went on only after an acceptance, or after a
// provider gave up.
func (l *ledger) inOrder(m marker, e *eventState, r *requestState) {
	t := l.phases[r.phase]
	if _, k := l.gen.of(m.stream); !r.accepted || !t.ordered || k.topic == deadTopic {
		return
	}
	if last := l.newest[m.stream]; m.serial < last {
		t.disorder = append(t.disorder, offence{m.serial, e.request, fmt.Sprintf("%s: event %s came after %d of its stream", l.show(e.first), m, last)})
		return
	}
	l.newest[m.stream] = m.serial
}

// sightRaw takes a request as received.
func (l *ledger) sightRaw(where place, msg *broker.Message) {
	sum := sha256.Sum256(msg.Value)
	id, ok := l.bodies[head(sum[:])]
	if !ok {
		l.invent(where, "a raw record whose bytes were not sent")
		return
	}
	if l.requests[id].raws < 255 {
		l.requests[id].raws++
	}
}

// invent notes a record that nobody sent.
func (l *ledger) invent(where place, what string) {
	l.invented = append(l.invented, offence{what: l.show(where) + ": " + what})
}

// placeOf packs where a record is.
func (l *ledger) placeOf(topic string, msg *broker.Message) place {
	i := slices.Index(l.topics, topic)
	if i < 0 {
		i = len(l.topics)
		l.topics = append(l.topics, topic)
	}
	return place(uint64(i)<<56 | uint64(msg.Partition)<<48 | uint64(msg.Offset))
}

// show writes a place for people.
func (l *ledger) show(p place) string {
	return fmt.Sprintf("%s/%d/%d", l.topics[p>>56], p>>48&0xff, p&(1<<48-1))
}
