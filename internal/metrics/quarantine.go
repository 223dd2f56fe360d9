package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// quarantine is what is measured of refused requests that carried all proof.
type quarantine struct {
	kept, dropped *prometheus.CounterVec

	bursts atomic.Pointer[func() map[string]bool]
	burst  *prometheus.Desc
}

// buildQuarantineMetrics makes what is measured of refused requests.
func (m *Metrics) buildQuarantineMetrics() *quarantine {
	q := &quarantine{
		kept: prometheus.NewCounterVec(counter("quarantined_total", "Refused requests that carried all proof and were kept in the quarantine."),
			[]string{"source", "reason"}),
		dropped: prometheus.NewCounterVec(counter("quarantine_dropped_total", "Refused requests that carried all proof and were not kept."),
			[]string{"cause"}),
		burst: describe("auth_failure_burst", "1 while many requests of the source carry all proof and are refused.", "source"),
	}
	m.registry.MustRegister(q, q.kept, q.dropped)
	return q
}

// Quarantined implements quarantine.Observer.
func (m *Metrics) Quarantined(source, reason string) {
	m.process.quarantine.kept.WithLabelValues(source, reason).Inc()
}

// QuarantineDropped implements quarantine.Observer; cause is one of its small set.
func (m *Metrics) QuarantineDropped(cause string) {
	m.process.quarantine.dropped.WithLabelValues(cause).Inc()
}

// WatchBursts sets what scrapes ask whether each source's requests are refused
// in numbers. The function must be safe for concurrent use.
func (m *Metrics) WatchBursts(bursts func() map[string]bool) {
	m.process.quarantine.bursts.Store(&bursts)
}

// Describe implements prometheus.Collector.
func (q *quarantine) Describe(to chan<- *prometheus.Desc) { to <- q.burst }

// Collect implements prometheus.Collector.
func (q *quarantine) Collect(to chan<- prometheus.Metric) {
	bursts := q.bursts.Load()
	if bursts == nil {
		return
	}
	for source, burst := range (*bursts)() {
		value := 0.0
		if burst {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(q.burst, prometheus.GaugeValue, value, source)
	}
}
