// Package metrics is what the receiver counts and measures, in Prometheus'
// form. Every label has a small fixed set of values: configured source names,
// provider ids, canonical types, status codes and reason codes. Nothing that a
// provider or a recipient wrote ever becomes a label.
package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/postrider/postrider/pkg/event"
)

// Metrics holds every collector. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	process  *process

	requests     *prometheus.CounterVec
	received     *prometheus.CounterVec
	events       *prometheus.CounterVec
	conflicts    *prometheus.CounterVec
	marked       *prometheus.CounterVec
	ledger       ledger
	repeats      *repeats
	shadows      *shadows
	authFailures *prometheus.CounterVec
	authKeys     *prometheus.CounterVec
	deadLetters  *prometheus.CounterVec
	dropped      *prometheus.CounterVec
	duplicates   *prometheus.CounterVec
	bodyBytes    *prometheus.HistogramVec
	publish      *prometheus.HistogramVec
	eventToAck   *prometheus.HistogramVec

	inFlight       prometheus.Gauge
	brokerUp       prometheus.Gauge
	producerBytes  prometheus.Counter
	producerBatch  prometheus.Histogram
	producerRetry  *prometheus.CounterVec
	producerIDs    prometheus.Counter
	produceSeconds prometheus.Histogram
}

// Buckets. Latency spans a local acknowledgement (0.1 ms) to the answer
// deadline (2.5 s); event age spans a second to a provider's longest retry.
var (
	latencyBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 5}
	ageBuckets     = []float64{.1, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200, 86400, 259200}
	sizeBuckets    = prometheus.ExponentialBuckets(256, 4, 9) // 256 B to 16 MiB
	recordBuckets  = prometheus.ExponentialBuckets(1, 2, 11)  // 1 to 1024 records
)

// New makes the collectors in a registry of their own, with the Go runtime's
// and the process's beside them.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.buildRequestMetrics()
	m.buildEventMetrics()
	m.buildRepeatMetrics()
	m.shadows = m.buildShadowMetrics()
	m.buildPublishMetrics()
	m.buildProcessMetrics()
	build := gauge("build_info", "Constant 1; the version is the label.")
	build.ConstLabels = prometheus.Labels{"version": version}
	info := prometheus.NewGauge(build)
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// buildRequestMetrics makes what the receiver counts per request and event.
func (m *Metrics) buildRequestMetrics() {
	m.requests = prometheus.NewCounterVec(counter("requests_total", "Webhook requests by answer."),
		[]string{"source", "provider", "code", "result"})
	m.authFailures = prometheus.NewCounterVec(counter("auth_failures_total", "Requests refused for their proof, by reason."),
		[]string{"source", "provider", "reason"})
	m.authKeys = prometheus.NewCounterVec(counter("verified_total", "Requests proven, by configured secret id: an old id that stays at rest can be retired."),
		[]string{"source", "key"})
	m.deadLetters = prometheus.NewCounterVec(counter("dead_letters_total", "Items published to the dead-letter topic, by reason and stage."),
		[]string{"source", "provider", "reason", "stage"})
	m.dropped = prometheus.NewCounterVec(counter("raw_omitted_total", "Requests published without their raw copy because it is over the raw topic's limit."),
		[]string{"source"})
	m.duplicates = prometheus.NewCounterVec(counter("json_duplicate_names_total", "Members of JSON objects that a later one of the same name hid."),
		[]string{"source"})
	m.bodyBytes = prometheus.NewHistogramVec(histogram("request_body_bytes", "Size of request bodies after inflating.", sizeBuckets),
		[]string{"source"})
	m.publish = prometheus.NewHistogramVec(histogram("publish_seconds", "From the normalized request to the acknowledgement of all its records.", latencyBuckets),
		[]string{"source"})
	m.eventToAck = prometheus.NewHistogramVec(histogram("event_to_ack_seconds", "From the event's own time (the provider's clock) to its acknowledgement.", ageBuckets),
		[]string{"source"})
	m.inFlight = prometheus.NewGauge(gauge("requests_in_flight", "Webhook requests in progress."))
	m.registry.MustRegister(m.requests, m.authFailures, m.authKeys, m.deadLetters, m.dropped, m.duplicates,
		m.bodyBytes, m.publish, m.eventToAck, m.inFlight)
}

// buildPublishMetrics makes what is counted at the door to Kafka.
func (m *Metrics) buildPublishMetrics() {
	m.brokerUp = prometheus.NewGauge(gauge("broker_up", "1 while the cluster answers."))
	m.producerBytes = prometheus.NewCounter(counter("producer_bytes_total", "Bytes of acknowledged record batches."))
	m.producerBatch = prometheus.NewHistogram(histogram("producer_batch_records", "Records in an acknowledged batch.", recordBuckets))
	m.producerRetry = prometheus.NewCounterVec(counter("producer_retries_total", "Record batches sent again, by reason."), []string{"reason"})
	m.producerIDs = prometheus.NewCounter(counter("producer_ids_total", "Producer ids asked for; more than the first ones mean batches of unknown outcome."))
	m.produceSeconds = prometheus.NewHistogram(histogram("produce_seconds", "From the first sending of a batch to its acknowledgement.", latencyBuckets))
	m.registry.MustRegister(m.brokerUp, m.producerBytes, m.producerBatch, m.producerRetry, m.producerIDs, m.produceSeconds)
}

func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: "postrider", Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: "postrider", Name: name, Help: help}
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: "postrider", Name: name, Help: help, Buckets: buckets}
}

// Gatherer is what /metrics serves.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// BrokerUp records whether the cluster is usable.
func (m *Metrics) BrokerUp(up bool) {
	if up {
		m.brokerUp.Set(1)
		return
	}
	m.brokerUp.Set(0)
}

// BatchAcked implements broker.Observer.
func (m *Metrics) BatchAcked(_ string, records, bytes int, took time.Duration) {
	m.producerBatch.Observe(float64(records))
	m.producerBytes.Add(float64(bytes))
	m.produceSeconds.Observe(took.Seconds())
}

// Retried implements broker.Observer; reason is one of broker's bounded set.
func (m *Metrics) Retried(reason string) { m.producerRetry.WithLabelValues(reason).Inc() }

// Identified implements broker.Observer.
func (m *Metrics) Identified() { m.producerIDs.Inc() }

// UnknownSource counts a request to a path that names no source.
func (m *Metrics) UnknownSource(code int) {
	m.requests.WithLabelValues("", "", strconv.Itoa(code), "unknown_source").Inc()
}

// Source is the metrics of one configured source, labels bound beforehand so
// that the hot path looks nothing up.
type Source struct {
	m              *Metrics
	name, provider string
	received       prometheus.Counter
	answers        counters[answered]
	keys           counters[string]
	types          map[event.Route]*typeCounters
	body           prometheus.Observer
	publish        prometheus.Observer
	eventToAck     prometheus.Observer
}

// Source binds the metrics of one source.
func (m *Metrics) Source(name, provider string) *Source {
	s := &Source{
		m: m, name: name, provider: provider,
		received:   m.received.WithLabelValues(name, provider),
		types:      map[event.Route]*typeCounters{{}: {}},
		body:       m.bodyBytes.WithLabelValues(name),
		publish:    m.publish.WithLabelValues(name),
		eventToAck: m.eventToAck.WithLabelValues(name),
	}
	for _, r := range event.Routes() {
		c := m.events.WithLabelValues(name, provider, string(r.Direction), string(r.Type), Published.String())
		s.types[r] = &typeCounters{}
		s.types[r][Published].Store(&c)
	}
	s.answers.make = func(a answered) prometheus.Counter {
		return m.requests.WithLabelValues(name, provider, strconv.Itoa(a.code), a.result)
	}
	s.answers.of(answered{200, "published"}) // there from the start, at 0
	s.keys.make = func(id string) prometheus.Counter { return m.authKeys.WithLabelValues(name, id) }
	return s
}

// answered is an answer as it is counted.
type answered struct {
	code   int
	result string
}

// counters are those of one source by a label with few values. They are made when
// they first count, and then found without hashing labels. Safe for concurrent use.
type counters[K comparable] struct {
	make func(K) prometheus.Counter
	mu   sync.RWMutex
	made map[K]prometheus.Counter
}

func (c *counters[K]) of(key K) prometheus.Counter {
	c.mu.RLock()
	found := c.made[key]
	c.mu.RUnlock()
	if found != nil {
		return found
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.made = make(map[K]prometheus.Counter)
	}
	if c.made[key] == nil {
		c.made[key] = c.make(key)
	}
	return c.made[key]
}

// Begin counts a request into the in-flight gauge; End counts it out.
func (s *Source) Begin() { s.m.inFlight.Inc() }

// End counts a request out of the in-flight gauge.
func (s *Source) End() { s.m.inFlight.Dec() }

// Answered counts a request by its answer; result is one of ingest's outcomes.
func (s *Source) Answered(code int, result string) {
	s.answers.of(answered{code, result}).Inc()
}

// Refused counts a request whose proof failed.
func (s *Source) Refused(reason string) {
	s.m.authFailures.WithLabelValues(s.name, s.provider, reason).Inc()
}

// Verified counts a proven request by the id of the secret that matched.
func (s *Source) Verified(keyID string) { s.keys.of(keyID).Inc() }

// Body measures a request body.
func (s *Source) Body(bytes int) { s.body.Observe(float64(bytes)) }

// Acked measures how long a request's records took to be acknowledged.
func (s *Source) Acked(took time.Duration) { s.publish.Observe(took.Seconds()) }

// DeadLettered counts one item in the dead-letter topic.
func (s *Source) DeadLettered(reason, stage string) {
	s.m.deadLetters.WithLabelValues(s.name, s.provider, reason, stage).Inc()
}

// DuplicateNames counts members of JSON objects that were hidden by a later one
// of the same name.
func (s *Source) DuplicateNames(n int) { s.m.duplicates.WithLabelValues(s.name).Add(float64(n)) }

// RawOmitted counts a request whose raw copy was over the limit.
func (s *Source) RawOmitted() { s.m.dropped.WithLabelValues(s.name).Inc() }
