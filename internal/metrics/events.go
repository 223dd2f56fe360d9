package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/event"
)

// Fate is what became of an item of a proven request: each has exactly one.
type Fate uint8

// The fates, and their names as labels.
const (
	Unpublished  Fate = iota // unpublished: not safe in time; the provider is asked to send it again
	Published                // published: acknowledged by all in-sync replicas
	Spooled                  // spooled: safe on the disk, on its way to Kafka
	DeadLettered             // dead_lettered: no event, or one that the broker refuses for what it is; kept as a dead letter
	Duplicate                // duplicate: published before, and left out
	Refused                  // refused: the request came under the id of another one
	fates                    // how many there are
)

var fateNames = [fates]string{"unpublished", "published", "spooled", "dead_lettered", "duplicate", "refused"}

// String is the fate's label.
func (f Fate) String() string { return fateNames[f] }

// ledger balances what came in against what became of it. Its figures are kept
// apart from each other and from the counters, so that a path that forgets an
// item shows. Changes take the lock shared, a scrape takes it alone: it sees
// each step whole, and a balance other than 0 is always an error.
type ledger struct {
	mu                            sync.RWMutex
	received, settled, inProgress atomic.Int64
}

// unaccounted is how many items came in, are not in progress any more, and have
// no fate.
func (l *ledger) unaccounted() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.received.Load() - l.settled.Load() - l.inProgress.Load())
}

// buildEventMetrics makes what is counted of events.
func (m *Metrics) buildEventMetrics() {
	m.received = prometheus.NewCounterVec(counter("events_received_total", "Items of proven requests: events, and what could not become one."),
		[]string{"source", "provider"})
	m.events = prometheus.NewCounterVec(counter("events_total", "Items by canonical type and by what became of them; direction and type are empty for what could not become an event."),
		[]string{"source", "provider", "direction", "type", "result"})
	m.conflicts = prometheus.NewCounterVec(counter("events_conflicting_total", "Events published and marked because their id, or the request's, was seen with other content."),
		[]string{"source"})
	m.marked = prometheus.NewCounterVec(counter("events_marked_total", "Repeats that were published and marked, in mode mark."),
		[]string{"source"})
	m.registry.MustRegister(m.received, m.events, m.conflicts, m.marked,
		prometheus.NewGaugeFunc(gauge("events_in_progress", "Items received of which it is not known yet what becomes."), func() float64 { return float64(m.ledger.inProgress.Load()) }),
		prometheus.NewGaugeFunc(gauge("events_unaccounted", "Items received that are not in progress and of which nobody knows what became; always 0."), m.ledger.unaccounted))
}

// typeCounters are the counters of one direction and type, by fate. Most never
// count; they are made when they do.
type typeCounters [fates]atomic.Pointer[prometheus.Counter]

// Enter counts n items in, which are in progress from now on.
func (s *Source) Enter(n int) {
	l := &s.m.ledger
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.received.Add(int64(n))
	l.inProgress.Add(int64(n))
	s.received.Add(float64(n))
}

// Settling begins to tell the fates of a request's items. Settled has to follow
// at once: scrapes wait for it.
func (s *Source) Settling() { s.m.ledger.mu.RLock() }

// Settled ends it: n items are in progress no more.
func (s *Source) Settled(n int) {
	s.m.ledger.inProgress.Add(-int64(n))
	s.m.ledger.mu.RUnlock()
}

// Settle counts one item by its fate, between Settling and Settled. Direction
// and type are empty for an item that is no event.
func (s *Source) Settle(r event.Route, f Fate) {
	s.m.ledger.settled.Add(1)
	types := s.types[r]
	if types == nil {
		r = event.Route{}
		types = s.types[r]
	}
	c := types[f].Load()
	if c == nil {
		made := s.m.events.WithLabelValues(s.name, s.provider, string(r.Direction), string(r.Type), f.String())
		types[f].Store(&made)
		c = &made
	}
	(*c).Inc()
}

// Acknowledged measures the age of an event at the moment of its
// acknowledgement; a zero occurred says that the provider gave no time.
func (s *Source) Acknowledged(occurred, now time.Time) {
	if !occurred.IsZero() {
		s.eventToAck.Observe(max(now.Sub(occurred).Seconds(), 0))
	}
}

// Conflicting counts events that were published and marked as conflicts.
func (s *Source) Conflicting(n int) { s.m.conflicts.WithLabelValues(s.name).Add(float64(n)) }

// Marked counts repeats that were published and marked.
func (s *Source) Marked(n int) { s.m.marked.WithLabelValues(s.name).Add(float64(n)) }
