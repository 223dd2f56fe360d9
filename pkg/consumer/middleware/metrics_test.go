package middleware_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/middleware"
)

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	measured, err := middleware.Metrics(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := middleware.Metrics(r)
	if err != nil {
		t.Fatalf("a second consumer: %v", err)
	}
	for _, h := range []consumer.Handler{measured(handles), again(handles), measured(fails), measured(panics)} {
		if cause, err := call(t, h); cause != nil && cause != canary {
			t.Errorf("got %v, %v", cause, err)
		}
	}
	if cause, _ := call(t, measured(panics)); cause != canary {
		t.Errorf("the panic went on as %v", cause)
	}
	want := `
# HELP postrider_consumer_records_handled_total Calls of the handler by topic and outcome: handled, failed or panicked.
# TYPE postrider_consumer_records_handled_total counter
postrider_consumer_records_handled_total{outcome="failed",topic="email.bounced"} 1
postrider_consumer_records_handled_total{outcome="handled",topic="email.bounced"} 2
postrider_consumer_records_handled_total{outcome="panicked",topic="email.bounced"} 2
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "postrider_consumer_records_handled_total"); err != nil {
		t.Error(err)
	}
	if n := samples(t, r, "postrider_consumer_handle_seconds"); n != 5 {
		t.Errorf("%d times measured, want 5", n)
	}
}

// samples is how many samples the histograms of a name have.
func samples(t *testing.T, r prometheus.Gatherer, name string) (n uint64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				n += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

func TestMetricsAreRefusedWhereTheNameIsTaken(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "postrider_consumer_records_handled_total"}))
	if _, err := middleware.Metrics(r); err == nil {
		t.Error("no error")
	}
}

func TestOutcomes(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	observe, err := middleware.Outcomes(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append(consumer.Outcomes(), consumer.Dead) {
		observe(consumer.Result{Message: record(), Outcome: o})
	}
	want := `
# HELP postrider_consumer_outcomes_total What became of records after a call of the handler, by topic and outcome: handled, retried, delayed, dead, paused or dropped.
# TYPE postrider_consumer_outcomes_total counter
postrider_consumer_outcomes_total{outcome="dead",topic="email.bounced"} 2
postrider_consumer_outcomes_total{outcome="delayed",topic="email.bounced"} 1
postrider_consumer_outcomes_total{outcome="dropped",topic="email.bounced"} 1
postrider_consumer_outcomes_total{outcome="handled",topic="email.bounced"} 1
postrider_consumer_outcomes_total{outcome="paused",topic="email.bounced"} 1
postrider_consumer_outcomes_total{outcome="retried",topic="email.bounced"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestCollect(t *testing.T) {
	now := time.Unix(1000, 0)
	state := consumer.State{
		Assigned: true, Breaker: consumer.BreakerHalfOpen, Running: 3, Waiting: 4,
		Partitions: []consumer.PartitionState{
			{Topic: "a", Partition: 0, Position: 10, HighWater: 10},                                     // all is finished
			{Topic: "a", Partition: 1, Position: 10, HighWater: 15, Oldest: now.Add(-90 * time.Second)}, // behind
			{Topic: "a", Partition: 2, Position: 10, HighWater: 15},                                     // behind, and nothing was read
			{Topic: "a", Partition: 3, Position: 10, HighWater: -1},                                     // not asked yet
			{Topic: "b", Partition: 0, Position: 10, HighWater: 11, Oldest: now.Add(time.Hour)},         // another clock
		},
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(middleware.CollectState(func() consumer.State { return state }, func() time.Time { return now }))
	want := `
# HELP postrider_consumer_assigned 1 while the consumer is a member of its group with its partitions.
# TYPE postrider_consumer_assigned gauge
postrider_consumer_assigned 1
# HELP postrider_consumer_breaker 1 for the state that the breaker is in: closed, open or half_open.
# TYPE postrider_consumer_breaker gauge
postrider_consumer_breaker{state="closed"} 0
postrider_consumer_breaker{state="half_open"} 1
postrider_consumer_breaker{state="open"} 0
# HELP postrider_consumer_lag_records Records of a partition that are there and not finished.
# TYPE postrider_consumer_lag_records gauge
postrider_consumer_lag_records{partition="0",topic="a"} 0
postrider_consumer_lag_records{partition="1",topic="a"} 5
postrider_consumer_lag_records{partition="2",topic="a"} 5
postrider_consumer_lag_records{partition="0",topic="b"} 1
# HELP postrider_consumer_lag_seconds Age of the first record of a partition that is not finished, by the record's time. Absent before it was read.
# TYPE postrider_consumer_lag_seconds gauge
postrider_consumer_lag_seconds{partition="0",topic="a"} 0
postrider_consumer_lag_seconds{partition="1",topic="a"} 90
postrider_consumer_lag_seconds{partition="0",topic="b"} 0
# HELP postrider_consumer_paused 1 while the breaker is not closed: records wait.
# TYPE postrider_consumer_paused gauge
postrider_consumer_paused 1
# HELP postrider_consumer_running Handlers that run.
# TYPE postrider_consumer_running gauge
postrider_consumer_running 3
# HELP postrider_consumer_waiting Records that wait for another attempt, or their time.
# TYPE postrider_consumer_waiting gauge
postrider_consumer_waiting 4
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	state = consumer.State{Breaker: consumer.BreakerClosed}
	if n := testutil.ToFloat64(only{middleware.CollectState(func() consumer.State { return state }, time.Now), "paused"}); n != 0 {
		t.Errorf("closed, and paused is %v", n)
	}
}

// only is one metric of a collector.
type only struct {
	prometheus.Collector
	name string
}

func (o only) Collect(to chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric, 100)
	o.Collector.Collect(all)
	close(all)
	for m := range all {
		if strings.Contains(m.Desc().String(), "_"+o.name+`"`) {
			to <- m
		}
	}
}

// A consumer's own state can be collected before it runs.
func TestCollectOfAConsumer(t *testing.T) {
	c, err := consumer.New(consumer.Config{Group: "g", Topics: []string{"t"}, Kafka: consumer.Kafka{Brokers: []string{"127.0.0.1:1"}}}, handles)
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(middleware.Collect(c))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, strings.TrimPrefix(f.GetName(), "postrider_consumer_"))
	}
	if want := []string{"assigned", "breaker", "paused", "running", "waiting"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
