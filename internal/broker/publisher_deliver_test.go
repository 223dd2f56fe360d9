package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
)

// memStore is a Store in memory.
type memStore struct {
	mu      sync.Mutex
	seq     uint64
	held    map[uint64]Record
	dead    map[uint64]error
	full    error // of the next Appends
	damaged map[uint64]bool
	loads   int

	appended []int // how many records each Append had
}

func newMemStore() *memStore {
	return &memStore{held: map[uint64]Record{}, dead: map[uint64]error{}, damaged: map[uint64]bool{}}
}

func (s *memStore) Append(_ context.Context, recs []Record) ([]Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return nil, s.full
	}
	s.appended = append(s.appended, len(recs))
	refs := make([]Ref, len(recs))
	for i, r := range recs {
		s.seq++
		s.held[s.seq] = r
		refs[i] = Ref{Seq: s.seq}
	}
	return refs, nil
}

func (s *memStore) Load(ref Ref) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	r, ok := s.held[ref.Seq]
	if !ok || s.damaged[ref.Seq] {
		return Record{}, errors.New("damaged")
	}
	return r, nil
}

// read is how many records were asked for.
func (s *memStore) read() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads
}

func (s *memStore) Settle(refs []Ref, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range refs {
		if cause != nil {
			s.dead[ref.Seq] = cause
		}
		delete(s.held, ref.Seq)
	}
}

func (s *memStore) values() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seqs []uint64
	for seq := range s.held {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	out := []string{}
	for _, seq := range seqs {
		out = append(out, string(s.held[seq].Value))
	}
	return out
}

func (s *memStore) pending() []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Stored
	for seq, r := range s.held {
		out = append(out, Describe(Ref{Seq: seq}, &r))
	}
	slices.SortFunc(out, func(a, b Stored) int { return int(a.Seq) - int(b.Seq) })
	return out
}

func (s *memStore) empty() bool { return len(s.values()) == 0 }

// storeRig is a publisher with a store behind it and little time.
func storeRig(t *testing.T, o PublisherOptions, opts ...kfake.Opt) (*rig, *memStore) {
	t.Helper()
	s := newMemStore()
	o.Store = s
	if o.Budget == 0 {
		o.Budget = 100 * time.Millisecond
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 5 * time.Second
	}
	return newRig(t, o, opts...), s
}

// deliver delivers and demands that all records are safe; it tells how many are
// so because of the store.
func (r *rig) deliver(d Durability, recs ...Record) int {
	r.t.Helper()
	spooled, err := r.Deliver(context.Background(), recs, d)
	if err != nil {
		r.t.Fatalf("Deliver: %v", err)
	}
	n := 0
	for _, s := range spooled {
		if s {
			n++
		}
	}
	return n
}

// give sets the time of deliveries that begin from here on; none may be under way.
func (r *rig) give(budget time.Duration) { r.opts.Budget = budget }

func (r *rig) topicIs(want ...string) {
	r.t.Helper()
	if d := cmp.Diff(want, values(r.t, r.client, testTopic, 0)); d != "" {
		r.t.Error("topic (-want +got):\n" + d)
	}
}

func TestDeliverLeavesTheStoreAloneWhileTheBrokerIsQuick(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	if n := r.deliver(BrokerThenSpool, records("a", "b")...); n != 0 {
		t.Errorf("%d records in the store, want none", n)
	}
	if s.seq != 0 {
		t.Errorf("the store got %d records", s.seq)
	}
	r.topicIs("a", "b")
}

func TestHandedOverRecordsArePublishedOnceAndInOrder(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	waiting, free := r.hold()
	if n := r.deliver(BrokerThenSpool, record("first")); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
	<-waiting // it was on its way all the time
	r.give(plenty)
	began := time.Now()
	for i := range 5 {
		r.deliver(BrokerThenSpool, record(fmt.Sprint("later ", i)))
	}
	if d := cmp.Diff([]string{"first", "later 0", "later 1", "later 2", "later 3", "later 4"}, s.values()); d != "" {
		t.Errorf("store (-want +got):\n%s", d)
	}
	if took := time.Since(began); took >= plenty {
		t.Errorf("records behind a stuck one took %v: they waited for the broker", took)
	}
	free()
	eventually(t, "the store is empty", s.empty)
	r.topicIs("first", "later 0", "later 1", "later 2", "later 3", "later 4")
	if n := s.read(); n != 5 {
		t.Errorf("%d records were read back, want 5: the first kept its place in memory, whoever reads it back sends it a second time", n)
	}
	if n := r.deliver(BrokerThenSpool, record("after")); n != 0 {
		t.Error("the store is still used although the broker is quick again")
	}
}

func TestDeliverIsBoundedByTheDeadlineAndTheStore(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{StoreTimeout: 50 * time.Millisecond})
	_, free := r.hold()
	defer free()
	s.full = errors.New("disk full")
	_, err := r.Deliver(context.Background(), records("a", "b"), BrokerThenSpool)
	var pe *PublishError
	if !errors.As(err, &pe) || len(pe.Errs) != 2 || !errors.Is(err, ErrDeadline) || !errors.Is(err, s.full) {
		t.Fatalf("got %v, want a deadline and the store's reason for both records", err)
	}
	if r.tripped() {
		t.Error("a store that takes nothing is no reason not to try the broker")
	}
}

func TestSpoolFirstAnswersFromTheStore(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	waiting, free := r.hold()
	if n := r.deliver(SpoolFirst, record("a")); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
	<-waiting
	if n := r.deliver(SpoolFirst, record("b")); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
	free()
	eventually(t, "the store is empty", s.empty)
	r.topicIs("a", "b")
	if s.loads != 0 {
		t.Errorf("%d records were read back although they were in memory", s.loads)
	}
}

func TestSpoolFirstWithoutStoreWaitsForTheBroker(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	s.full = errors.New("disk full")
	if n := r.deliver(SpoolFirst, record("a")); n != 0 {
		t.Errorf("%d records in the store, want none", n)
	}
	r.topicIs("a")
}

func TestBrokerOnlyNeverUsesTheStore(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	_, free := r.hold()
	defer free()
	if _, err := r.Deliver(context.Background(), records("a"), BrokerOnly); !errors.Is(err, ErrDeadline) {
		t.Errorf("got %v, want a deadline", err)
	}
	if s.seq != 0 {
		t.Errorf("the store got %d records", s.seq)
	}
}

func TestResumedRecordsGoBeforeNewOnes(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	want := []string{}
	for i := range 2000 { // more than one load, so that new ones really queue behind
		want = append(want, fmt.Sprint("old ", i))
	}
	if _, err := s.Append(context.Background(), records(want...)); err != nil {
		t.Fatal(err)
	}
	r.Resume(s.pending())
	r.deliver(BrokerThenSpool, record("new"))
	eventually(t, "the store is empty", s.empty)
	r.topicIs(append(want, "new")...)
}

func TestClosedWhileTheBrokerIsStuckLeavesRecordsInTheStore(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	_, free := r.hold()
	r.deliver(BrokerThenSpool, record("handed over"))
	r.deliver(BrokerThenSpool, record("parked"))
	result := make(chan error, 1)
	go func() {
		other := Record{Topic: testTopic, Key: []byte("k"), Value: []byte("waiting")}
		_, err := r.Deliver(context.Background(), []Record{other}, BrokerThenSpool)
		result <- err
	}()
	if err := <-result; err != nil {
		t.Errorf("Deliver: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if d := cmp.Diff([]string{"handed over", "parked", "waiting"}, s.values()); d != "" {
		t.Errorf("store (-want +got):\n%s", d)
	}
	free()
}

func TestClosedUnderADeliverThatWaits(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	waiting, _ := r.hold()
	result := make(chan error, 1)
	go func() {
		_, err := r.Deliver(context.Background(), records("a"), BrokerThenSpool)
		result <- err
	}()
	<-waiting
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-result; err != nil {
		t.Errorf("Deliver: %v; the store could have kept it", err)
	}
	if d := cmp.Diff([]string{"a"}, s.values()); d != "" {
		t.Errorf("store (-want +got):\n%s", d)
	}
}

func TestSettingsAtFaultBlockAndLoseNothing(t *testing.T) {
	for name, code := range map[string]int16{"no write access": 29, "no idempotent write": 31} {
		t.Run(name, func(t *testing.T) {
			seen := &observed{}
			r, s := storeRig(t, PublisherOptions{Observer: seen})
			var pauses atomic.Int32
			r.wait = func(ctx context.Context, _ time.Duration) error {
				pauses.Add(1)
				return sleep(ctx, time.Millisecond)
			}
			var granted atomic.Bool
			r.produce = &faulty{RoundTripper: r.produce, before: func() error {
				if granted.Load() {
					return nil
				}
				return &answerError{code: code}
			}}
			if n := r.deliver(BrokerThenSpool, record("a")); n != 1 {
				t.Errorf("%d records in the store, want 1", n)
			}
			if at := r.Troubles(); len(at) != 1 || !strings.Contains(at[testTopic].Error(), "grant") {
				t.Errorf("troubles: %v, want what to grant on the topic", at)
			}
			if _, err := r.Deliver(context.Background(), records("impatient"), BrokerOnly); err == nil {
				t.Error("a record that only the broker may keep was accepted")
			}
			granted.Store(true)
			eventually(t, "the store is empty", s.empty)
			r.topicIs("a")
			if at := r.Troubles(); len(at) != 0 {
				t.Errorf("troubles after they ended: %v", at)
			}
			if len(s.dead) != 0 {
				t.Errorf("set aside: %v", s.dead)
			}
		})
	}
}

func TestMissingTopicBlocksUntilItIsThere(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	r.wait = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, time.Millisecond) }
	late := Record{Topic: "late", Key: []byte("k"), Value: []byte("a")}
	if n := r.deliver(BrokerThenSpool, late); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
	r.give(plenty)
	if n := r.deliver(BrokerThenSpool, record("other topic")); n != 0 {
		t.Error("a missing topic keeps records of another one from the broker")
	}
	if err := r.cluster.CreateTopic("late", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store is empty", s.empty)
	if d := diffValues(values(t, r.client, "late", 0), []string{"a"}); d != "" {
		t.Error(d)
	}
}

// What Kafka refuses for what it is, when nobody waits for the answer any more,
// becomes a dead letter; where there is none it is set aside.
func TestStoredRecordsThatKafkaRefuses(t *testing.T) {
	standIn := func(_ *Record, cause error) (Record, bool) {
		return Record{Topic: "dead", Key: []byte("d"), Value: []byte(cause.Error())}, true
	}
	for name, tc := range map[string]struct {
		standIn       func(*Record, error) (Record, bool)
		dead, letters int
	}{
		"with a dead letter": {standIn, 0, 1},
		"without":            {nil, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := storeRig(t, PublisherOptions{StandIn: tc.standIn}, kfake.SeedTopics(1, "dead"))
			if _, err := s.Append(context.Background(), records("before", "bad", "after")); err != nil {
				t.Fatal(err)
			}
			r.refuseBatchesWith("bad", 87)
			r.Resume(s.pending())
			eventually(t, "the store is empty", s.empty)
			r.topicIs("before", "after")
			if len(s.dead) != tc.dead {
				t.Errorf("%d records set aside, want %d", len(s.dead), tc.dead)
			}
			if got := values(t, r.client, "dead", 0); len(got) != tc.letters {
				t.Errorf("dead letters: %q, want %d", got, tc.letters)
			}
		})
	}
}

func TestLoadedRecordsStayStoredUntilAcknowledged(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	if _, err := s.Append(context.Background(), records("a", "b")); err != nil {
		t.Fatal(err)
	}
	waiting, free := r.hold()
	r.Resume(s.pending())
	<-waiting
	if d := cmp.Diff([]string{"a", "b"}, s.values()); d != "" {
		t.Errorf("store, while the broker has not answered (-want +got):\n%s", d)
	}
	free()
	eventually(t, "the store is empty", s.empty)
	r.topicIs("a", "b")
}

// Whatever a broker answers, a patient record ends in the topic or as a dead
// letter; and only where the answer makes its sequence worthless may it be there
// twice.
func TestNoProduceErrorLosesAStoredRecord(t *testing.T) {
	t.Parallel()
	letter := func(rec *Record, _ error) (Record, bool) {
		return Record{Topic: "dead", Key: []byte("d"), Value: rec.Value}, true
	}
	for code := int16(-1); code <= 133; code++ {
		if code == 0 || code == 46 {
			continue // acknowledgements
		}
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			t.Parallel()
			r, s := storeRig(t, PublisherOptions{StandIn: letter, Budget: 10 * time.Second}, kfake.SeedTopics(1, "dead"))
			r.wait = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, time.Millisecond) }
			if _, err := s.Append(context.Background(), records("a")); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r.answer(code)
			}
			r.Resume(s.pending())
			eventually(t, "the store is empty", s.empty)
			eventually(t, "nothing is in flight", func() bool { return r.InFlightBytes() == 0 })
			got := append(values(t, r.client, testTopic, 0), values(t, r.client, "dead", 0)...)
			if d := cmp.Diff([]string{"a"}, got); d != "" {
				t.Errorf("topic and dead letters (-want +got):\n%s", d)
			}
			if len(s.dead) != 0 {
				t.Errorf("set aside: %v", s.dead)
			}
		})
	}
}

func TestDamagedStoredRecordsAreSkipped(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{})
	if _, err := s.Append(context.Background(), records("a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	s.damaged[2] = true
	r.Resume(s.pending())
	eventually(t, "the store is empty", s.empty)
	r.topicIs("a", "c")
	if s.dead[2] == nil {
		t.Error("nobody was told of the damaged record")
	}
}

// The broker lost track of the sequence while the outcome was unknown: nothing
// can prove the records repeated any more. They are sent again rather than lost.
func TestPatientRecordsOutliveALostTrack(t *testing.T) {
	seen := &observed{}
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second, Observer: seen})
	r.produce = &faulty{RoundTripper: r.produce, after: times(1, context.DeadlineExceeded), before: secondly(&answerError{code: 45})}
	r.deliver(BrokerThenSpool, record("a"))
	if got := values(t, r.client, testTopic, 0); len(got) == 0 || got[0] != "a" {
		t.Errorf("topic: %q", got)
	}
	if seen.retries(reasonPerhapsTwice) != 1 {
		t.Error("nobody was told that a record may be there twice")
	}
	if !s.empty() {
		t.Error("the store holds records")
	}
}

// secondly fails the second call only.
func secondly(err error) func() error {
	var calls atomic.Int32
	return func() error {
		if calls.Add(1) == 2 {
			return err
		}
		return nil
	}
}

func TestTheBreakerStoresAtOnceAndClosesByItself(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 50 * time.Millisecond}, kfake.SeedTopics(8, "wide"))
	_, free := r.hold()
	for i := range trippedAfter { // one partition after the other gets nowhere
		r.deliver(BrokerThenSpool, Record{Topic: "wide", Key: fmt.Append(nil, i), Value: []byte("x")})
	}
	eventually(t, "three deadlines were missed", func() bool { return r.tripped() || r.misses.Load() > 0 })
	for i := 0; !r.tripped(); i++ { // keys may share a partition
		r.deliver(BrokerThenSpool, Record{Topic: "wide", Key: fmt.Append(nil, "more", i), Value: []byte("x")})
	}
	r.give(plenty)
	began := time.Now()
	r.deliver(BrokerThenSpool, record("another topic"))
	if took := time.Since(began); took >= plenty {
		t.Errorf("with the breaker open a record took %v", took)
	}
	free()
	eventually(t, "the store is empty", s.empty)
	if n := r.deliver(BrokerThenSpool, record("again")); n != 0 {
		t.Error("the breaker stays open although the broker answers")
	}
}

func TestASuspectedBrokerIsNotWaitedFor(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	waiting, free := r.hold()
	r.Suspect()
	if n := r.deliver(BrokerThenSpool, record("a")); n != 1 {
		t.Errorf("%d records in the store, want 1", n)
	}
	<-waiting // it is tried all the same
	free()
	eventually(t, "the store is empty", s.empty)
	if n := r.deliver(BrokerThenSpool, record("b")); n != 0 {
		t.Error("the broker is still suspected although it answers")
	}
	r.topicIs("a", "b")
}

func TestASuspectedBrokerIsTriedWhenTheStoreTakesNothing(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: 10 * time.Second})
	s.full = errors.New("disk full")
	r.Suspect()
	if n := r.deliver(BrokerThenSpool, records("a", "b")...); n != 0 {
		t.Errorf("%d records in the store, want none", n)
	}
	r.topicIs("a", "b")
	if r.tripped() {
		t.Error("the broker is still suspected although it answers")
	}
}

func TestWhatDoesNotFitIntoMemoryGoesToTheStore(t *testing.T) {
	r, s := storeRig(t, PublisherOptions{Budget: time.Second, MaxInFlightBytes: 4096})
	_, free := r.hold()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := r.Deliver(context.Background(), records(fmt.Sprint(i, strings.Repeat("x", 1000))), BrokerThenSpool); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used := r.InFlightBytes(); used > 4096 {
		t.Errorf("%d bytes in memory, the bound is 4096", used)
	}
	free()
	eventually(t, "the store is empty", s.empty)
	if got := len(values(t, r.client, testTopic, 0)); got != 20 {
		t.Errorf("%d records in the topic, want 20", got)
	}
}

// Deliveries, hand-overs and settlements meet in every order: each record is in
// the topic once, in the order of its key, and the store ends empty.
func TestHandOverRaces(t *testing.T) {
	seen := &observed{}
	r, s := storeRig(t, PublisherOptions{Budget: 2 * time.Millisecond, Observer: seen, MaxInFlightBytes: 20_000}, kfake.SeedTopics(4, "race"))
	const keys, each = 16, 60
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for i := range each {
				d := BrokerThenSpool
				if k%4 == 0 {
					d = SpoolFirst
				}
				rec := Record{Topic: "race", Key: fmt.Append(nil, k), Value: fmt.Appendf(nil, "%d %03d", k, i)}
				if _, err := r.Deliver(context.Background(), []Record{rec}, d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "the store is empty", s.empty)
	next := map[string]int{}
	for part := range 4 {
		for _, v := range values(t, r.client, "race", part) {
			key, n, _ := strings.Cut(v, " ")
			if n != fmt.Sprintf("%03d", next[key]) {
				t.Fatalf("key %s: record %s where %03d was due", key, n, next[key])
			}
			next[key]++
		}
	}
	for k := range keys {
		if n := next[strconv.Itoa(k)]; n != each {
			t.Errorf("key %d: %d records, want %d", k, n, each)
		}
	}
	eventually(t, "nothing is in flight", func() bool { return r.InFlightBytes() == 0 })
}
