package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// scanned is what a scan told: values in order, gaps in between.
type scanned struct {
	values []string
	gaps   []OffsetGap
	next   int64
}

func (s *scanned) take(c Chunk) error {
	for _, m := range c.Messages {
		s.values = append(s.values, string(m.Value))
	}
	s.gaps, s.next = append(s.gaps, c.Gaps...), c.Next
	return nil
}

func TestScanTellsWhatRetentionTook(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	for _, v := range []string{"0", "1", "2", "3"} {
		r.mustPublish(record(v))
	}
	if err := r.cluster.DeleteRecords(testTopic, 0, 3); err != nil {
		t.Fatal(err)
	}
	var got scanned
	err := r.client.Scan(t.Context(), testTopic, 0, 1, 4, ScanOptions{}, got.take)
	want := scanned{[]string{"3"}, []OffsetGap{{From: 1, To: 3, Expired: true}}, 4}
	if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(scanned{})) != "" {
		t.Errorf("Scan = %+v, %v, want %+v", got, err, want)
	}
	got = scanned{}
	err = r.client.Scan(t.Context(), testTopic, 0, 0, 2, ScanOptions{}, got.take)
	want = scanned{nil, []OffsetGap{{From: 0, To: 2, Expired: true}}, 2}
	if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(scanned{})) != "" {
		t.Errorf("Scan of what is all gone = %+v, %v, want %+v", got, err, want)
	}
}

// Retention does not wait for a scan that is on its way.
func TestScanIsOvertakenByRetention(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	const n = 40
	for i := range n {
		r.mustPublish(record(fmt.Sprint(i, strings.Repeat(" ", 1000))))
	}
	var got scanned
	seen := int64(0)
	err := r.client.Scan(t.Context(), testTopic, 0, 0, n, ScanOptions{Bytes: 2000}, func(c Chunk) error {
		if seen == 0 {
			if err := r.cluster.DeleteRecords(testTopic, 0, 30); err != nil {
				t.Error(err)
			}
		}
		for _, g := range c.Gaps {
			seen = g.To
		}
		for _, m := range c.Messages {
			if m.Offset != seen {
				t.Errorf("offset %d after %d, and no gap", m.Offset, seen)
			}
			seen = m.Offset + 1
		}
		return got.take(c)
	})
	if err != nil || got.next != n || len(got.gaps) != 1 || !got.gaps[0].Expired || got.gaps[0].To != 30 ||
		int64(len(got.values)) != n-(got.gaps[0].To-got.gaps[0].From) {
		t.Errorf("Scan = %d records, gaps %v, next %d, %v", len(got.values), got.gaps, got.next, err)
	}
}

func TestScanTellsWhatCompactionTook(t *testing.T) {
	t.Parallel()
	c, cluster := fakeCluster(t)
	if err := cluster.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(c, PublisherOptions{Now: time.Now, Budget: 10 * time.Second})
	defer p.Close(t.Context())
	for i, key := range []string{"a", "x", "x", "y", "z"} {
		rec := Record{Topic: "state", Key: []byte(key), Value: fmt.Append(nil, i)}
		if err := p.Publish(t.Context(), []Record{rec}); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Compact()
	var got scanned
	err := c.Scan(t.Context(), "state", 0, 0, 5, ScanOptions{}, got.take)
	want := scanned{[]string{"0", "2", "3", "4"}, []OffsetGap{{From: 1, To: 2}}, 5}
	if err != nil || cmp.Diff(want, got, cmp.AllowUnexported(scanned{})) != "" {
		t.Errorf("Scan = %+v, %v, want %+v", got, err, want)
	}
}

func TestScanRidesOutPassingErrors(t *testing.T) {
	t.Parallel()
	for _, fault := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.OffsetOutOfRange} {
		t.Run(fault.Message, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			r.mustPublish(records("a", "b")...)
			h := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: fault, Count: 2})
			var got scanned
			err := r.client.Scan(t.Context(), testTopic, 0, 0, 2, ScanOptions{}, got.take)
			if err != nil || strings.Join(got.values, " ") != "a b" || got.gaps != nil || h.Hits() != 2 {
				t.Errorf("Scan = %+v, %v after %d faults", got, err, h.Hits())
			}
		})
	}
}

func TestScanEndsAsItsCallbackWants(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	r.mustPublish(records("a", "b")...)
	broken := errors.New("broken")
	for want, given := range map[error]error{nil: ErrStop, broken: broken} {
		if err := r.client.Scan(t.Context(), testTopic, 0, 0, 9, ScanOptions{}, func(Chunk) error { return given }); !errors.Is(err, want) {
			t.Errorf("Scan = %v, want %v", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := r.client.Scan(ctx, testTopic, 0, 0, 9, ScanOptions{}, func(Chunk) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Scan = %v, want that its context ended", err)
	}
}
