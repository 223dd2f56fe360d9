package metrics

import "github.com/prometheus/client_golang/prometheus"

// shadows is what is counted of comparisons with shadows of sources.
type shadows struct{ requests, differences, proofs *prometheus.CounterVec }

// buildShadowMetrics makes what is counted of comparisons.
func (m *Metrics) buildShadowMetrics() *shadows {
	s := &shadows{
		requests: prometheus.NewCounterVec(counter("shadow_requests_total", "Requests compared with the shadow of their source, by result."),
			[]string{"source", "result"}),
		differences: prometheus.NewCounterVec(counter("shadow_differences_total", "What the shadow of a source has otherwise, by field."),
			[]string{"source", "field"}),
		proofs: prometheus.NewCounterVec(counter("shadow_proofs_total", "Requests by what the live keys and those of the shadow say: accepted, or the reason of the refusal."),
			[]string{"source", "live", "shadow"}),
	}
	m.registry.MustRegister(s.requests, s.differences, s.proofs)
	return s
}

// ShadowRequest implements shadow.Observer.
func (m *Metrics) ShadowRequest(source, result string) {
	m.shadows.requests.WithLabelValues(source, result).Inc()
}

// ShadowDifference implements shadow.Observer; field is one of the event's own names.
func (m *Metrics) ShadowDifference(source, field string, n int64) {
	m.shadows.differences.WithLabelValues(source, field).Add(float64(n))
}

// ShadowProof implements shadow.Observer.
func (m *Metrics) ShadowProof(source, live, other string) {
	m.shadows.proofs.WithLabelValues(source, live, other).Inc()
}
