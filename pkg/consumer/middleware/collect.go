package middleware

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/consumer"
)

// Collect makes a collector of what a Consumer is doing, read when it is asked: the lag
// of its partitions, its breaker, and how many records it has in its hands.
func Collect(c *consumer.Consumer) prometheus.Collector {
	return collect(c.State, time.Now) //nolint:forbidigo // records' ages are by the wall clock
}

// collector collects a State.
type collector struct {
	state func() consumer.State
	now   func() time.Time

	lagRecords, lagSeconds, breaker, paused, running, waiting, assigned *prometheus.Desc
}

func collect(state func() consumer.State, now func() time.Time) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &collector{
		state: state, now: now,
		lagRecords: desc("lag_records", "Records of a partition that are there and not finished.", "topic", "partition"),
		lagSeconds: desc("lag_seconds", "Age of the first record of a partition that is not finished, by the record's time. Absent before it was read.", "topic", "partition"),
		breaker:    desc("breaker", "1 for the state that the breaker is in: closed, open or half_open.", "state"),
		paused:     desc("paused", "1 while the breaker is not closed: records wait."),
		running:    desc("running", "Handlers that run."),
		waiting:    desc("waiting", "Records that wait for another attempt, or their time."),
		assigned:   desc("assigned", "1 while the consumer is a member of its group with its partitions."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.lagRecords, c.lagSeconds, c.breaker, c.paused, c.running, c.waiting, c.assigned} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.state()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range []string{consumer.BreakerClosed, consumer.BreakerOpen, consumer.BreakerHalfOpen} {
		gauge(c.breaker, one(s.Breaker == state), state)
	}
	gauge(c.paused, one(s.Breaker != consumer.BreakerClosed))
	gauge(c.running, float64(s.Running))
	gauge(c.waiting, float64(s.Waiting))
	gauge(c.assigned, one(s.Assigned))
	now := c.now()
	for i := range s.Partitions {
		p := &s.Partitions[i]
		if p.HighWater < 0 {
			continue // not asked yet
		}
		labels := []string{p.Topic, strconv.Itoa(p.Partition)}
		gauge(c.lagRecords, float64(p.Lag()), labels...)
		switch {
		case !p.Oldest.IsZero():
			gauge(c.lagSeconds, max(now.Sub(p.Oldest).Seconds(), 0), labels...)
		case p.Lag() == 0:
			gauge(c.lagSeconds, 0, labels...)
		}
	}
}

// one is 1 for true.
func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
