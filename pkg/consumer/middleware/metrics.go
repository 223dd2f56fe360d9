package middleware

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postrider/postrider/pkg/consumer"
)

// namespace begins the names of all metrics.
const namespace = "postrider_consumer"

// buckets of handle_seconds, from what writes to memory to what waits for Config.Timeout.
func buckets() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// Metrics counts and times the calls of the Handler: records_handled_total and
// handle_seconds. Where the Registerer has these already, they are used: consumers that
// share a Registerer share its figures.
func Metrics(r prometheus.Registerer) (consumer.Middleware, error) {
	count, err := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "records_handled_total",
		Help: "Calls of the handler by topic and outcome: handled, failed or panicked.",
	}, []string{"topic", "outcome"}))
	if err != nil {
		return nil, err
	}
	took, err := register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "handle_seconds", Buckets: buckets(),
		Help: "How long the handler took for a record, by topic.",
	}, []string{"topic"}))
	if err != nil {
		return nil, err
	}
	return observe(func(m *consumer.Message, c call) {
		count.WithLabelValues(m.Topic, c.outcome).Inc()
		took.WithLabelValues(m.Topic).Observe(c.took.Seconds())
	}), nil
}

// Outcomes makes a function for Config.Observe that counts what became of records,
// which no Middleware sees: outcomes_total. Alarms belong on its outcome "dead".
func Outcomes(r prometheus.Registerer) (func(consumer.Result), error) {
	count, err := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "outcomes_total",
		Help: "What became of records after a call of the handler, by topic and outcome: handled, retried, delayed, dead, paused or dropped.",
	}, []string{"topic", "outcome"}))
	if err != nil {
		return nil, err
	}
	return func(result consumer.Result) {
		count.WithLabelValues(result.Message.Topic, string(result.Outcome)).Inc()
	}, nil
}

// register registers a collector, or finds the one that is registered in its place.
func register[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	err := r.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if there, same := already.ExistingCollector.(C); same {
			return there, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("consumer: registering metrics: %w", err)
	}
	return c, nil
}
