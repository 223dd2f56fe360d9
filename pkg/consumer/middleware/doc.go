// Package middleware has what goes around a Handler of package consumer: a log, figures,
// traces, and a net for panics. Each is a consumer.Middleware, put on by consumer.Chain:
//
//	measured, err := middleware.Metrics(registry)
//	if err != nil {
//		return err
//	}
//	handler = consumer.Chain(handler,
//		middleware.Tracing(provider), middleware.Logging(log), measured, middleware.Recover(log),
//		consumer.Once(store))
//
// The first is the outermost: with this order the log and the figures see panics as
// errors, and also the repeats that Once leaves out, as handled.
//
// None of them ever shows a record's value, its key or a recipient. What they do show
// of an error is its text, which is the Handler's to choose.
//
// # Metrics
//
// All are named postrider_consumer_… The label topic has as many values as topics are
// read, retry topics included; partition as many as these have.
//
//	records_handled_total   counter    topic, outcome     calls of the Handler; outcome is handled, failed or panicked (Metrics)
//	handle_seconds          histogram  topic              how long they took (Metrics)
//	outcomes_total          counter    topic, outcome     what became of the records: an Outcome of package consumer (Outcomes)
//	lag_records             gauge      topic, partition   records that are there and not finished (Collect)
//	lag_seconds             gauge      topic, partition   age of the first of them; absent before it was read (Collect)
//	breaker                 gauge      state              1 for the state it is in: closed, open or half_open (Collect)
//	paused                  gauge      -                  1 while the breaker is not closed (Collect)
//	running                 gauge      -                  handlers that run (Collect)
//	waiting                 gauge      -                  records that wait for another attempt, or their time (Collect)
//	assigned                gauge      -                  1 while it is a member of its group with its partitions (Collect)
//
// Several consumers of one process are told apart by a label of the caller's:
//
//	registry := prometheus.WrapRegistererWith(prometheus.Labels{"group": "suppression"}, prometheus.DefaultRegisterer)
package middleware
