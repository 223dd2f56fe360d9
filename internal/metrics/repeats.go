package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Repeats is what is known of accepted events at the moment of a scrape.
type Repeats struct {
	IDs     int    // known
	Loaded  bool   // what was known before the start, and by other receivers, was read
	Pending int    // ids that the topic does not hold yet
	GivenUp uint64 // ids that it never will, because too many waited
	Behind  int64  // records of the topic that are not read yet
}

// repeats asks at each scrape.
type repeats struct {
	ask atomic.Pointer[func() Repeats]

	ids, loaded, pending, givenUp, behind *prometheus.Desc
}

// buildRepeatMetrics makes what is measured of the ids that are known.
func (m *Metrics) buildRepeatMetrics() {
	m.repeats = &repeats{
		ids:     describe("dedupe_ids", "Ids of accepted items that are known."),
		loaded:  describe("dedupe_loaded", "1 once the ids that were known before the start, and by other receivers, were read."),
		pending: describe("dedupe_pending_ids", "Ids that are not written to the seen topic yet."),
		givenUp: describe("dedupe_given_up_ids_total", "Ids that were never written to the seen topic, because too many waited for Kafka."),
		behind:  describe("dedupe_behind_records", "Records of the seen topic that are not read yet."),
	}
	m.registry.MustRegister(m.repeats)
}

// WatchRepeats sets what scrapes ask; safe for concurrent use.
func (m *Metrics) WatchRepeats(ask func() Repeats) { m.repeats.ask.Store(&ask) }

// Describe implements prometheus.Collector.
func (r *repeats) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.ids, r.loaded, r.pending, r.givenUp, r.behind} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (r *repeats) Collect(to chan<- prometheus.Metric) {
	ask := r.ask.Load()
	if ask == nil {
		return
	}
	now, loaded := (*ask)(), 0.0
	if now.Loaded {
		loaded = 1
	}
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
		to <- prometheus.MustNewConstMetric(d, kind, value)
	}
	tell(r.ids, prometheus.GaugeValue, float64(now.IDs))
	tell(r.loaded, prometheus.GaugeValue, loaded)
	tell(r.pending, prometheus.GaugeValue, float64(now.Pending))
	tell(r.givenUp, prometheus.CounterValue, float64(now.GivenUp))
	tell(r.behind, prometheus.GaugeValue, float64(now.Behind))
}
