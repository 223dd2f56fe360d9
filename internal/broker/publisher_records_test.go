package broker

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOneBadRecordFailsAlone(t *testing.T) {
	for code, want := range map[int16]error{
		2: ErrInvalid, 10: ErrTooLarge, 18: ErrTooLarge, 32: ErrInvalid, 87: ErrInvalid,
	} {
		t.Run(kafka.Error(code).Title(), func(t *testing.T) {
			r := newRig(t, PublisherOptions{})
			r.wait = hurry
			waiting, free := r.hold()
			r.refuseBatchesWith("bad", code)
			j := r.watch()
			var wg sync.WaitGroup
			wg.Go(func() { r.mustPublish(record("first")) })
			<-waiting
			vals := []string{"0", "1", "2", "3", "4", "bad", "6", "7", "8"}
			var err error
			wg.Go(func() { err = r.Publish(context.Background(), records(vals...)) })
			r.queueLength(1 + len(vals))
			free()
			wg.Wait()
			var pe *PublishError
			if !errors.As(err, &pe) {
				t.Fatalf("got %v, want a *PublishError", err)
			}
			for i, e := range pe.Errs {
				if vals[i] == "bad" && !errors.Is(e, want) {
					t.Errorf("bad record: got %v, want %v", e, want)
				}
				if vals[i] != "bad" && e != nil {
					t.Errorf("neighbour %s failed: %v", vals[i], e)
				}
			}
			r.mustPublish(record("last"))
			good := []string{"first", "0", "1", "2", "3", "4", "6", "7", "8", "last"}
			if d := cmp.Diff(good, values(t, r.client, testTopic, 0)); d != "" {
				t.Errorf("topic differs:\n%s", d)
			}
			reqs := j.all()
			if last := reqs[len(reqs)-1]; last.producer != reqs[0].producer || last.sequence != 9 {
				t.Errorf("last batch has sequence %d of producer %d, want 9 of %d: refused batches use up none",
					last.sequence, last.producer, reqs[0].producer)
			}
		})
	}
}

func (r *rig) refuseBatchesWith(value string, code int16) {
	r.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		for _, p := range parseProduce(r.t, req) {
			if slices.Contains(p.values, value) {
				return produceAnswer(req, code), nil, true
			}
		}
		return nil, nil, false
	})
}

// The first attempt is appended, its answer is lost, and the broker refuses the
// second for its size: the halves must not become second copies.
func TestDividingAfterUnknownOutcomeMakesNoCopies(t *testing.T) {
	onBrokers(t, func(t *testing.T, r *rig) {
		t.Helper()
		r.wait = hurry
		topic := r.newTopic(1)
		rec := func(v string) Record { return Record{Topic: topic, Key: []byte("k"), Value: []byte(v)} }
		r.mustPublish(rec("first"))
		var attempts atomic.Int32
		r.produce = &faulty{
			RoundTripper: r.produce,
			before: func() error {
				if attempts.Add(1) == 2 {
					return &answerError{code: 10}
				}
				return nil
			},
			after: times(1, io.ErrUnexpectedEOF),
		}
		err := r.publishTogether(rec("a"), rec("b"))
		if !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v, want ErrUnknownOutcome", err)
		}
		if n := attempts.Load(); n < 3 {
			t.Errorf("%d attempts: the halves were never tried", n)
		}
		r.mustPublish(rec("last"))
		if d := cmp.Diff([]string{"first", "a", "b", "last"}, values(t, r.client, topic, 0)); d != "" {
			t.Errorf("topic differs:\n%s", d)
		}
	})
}

// The topic's limit is not known to the publisher here, so the broker itself
// refuses.
func TestBrokersLimitFailsOnlyTheCulprit(t *testing.T) {
	onBrokers(t, func(t *testing.T, r *rig) {
		t.Helper()
		topic := r.newTopic(1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "4000"})
		rec := func(v string) Record { return Record{Topic: topic, Key: []byte("k"), Value: []byte(v)} }
		huge := strings.Repeat("x", 5000)
		recs := []Record{rec("a"), rec("b"), rec(huge), rec("c"), rec("d")}
		if err := r.Warm(context.Background(), topic); err != nil {
			t.Fatal(err)
		}
		err := r.publishTogether(recs...)
		var pe *PublishError
		if !errors.As(err, &pe) {
			t.Fatalf("got %v, want a *PublishError", err)
		}
		for i, e := range pe.Errs {
			if i == 2 && !errors.Is(e, ErrTooLarge) || i != 2 && e != nil {
				t.Errorf("record %d: got %v", i, e)
			}
		}
		if d := cmp.Diff([]string{"a", "b", "c", "d"}, values(t, r.client, topic, 0)); d != "" {
			t.Errorf("topic differs:\n%s", d)
		}
	})
}
