package broker

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestNewProducerIDAfterUnknownOutcome(t *testing.T) {
	seen := &observed{}
	r := newRig(t, PublisherOptions{Observer: seen, AttemptTimeout: time.Second})
	r.mustPublish(record("first"))
	waiting, free := r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- r.Publish(ctx, records("ghost")) }()
	<-waiting
	cancel()
	if err := outcome(t, <-result); !errors.Is(err, ErrDeadline) || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrDeadline and ErrUnknownOutcome", err)
	}
	eventually(t, "the lane has given up", func() bool { return r.InFlightBytes() == 0 })
	j := r.watch()
	free()
	r.mustPublish(record("next"))
	var next produced // the held request may be journalled behind it
	for _, req := range j.all() {
		if slices.Contains(req.values, "next") {
			next = req
		}
	}
	if len(next.values) != 1 || next.sequence != 0 || seen.ids() != 2 {
		t.Errorf("next batch has sequence %d and %d producer ids were fetched, want 0 and 2", next.sequence, seen.ids())
	}
	got := values(t, r.client, testTopic, 0)
	for _, v := range []string{"first", "next"} {
		if !slices.Contains(got, v) {
			t.Errorf("%s is missing in %v", v, got)
		}
	}
}

// Whoever leaves is told whether the broker may have the record.
func TestCallerThatLeavesKnowsWhatWasSent(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	waiting, free := r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, 2)
	go func() { results <- r.Publish(ctx, records("in flight")) }()
	<-waiting
	go func() { results <- r.Publish(ctx, records("queued")) }()
	r.queueLength(2)
	cancel()
	sent := 0
	for range 2 {
		err := outcome(t, <-results)
		if !errors.Is(err, ErrDeadline) {
			t.Errorf("got %v, want ErrDeadline", err)
		}
		if errors.Is(err, ErrUnknownOutcome) {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d of 2 records may have been sent, want the one in flight", sent)
	}
	free()
	r.mustPublish(record("last"))
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"in flight", "last"}); d != "" {
		t.Error(d)
	}
}

func TestProducerIDIsKeptWhenNothingWasSent(t *testing.T) {
	seen := &observed{}
	r := newRig(t, PublisherOptions{Observer: seen})
	r.mustPublish(record("first"))
	inner := r.produce
	r.produce = &faulty{RoundTripper: inner, before: func() error { return io.EOF }}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Publish(ctx, records("expired")); !errors.Is(err, ErrDeadline) {
		t.Errorf("got %v, want ErrDeadline", err)
	}
	eventually(t, "the lane rests", func() bool { return r.InFlightBytes() == 0 })
	eventually(t, "the lane rests", r.lanes(testTopic)[0].rests)
	r.produce = inner
	r.mustPublish(record("next"))
	if seen.ids() != 1 {
		t.Errorf("%d producer ids, want 1: no outcome was unknown", seen.ids())
	}
}

func TestSequenceErrors(t *testing.T) {
	for _, code := range []int16{45, 47, 59} {
		t.Run(kafka.Error(code).Title(), func(t *testing.T) {
			t.Run("first attempt goes out again under a new id", func(t *testing.T) {
				r := newRig(t, PublisherOptions{})
				r.mustPublish(record("first"))
				j := r.watch()
				r.answer(code)
				r.mustPublish(record("second"))
				reqs := j.all()
				a, b := reqs[0], reqs[len(reqs)-1]
				if a.producer == b.producer || b.sequence != 0 {
					t.Errorf("went from producer %d to %d sequence %d, want a new one at 0", a.producer, b.producer, b.sequence)
				}
				if d := cmp.Diff([]string{"first", "second"}, values(t, r.client, testTopic, 0)); d != "" {
					t.Errorf("topic differs:\n%s", d)
				}
			})
			t.Run("after an unknown outcome nothing is sent again", func(t *testing.T) {
				r := newRig(t, PublisherOptions{})
				r.wait = hurry
				r.mustPublish(record("first"))
				r.produce = &faulty{RoundTripper: r.produce, after: times(1, io.ErrUnexpectedEOF), before: skip(1, &answerError{code: code})}
				err := outcome(t, r.Publish(context.Background(), records("second")))
				if !errors.Is(err, ErrUnknownOutcome) {
					t.Errorf("got %v, want ErrUnknownOutcome", err)
				}
				r.mustPublish(record("third"))
				if d := cmp.Diff([]string{"first", "second", "third"}, values(t, r.client, testTopic, 0)); d != "" {
					t.Errorf("topic differs from one copy each:\n%s", d)
				}
			})
		})
	}
}

// skip lets n calls pass, fails one, and lets the rest pass.
func skip(n int32, err error) func() error {
	var calls atomic.Int32
	return func() error {
		if calls.Add(1) == n+1 {
			return err
		}
		return nil
	}
}

func TestDuplicateSequenceIsSuccess(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.answer(46)
	r.mustPublish(record("a"))
}

func TestSettingsAtFaultAreNotRetried(t *testing.T) {
	for _, code := range []int16{17, 29, 31, 42} {
		t.Run(kafka.Error(code).Title(), func(t *testing.T) {
			r := newRig(t, PublisherOptions{})
			r.mustPublish(record("first"))
			j := r.watch()
			r.answer(code)
			err := outcome(t, r.Publish(context.Background(), records("second")))
			if !errors.Is(err, kafka.Error(code)) || errors.Is(err, ErrUnknownOutcome) {
				t.Errorf("got %v, want the broker's refusal with a certain outcome", err)
			}
			if n := len(j.all()); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
			r.mustPublish(record("third"))
		})
	}
}

func TestProducerIDIsWaitedFor(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.wait = hurry
	for _, code := range []int16{14, 15, 16} {
		r.cluster.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
			res, _ := req.ResponseKind().(*kmsg.InitProducerIDResponse)
			res.ErrorCode = code
			return res, nil, true
		})
	}
	r.mustPublish(record("a"))
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"a"}); d != "" {
		t.Error(d)
	}
}

// Sequence numbers are 31 bits wide in Java's client and brokers: 0 follows
// 2^31-1. (The in-process broker wraps one earlier; then the publisher must
// fall back to a new producer id. On a real broker it must not have to.)
func TestSequenceWraps(t *testing.T) {
	for _, c := range []struct{ sequence, n, want int32 }{
		{0, 1, 1}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32 - 1, 4, 2}, {math.MaxInt32, math.MaxInt32, math.MaxInt32 - 1},
	} {
		if got := nextSequence(c.sequence, c.n); got != c.want {
			t.Errorf("%d records from %d: next is %d, want %d", c.n, c.sequence, got, c.want)
		}
	}
	onBrokers(t, func(t *testing.T, r *rig) {
		t.Helper()
		seen := &observed{}
		r.observer = seen
		topic := r.newTopic(1)
		rec := func(v string) Record { return Record{Topic: topic, Key: []byte("k"), Value: []byte(v)} }
		r.mustPublish(rec("first"))
		l := r.lanes(topic)[0]
		eventually(t, "the lane rests", l.rests)
		// Brokers accept any first sequence of a producer they have no state for.
		l.id.producer += 1_000_000
		l.sequence = math.MaxInt32 - 1
		r.mustPublish(rec("a"), rec("b"), rec("c"), rec("d"))
		r.mustPublish(rec("e"))
		if r.cluster == nil && seen.ids() != 1 {
			t.Errorf("%d producer ids were needed, want 1", seen.ids())
		}
		if d := cmp.Diff([]string{"first", "a", "b", "c", "d", "e"}, values(t, r.client, topic, 0)); d != "" {
			t.Errorf("topic differs:\n%s", d)
		}
	})
}
