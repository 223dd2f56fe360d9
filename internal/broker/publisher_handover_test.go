package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
)

// gatedStore is a store whose Append waits.
type gatedStore struct {
	*memStore
	gate  chan struct{}
	calls atomic.Int32
}

func (s *gatedStore) Append(ctx context.Context, recs []Record) ([]Ref, error) {
	s.calls.Add(1)
	<-s.gate
	return s.memStore.Append(ctx, recs)
}

// A record that is acknowledged while it is being stored is no reason to take its
// partition for stuck.
func TestAcknowledgedWhileItIsStored(t *testing.T) {
	s := &gatedStore{memStore: newMemStore(), gate: make(chan struct{})}
	r := newRig(t, PublisherOptions{Store: s, Budget: 50 * time.Millisecond, AttemptTimeout: 5 * time.Second})
	r.mustPublish(record("warm"))
	_, free := r.hold()
	result := make(chan error, 1)
	go func() {
		_, err := r.Deliver(context.Background(), records("a"), BrokerThenSpool)
		result <- err
	}()
	eventually(t, "the record is being stored", func() bool { return s.calls.Load() == 1 })
	free()
	l := r.lanes(testTopic)[0]
	eventually(t, "the lane rests", l.rests)
	close(s.gate)
	if err := <-result; err != nil {
		t.Errorf("Deliver: %v", err)
	}
	if l.stuck.Load() || r.misses.Load() != 0 {
		t.Error("the lane is taken for stuck although it rests")
	}
	if !s.empty() {
		t.Error("the store still holds the record")
	}
}

// A stuck lane and a store that takes nothing: the records are tried all the
// same, or the lane would stay stuck although Kafka is well.
func TestAStuckLaneIsTriedWhenTheStoreTakesNothing(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	r.mustPublish(record("warm"))
	l := r.lanes(testTopic)[0]
	l.stuck.Store(true)
	s.full = errors.New("disk full")
	if n := r.deliver(BrokerThenSpool, record("a")); n != 0 {
		t.Errorf("%d records in the store, want none", n)
	}
	if l.stuck.Load() {
		t.Error("the lane is still stuck")
	}
	r.topicIs("warm", "a")
}

// What is published although its neighbour is refused is reported as published,
// so that a provider's next try is known for a repeat.
func TestNeighboursOfARefusedRecordAreWaitedFor(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: plenty})
	r.mustPublish(record("warm"))
	s.full = errors.New("disk full")
	r.topic("missing").stuck.Store(true)
	bad := Record{Topic: "missing", Key: []byte("k"), Value: []byte("x")}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := r.Deliver(ctx, []Record{record("good"), bad}, BrokerThenSpool)
		result <- err
	}()
	eventually(t, "the good one is published", func() bool { return len(values(t, r.client, testTopic, 0)) == 2 })
	eventually(t, "the lane rests", r.lanes(testTopic)[0].rests)
	cancel() // as the deadline would
	err := <-result
	var pe *PublishError
	if !errors.As(err, &pe) || pe.Errs[0] != nil || pe.Errs[1] == nil {
		t.Fatalf("got %v, want a failure of the second record only", err)
	}
	r.topicIs("warm", "good")
}

// Records of one call keep their order however its lanes' state changes while it
// puts them in line.
func TestOneCallKeepsItsOrder(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second, MaxInFlightBytes: 256 << 20})
	r.mustPublish(record("warm"))
	l := r.lanes(testTopic)[0]
	l.stuck.Store(true)
	recs := make([]Record, 30_000)
	want := make([]string, 0, len(recs)+1)
	want = append(want, "warm")
	for i := range recs {
		recs[i] = record(fmt.Sprintf("%06d", i))
		want = append(want, string(recs[i].Value))
	}
	stop := make(chan struct{})
	go func() {
		for { // what acknowledgements and deadlines of others do
			select {
			case <-stop:
				return
			default:
				l.stuck.Store(!l.stuck.Load())
			}
		}
	}()
	r.deliver(BrokerThenSpool, recs...)
	close(stop)
	eventually(t, "the store is empty", s.empty)
	eventually(t, "the lane rests", l.rests)
	if got := values(t, r.client, testTopic, 0); !slices.Equal(got, want) {
		t.Errorf("%d records, in another order than they came", len(got))
	}
}

// A kill leaves of a call what the store has of it, and the provider's next try adds
// the rest behind that. So nothing is stored while what comes before it is in memory
// only: not even where the lane becomes stuck between two records.
func TestNothingIsStoredAheadOfWhatIsInMemory(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	r.mustPublish(record("warm"))
	l := r.lanes(testTopic)[0]
	_, free := r.hold()
	defer free()
	l.mu.Lock() // the first record's way into the line is barred
	result := make(chan error, 1)
	go func() {
		_, err := r.Deliver(context.Background(), records("a", "b"), BrokerThenSpool)
		result <- err
	}()
	eventually(t, "the records are on their way", func() bool { return r.InFlightBytes() > 0 })
	l.stuck.Store(true)
	l.mu.Unlock()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{2}, s.appended); d != "" {
		t.Errorf("records of each append (-want +got):\n%s", d)
	}
}

func TestStopWithABacklogForAnUnknownTopic(t *testing.T) {
	for i := range 20 {
		p := NewPublisher(dialTest(t, "127.0.0.1:1"), PublisherOptions{Now: time.Now, Store: newMemStore(), AttemptTimeout: 20 * time.Millisecond})
		stored := make([]Stored, 100_000)
		for i := range stored {
			stored[i] = Stored{Ref: Ref{Seq: uint64(i + 1)}, Topic: "t", Size: 100}
		}
		p.Resume(stored)
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+i)*time.Millisecond)
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

// The caller of an impatient record gets its answer while its lane goes on for
// patient neighbours. From then on the lane must not touch what is the caller's:
// the next call uses it again.
func TestAnImpatientNeighbourIsLetGo(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 5 * time.Second}, kfake.SeedTopics(1, "other"))
	gate := make(chan struct{})
	paused := make(chan struct{}, 100)
	r.wait = func(ctx context.Context, _ time.Duration) error {
		paused <- struct{}{}
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return nil
	}
	r.mustPublish(record("warm"))
	l := r.lanes(testTopic)[0]
	eventually(t, "the lane rests", l.rests)
	r.answer(29) // no right to write, once
	if !r.start() {
		t.Fatal("the publisher is closed")
	}
	l.mu.Lock()
	l.running = true
	l.mu.Unlock()
	impatient, patient := make(chan error, 1), make(chan error, 1)
	go func() { impatient <- r.Publish(context.Background(), records("impatient")) }()
	go func() {
		_, err := r.Deliver(context.Background(), records("patient"), BrokerThenSpool)
		patient <- err
	}()
	eventually(t, "both are queued", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue)-l.head == 2
	})
	go l.run()
	if err := <-impatient; err == nil {
		t.Error("an impatient record was not told of the refusal")
	}
	<-paused
	for range 50 { // one of these uses the impatient one's memory again
		other := Record{Topic: "other", Key: []byte("k"), Value: []byte("x")}
		if _, err := r.Deliver(context.Background(), []Record{other}, BrokerThenSpool); err != nil {
			t.Error(err)
		}
	}
	close(gate)
	if err := <-patient; err != nil {
		t.Error(err)
	}
	eventually(t, "the store is empty", s.empty)
	r.topicIs("warm", "patient")
	if got := len(values(t, r.client, "other", 0)); got != 50 {
		t.Errorf("%d records in the other topic, want 50", got)
	}
	eventually(t, "nothing is in flight", func() bool { return r.InFlightBytes() == 0 })
}
