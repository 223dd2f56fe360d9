package broker

import (
	"context"
	"slices"
	"testing"
	"time"
)

// BenchmarkLoneRecord holds a Deliver of one request, raw copy and event, against the
// bare round trip of the same bytes: one produce request of two batches by kafka-go.
// They take turns, so that both see the same machine. With POSTRIDER_TEST_BROKERS it
// runs against those brokers.
func BenchmarkLoneRecord(b *testing.B) {
	r := benchRig(b)
	r.opts.Store = newMemStore()
	raw, typed := r.newTopic(1), r.newTopic(6)
	if err := r.Warm(context.Background(), raw, typed); err != nil {
		b.Fatal(err)
	}
	recs := request(raw, typed, 1, 1)
	r.mustPublish(recs...) // from here on the leaders are there
	lanes := []*lane{pick(r.lanes(raw), keySlot(recs[0].Key)), pick(r.lanes(typed), keySlot(recs[1].Key))}
	var bare, ours []time.Duration
	b.ResetTimer()
	for range b.N {
		bare = append(bare, timed(func() { r.bare(b, lanes, recs) }))
		ours = append(ours, timed(func() {
			if _, err := r.Deliver(context.Background(), recs, BrokerThenSpool); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(bare).Nanoseconds()), "bare-ns")
	b.ReportMetric(float64(median(ours).Nanoseconds()), "deliver-ns")
	b.ReportMetric(float64(median(ours))/float64(median(bare)), "ratio")
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// bare sends records to their lanes' partitions by one request of kafka-go's, as
// batches of no producer.
func (r *rig) bare(b *testing.B, lanes []*lane, recs []Record) {
	b.Helper()
	req := newLoad()
	for i, l := range lanes {
		batch := r.batches.get()
		batch.reset()
		batch.add(&recs[i], time.Now())
		batch.seal(identity{producer: -1, epoch: -1}, -1)
		req.add(&seat{l: l, wait: time.Second, handover: handover{data: batch.buf}})
	}
	answer, err := req.roundTrip(context.Background(), r.GroupCommitter)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range req.seats {
		if err := outcomeOf(answer, s); err != nil {
			b.Fatal(err)
		}
	}
}
