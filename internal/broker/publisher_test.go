package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPublishReachesTheTopic(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	at := time.UnixMilli(1_700_000_000_123)
	want := []Record{
		{Topic: testTopic, Key: []byte("k"), Value: []byte("v"), Headers: []Header{{Key: "h", Value: []byte("1")}, {Key: "empty", Value: []byte{}}}, Time: at},
		{Topic: testTopic, Key: []byte("k"), Time: at.Add(-time.Hour)},
	}
	r.mustPublish(want...)
	if d := cmp.Diff(want, readAll(t, r.client, testTopic, 0)); d != "" {
		t.Errorf("records differ (-sent +read):\n%s", d)
	}
}

func TestPublishNothing(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	if err := r.Publish(context.Background(), nil); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

// A literal kafka.Writer waits for RequireNone and one second. Here nothing can
// ask for less than all replicas, and no timer runs on the way.
func TestAcksAllAlways(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	j := r.watch()
	r.cluster.Fault(kfake.Fault{Err: codeError(7), Count: 2, Keys: produceKey})
	r.mustPublish(record("a"))
	r.mustPublish(records("b", "c")...)
	reqs := j.all()
	if len(reqs) < 4 {
		t.Fatalf("%d produce requests, want at least 4 with the retries", len(reqs))
	}
	for i, req := range reqs {
		if req.acks != -1 {
			t.Errorf("request %d asks for acks=%d, want -1 (all)", i, req.acks)
		}
		if want := int32(5000 * 3 / 4); req.timeout > want || req.timeout < want/2 {
			t.Errorf("request %d gives the broker %d ms, want about %d", i, req.timeout, want)
		}
	}
}

func TestLoneRecordWaitsForNoTimer(t *testing.T) {
	frozen := time.Now()
	r := newRig(t, PublisherOptions{Now: func() time.Time { return frozen }})
	r.wait = func(context.Context, time.Duration) error {
		t.Error("a record waited for a timer")
		return nil
	}
	j := r.watch()
	for i := range 5 {
		r.mustPublish(record(strconv.Itoa(i)))
	}
	if n := len(j.all()); n != 5 {
		t.Errorf("%d produce requests for 5 lone records, want 5", n)
	}
}

func TestPendingRecordsLeaveTogether(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	waiting, free := r.hold()
	j := r.watch()
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(record("first")) })
	<-waiting
	want := []string{"first"}
	for i := range 50 {
		v := fmt.Sprintf("v%02d", i)
		want = append(want, v)
		wg.Go(func() { r.mustPublish(record(v)) })
	}
	r.queueLength(51)
	free()
	wg.Wait()
	if n := len(j.all()); n != 2 {
		t.Errorf("%d produce requests, want 2: the first, then all that was pending", n)
	}
	if d := diffValues(values(t, r.client, testTopic, 0), want); d != "" {
		t.Error(d)
	}
}

// queueLength waits until n records like record's are accounted for.
func (r *rig) queueLength(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d records in the publisher", n), func() bool {
		count := 0
		for _, l := range r.lanes(testTopic) {
			l.mu.Lock()
			count += len(l.queue) - l.head
			l.mu.Unlock()
		}
		return count == n-1 // one is in flight
	})
}

// lanes are a topic's, of which records may be published a moment before everybody
// sees them.
func (r *rig) lanes(name string) []*lane {
	r.t.Helper()
	t := r.topic(name)
	eventually(r.t, "lanes of "+name, func() bool { return t.lanes.Load() != nil })
	return *t.lanes.Load()
}

func TestBatchesStayBelowTheLimit(t *testing.T) {
	r := newRig(t, PublisherOptions{MaxBatchBytes: 1000})
	waiting, free := r.hold()
	j := r.watch()
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(record("first")) })
	<-waiting
	big := strings.Repeat("x", 2000) // larger than a batch: one of its own
	vals := []string{big}
	for i := range 20 {
		vals = append(vals, strconv.Itoa(i)+strings.Repeat("y", 100))
	}
	wg.Go(func() { r.mustPublish(records(vals...)...) })
	r.queueLength(1 + len(vals))
	free()
	wg.Wait()
	for i, req := range j.all() {
		if len(req.raw) > 1000 && len(req.values) > 1 {
			t.Errorf("batch %d has %d records in %d bytes, want at most 1000", i, len(req.values), len(req.raw))
		}
	}
	if d := cmp.Diff(append([]string{"first"}, vals...), values(t, r.client, testTopic, 0)); d != "" {
		t.Errorf("topic differs:\n%s", d)
	}
}

func TestOversizedRecordRefusedBeforeSending(t *testing.T) {
	const limit = 1000
	r := newRig(t, PublisherOptions{})
	if err := r.cluster.CreateTopic("small", 1, map[string]string{"max.message.bytes": strconv.Itoa(limit)}); err != nil {
		t.Fatal(err)
	}
	r.SetLimit("small", limit)
	j := r.watch()
	fits := Record{Topic: "small", Value: bytes.Repeat([]byte("x"), 900)}
	for RecordBytes(&fits) < r.MaxRecordBytes("small") {
		fits.Value = append(fits.Value, 'x')
	}
	tooLarge := Record{Topic: "small", Value: append(bytes.Clone(fits.Value), 'x')}
	err := r.Publish(context.Background(), []Record{fits, tooLarge, record("neighbour")})
	var pe *PublishError
	if !errors.As(err, &pe) {
		t.Fatalf("got %v, want a *PublishError", err)
	}
	if pe.Errs[0] != nil || pe.Errs[2] != nil || !errors.Is(pe.Errs[1], ErrTooLarge) {
		t.Errorf("outcomes are %v, want only the second to be too large", pe.Errs)
	}
	if n := len(j.all()); n != 2 {
		t.Errorf("%d produce requests, want 2: none for the oversized record", n)
	}
	if got := len(values(t, r.client, "small", 0)); got != 1 {
		t.Errorf("topic has %d records, want the one of exactly %d bytes", got, limit)
	}
}

func TestBytesInFlightBounded(t *testing.T) {
	r := newRig(t, PublisherOptions{MaxInFlightBytes: 10_000})
	waiting, free := r.hold()
	var wg sync.WaitGroup
	fill := strings.Repeat("x", 4000)
	wg.Go(func() { r.mustPublish(record("1" + fill)) })
	<-waiting
	wg.Go(func() { r.mustPublish(record("2" + fill)) })
	r.queueLength(2)
	err := r.Publish(context.Background(), records("3"+fill, "small"))
	if !errors.Is(err, ErrOverloaded) {
		t.Errorf("third record: got %v, want ErrOverloaded", err)
	}
	wg.Go(func() { r.mustPublish(record("small")) })
	r.queueLength(3)
	free()
	wg.Wait()
	if got := len(values(t, r.client, testTopic, 0)); got != 3 {
		t.Errorf("topic has %d records, want 3: the refused pair as a whole is not there", got)
	}
	r.mustPublish(record(strings.Repeat("x", 20_000))) // alone, it may be larger than the budget
}

func TestUnknownTopicFailsAlone(t *testing.T) {
	seen := &observed{}
	r := newRig(t, PublisherOptions{Observer: seen})
	r.wait = hurry
	r.mustPublish(record("warm"))
	err := r.Publish(context.Background(), []Record{{Topic: "absent", Value: []byte("x")}, record("present")})
	var pe *PublishError
	if !errors.As(err, &pe) || pe.Errs[0] == nil || pe.Errs[1] != nil {
		t.Fatalf("got %v, want only the first record to fail", err)
	}
	if msg := pe.Errs[0].Error(); !strings.Contains(msg, "absent") || !strings.Contains(msg, "create it") {
		t.Errorf("error does not name the topic and what to do: %s", msg)
	}
	if errors.Is(pe.Errs[0], ErrUnknownOutcome) {
		t.Errorf("the record was certainly not published, got %v", pe.Errs[0])
	}
	if seen.retries(reasonTopic) == 0 {
		t.Error("the missing topic was not asked for again")
	}
	// The topic is found once it is there.
	if err := r.cluster.CreateTopic("absent", 1, nil); err != nil {
		t.Fatal(err)
	}
	r.wait = sleep
	r.mustPublish(Record{Topic: "absent", Value: []byte("x")})
}

// hurry keeps backoff short without a fake clock.
func hurry(ctx context.Context, d time.Duration) error { return sleep(ctx, d/10) }

func TestUnkeyedRecordsSpread(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.SeedTopics(3, "wide"))
	for range 6 {
		r.mustPublish(Record{Topic: "wide", Value: []byte("x")})
	}
	for p := range 3 {
		if n := len(values(t, r.client, "wide", p)); n != 2 {
			t.Errorf("partition %d has %d records, want 2", p, n)
		}
	}
}

func TestKeysKeepTheirPartition(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.SeedTopics(3, "wide"))
	for key, want := range map[string]int{"": 0, "a": 1, "msg_01": 2, "abc": 0} { // see TestMurmur2
		r.mustPublish(Record{Topic: "wide", Key: []byte(key), Value: []byte("key " + key)})
		found := -1
		for p := range 3 {
			for _, v := range values(t, r.client, "wide", p) {
				if v == "key "+key {
					found = p
				}
			}
		}
		if found != want {
			t.Errorf("key %q is on partition %d, want %d", key, found, want)
		}
	}
}

func TestCloseFlushes(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	waiting, free := r.hold()
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(record("in flight")) })
	<-waiting
	wg.Go(func() { r.mustPublish(record("queued")) })
	r.queueLength(2)
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	eventually(t, "Close has begun", r.closed.Load)
	if err := r.Publish(context.Background(), records("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Publish after Close: got %v, want ErrClosed", err)
	}
	select {
	case err := <-closed:
		t.Errorf("Close returned %v with records in flight", err)
	default:
	}
	free()
	wg.Wait()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"in flight", "queued"}); d != "" {
		t.Error(d)
	}
}

func TestCloseFlushesWhatWaitsForATopic(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	asked := make(chan struct{}, 100)
	r.wait = func(ctx context.Context, d time.Duration) error {
		asked <- struct{}{}
		return sleep(ctx, d)
	}
	result := make(chan error, 1)
	go func() { result <- r.Publish(context.Background(), []Record{{Topic: "soon", Value: []byte("x")}}) }()
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	if err := r.cluster.CreateTopic("soon", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("Publish: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestCloseEndsWithItsContext(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	waiting, free := r.hold()
	results := make(chan error, 2)
	go func() { results <- r.Publish(context.Background(), records("in flight")) }()
	<-waiting
	go func() { results <- r.Publish(context.Background(), records("queued")) }()
	r.queueLength(2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: got %v, want the context's error", err)
	}
	sent := 0
	for range 2 {
		err := <-results
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		if errors.Is(err, ErrUnknownOutcome) {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d records have an unknown outcome, want 1: the one in flight", sent)
	}
	free()
}

func TestWarmLeavesNothingToWaitFor(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	if err := r.Warm(context.Background(), testTopic); err != nil {
		t.Fatal(err)
	}
	r.cluster.ControlKey(int16(kmsg.InitProducerID), func(kmsg.Request) (kmsg.Response, error, bool) {
		t.Error("a producer id was fetched after Warm")
		return nil, nil, false
	})
	r.mustPublish(record("a"))
	if err := r.Warm(context.Background(), "absent"); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("Warm of a missing topic: got %v, want an error that names it", err)
	}
}

func TestUnknownLimitRefusesNothing(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.SetLimit(testTopic, 0) // the account may not read the topic's settings
	r.mustPublish(record("a"))
}
