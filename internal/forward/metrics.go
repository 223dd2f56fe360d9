package forward

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/consumer"
)

// metrics holds what is counted, of all subscriptions, and describes what is looked at.
type metrics struct {
	delivered, retried, delayed, dead, gaps *prometheus.CounterVec
	failed, skipped                         *prometheus.CounterVec
	attempt, age                            *prometheus.HistogramVec

	state, breaker, disabled, inFlight, lag, lagSeconds, waiting *prometheus.Desc
}

// Buckets: an attempt takes from a local answer to the longest time-out, an event's age
// spans the schedule of retries.
var (
	attemptBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60, 300}
	ageBuckets     = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400}
)

const (
	labelSubscription = "subscription"
	labelReason       = "reason"
	labelState        = "state"
)

func newMetrics() *metrics {
	return &metrics{
		delivered: counter("delivered_total", "Records that the target took."),
		retried:   counter("retried_total", "Attempts that failed and are made again in place."),
		delayed:   counter("delayed_total", "Records put into a topic of retries."),
		dead:      counter("dead_total", "Records that became dead letters."),
		gaps:      counter("missed_total", "Records that were deleted before they were delivered."),
		failed:    counter("failed_total", "Attempts that failed, by reason.", labelReason),
		skipped:   counter("skipped_total", "Records that are not meant, by reason.", labelReason),
		attempt:   histogram("attempt_seconds", "From the beginning of an attempt to its answer, or to its failure.", attemptBuckets),
		age:       histogram("age_seconds", "From the record's timestamp to its delivery.", ageBuckets),

		state:      describe("state", "1 for the state that the subscription is in.", labelState),
		breaker:    describe("breaker_state", "1 for the state of the breaker: closed, open or half_open.", labelState),
		disabled:   describe("disabled", "1 once the target answered 410."),
		inFlight:   describe("in_flight", "Deliveries in progress."),
		lag:        describe("lag_records", "Records of this process's partitions that are not finished."),
		lagSeconds: describe("lag_seconds", "Age of the oldest of them that was read."),
		waiting:    describe("waiting_records", "Records in the topics of retries that are not finished."),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "postrider", Subsystem: "forward", Name: name, Help: help},
		append([]string{labelSubscription}, labels...))
}

func histogram(name, help string, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "postrider", Subsystem: "forward", Name: name, Help: help, Buckets: buckets,
	}, []string{labelSubscription})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("postrider", "forward", name), help, append([]string{labelSubscription}, labels...), nil)
}

// collectors lists what is counted.
func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.delivered, m.retried, m.delayed, m.dead, m.gaps, m.failed, m.skipped, m.attempt, m.age}
}

func (m *metrics) describe(to chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(to)
	}
	for _, d := range []*prometheus.Desc{m.state, m.breaker, m.disabled, m.inFlight, m.lag, m.lagSeconds, m.waiting} {
		to <- d
	}
}

func (m *metrics) collect(to chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(to)
	}
}

// tell tells the gauges of one subscription.
func (m *metrics) tell(to chan<- prometheus.Metric, s Status) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.Name}, labels...)...)
	}
	for _, state := range States() {
		gauge(m.state, one(s.State == state), state)
	}
	for _, state := range []string{consumer.BreakerClosed, consumer.BreakerOpen, consumer.BreakerHalfOpen} {
		gauge(m.breaker, one(s.breaker == state), state)
	}
	gauge(m.disabled, one(s.State == Disabled))
	gauge(m.inFlight, float64(s.InFlight))
	gauge(m.lag, float64(s.Lag))
	gauge(m.lagSeconds, s.LagSeconds)
	gauge(m.waiting, float64(s.Waiting))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// counters are those of one subscription, looked up beforehand: each is there from the
// start, with 0.
type counters struct {
	delivered, retried, delayed, dead, gaps, filtered, replayed prometheus.Counter
	attempt, age                                                prometheus.Observer
	failed                                                      map[string]prometheus.Counter
}

// of looks up the counters of a subscription.
func (m *metrics) of(name string) counters {
	c := counters{
		delivered: m.delivered.WithLabelValues(name), retried: m.retried.WithLabelValues(name), delayed: m.delayed.WithLabelValues(name),
		dead: m.dead.WithLabelValues(name), gaps: m.gaps.WithLabelValues(name),
		filtered: m.skipped.WithLabelValues(name, "filter"), replayed: m.skipped.WithLabelValues(name, "replayed"),
		attempt: m.attempt.WithLabelValues(name), age: m.age.WithLabelValues(name), failed: make(map[string]prometheus.Counter),
	}
	for _, reason := range reasons() {
		c.failed[reason] = m.failed.WithLabelValues(name, reason)
	}
	return c
}

// fail counts an attempt that failed.
func (c *counters) fail(reason string) { c.failed[reason].Inc() }
