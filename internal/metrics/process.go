package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Spool is the spool at the moment of a scrape.
type Spool struct {
	Usable  bool // takes records
	Records int  // not yet in Kafka
	Bytes   int64
	Oldest  time.Duration // age of the oldest of them; 0: there is none
	Dead    int           // records set aside for a person
}

// Outage is one source whose provider is being told to come back.
type Outage struct {
	Source string
	Left   time.Duration // until the provider stops trying
}

// Watched tells a scrape what lasts longer than a request. Safe for concurrent use.
type Watched interface {
	Spool() Spool
	Outages() []Outage
}

// Results of reading the configuration anew.
const (
	ReloadDone    = "done"
	ReloadRefused = "refused" // the configuration in force stays
)

// process is what is measured of the process as a whole. It asks Watched at each
// scrape, so that ages and remaining times are those of that moment.
type process struct {
	watched atomic.Pointer[Watched]

	usable, records, bytes, oldest, dead, left *prometheus.Desc

	reloads *prometheus.CounterVec
	loaded  prometheus.Gauge

	quarantine *quarantine
}

// buildProcessMetrics makes what is measured of the process as a whole.
func (m *Metrics) buildProcessMetrics() {
	p := &process{
		usable:  describe("spool_usable", "1 while the spool takes records; 0 when it is full, has failed or is not used."),
		records: describe("spool_records", "Records in the spool that Kafka does not have yet."),
		bytes:   describe("spool_bytes", "Bytes of the spool on the disk."),
		oldest:  describe("spool_oldest_seconds", "Age of the oldest record in the spool that Kafka does not have yet."),
		dead:    describe("spool_dead_records", "Records in the spool that Kafka refuses for good, set aside for a person."),
		left:    describe("outage_seconds_left", "During an outage only: seconds until the source's provider stops trying.", "source"),
		reloads: prometheus.NewCounterVec(counter("config_reloads_total", "Readings of the configuration by a running process, by result."), []string{"result"}),
		loaded:  prometheus.NewGauge(gauge("config_loaded_timestamp_seconds", "When the configuration in force was read, Unix time.")),
	}
	for _, result := range []string{ReloadDone, ReloadRefused} {
		p.reloads.WithLabelValues(result)
	}
	p.quarantine = m.buildQuarantineMetrics()
	m.process = p
	m.registry.MustRegister(p, p.reloads, p.loaded)
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("postrider", "", name), help, labels, nil)
}

// Watch sets what scrapes ask.
func (m *Metrics) Watch(w Watched) { m.process.watched.Store(&w) }

// ConfigLoaded records when the configuration in force was read.
func (m *Metrics) ConfigLoaded(at time.Time) { m.process.loaded.Set(float64(at.UnixMilli()) / 1000) }

// Reloaded counts a reading of the configuration by the running process; result
// is ReloadDone or ReloadRefused.
func (m *Metrics) Reloaded(result string) { m.process.reloads.WithLabelValues(result).Inc() }

// Describe implements prometheus.Collector.
func (p *process) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.usable, p.records, p.bytes, p.oldest, p.dead, p.left} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (p *process) Collect(to chan<- prometheus.Metric) {
	w := p.watched.Load()
	if w == nil {
		return
	}
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	s, usable := (*w).Spool(), 0.0
	if s.Usable {
		usable = 1
	}
	tell(p.usable, usable)
	tell(p.records, float64(s.Records))
	tell(p.bytes, float64(s.Bytes))
	tell(p.oldest, s.Oldest.Seconds())
	tell(p.dead, float64(s.Dead))
	for _, o := range (*w).Outages() {
		tell(p.left, o.Left.Seconds(), o.Source)
	}
}
