package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// largest is as many events in one request as any provider sends.
const largest = 5_000

// largestBatch is such a body of SendGrid's.
func largestBatch() string {
	var body strings.Builder
	for i := range largest {
		sep := ","
		if i == 0 {
			sep = "["
		}
		fmt.Fprintf(&body, `%s{"email":"customer.%d@mail.example","event":"processed","sg_event_id":"event-%d","sg_message_id":"message-%d.filter0001",`+
			`"smtp-id":"<%d@shop.example>","category":["orders"],"order":"%d","timestamp":1767323045}`, sep, i, i, i, i, i)
	}
	return body.String() + "]"
}

// batchSettings make the source SendGrid's, without a spool to fall back on: a 200
// means that Kafka has all events within the budget.
const batchSettings = "POSTRIDER_SOURCES_0_PROVIDER=sendgrid POSTRIDER_SOURCES_0_DURABILITY=broker"

// hasLargestBatch wants each event once in its topic.
func (r *running) hasLargestBatch(topic string) {
	r.t.Helper()
	got := events(r.t, r.cfg, r.Info().Brokers, topic)
	ids := make(map[string]bool, largest)
	for i := range got {
		ids[got[i].ID] = true
	}
	if len(got) != largest || len(ids) != largest {
		r.t.Errorf("%d events with %d ids, want %d", len(got), len(ids), largest)
	}
}

// accepts sends the largest batch until the answer is 200. On a cluster that has just
// started, or with the race detector, the first attempts may be too slow: then the
// provider is asked to send it again, and still each event is there once.
func (r *running) accepts(body string) {
	r.t.Helper()
	until(r.t, "the batch is accepted", func() bool {
		status := r.post(body)
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			r.t.Fatalf("status %d", status)
		}
		return status == http.StatusOK
	})
}

func TestTheLargestBatchIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	r := run(t, settings(t, batchSettings))
	body := largestBatch()
	for round := range 2 { // the second time all of it is a repeat
		if status := r.post(body); status != http.StatusOK && !raceDetector {
			t.Fatalf("round %d: status %d", round, status)
		}
	}
	r.accepts(body) // with the race detector perhaps for the first time
	r.hasLargestBatch("email.queued")
}

func TestTheLargestBatchOnARealCluster(t *testing.T) {
	p := prefix()
	r := run(t, settings(t, batchSettings+" POSTRIDER_KAFKA_BROKERS="+cluster(t, brokersVar)+" POSTRIDER_KAFKA_TOPICS_PREFIX="+p))
	r.accepts(largestBatch())
	r.hasLargestBatch(p + ".queued")
}
