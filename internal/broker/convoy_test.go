package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const wide = "wide"

// wideRig has a topic of six partitions, whose leaders take turns, and has
// published to each of them.
func wideRig(t *testing.T, o PublisherOptions, opts ...kfake.Opt) *rig {
	t.Helper()
	r := newRig(t, o, append([]kfake.Opt{kfake.SeedTopics(6, wide)}, opts...)...)
	for p := range int32(6) {
		if err := r.cluster.MoveTopicPartition(wide, p, p%int32(len(r.cluster.ListenAddrs()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Warm(context.Background(), wide); err != nil {
		t.Fatal(err)
	}
	for p := range int32(6) {
		r.mustPublish(on(p, "warm"))
	}
	for p, l := range r.lanes(wide) {
		eventually(t, fmt.Sprint("lane rests: ", p), l.rests)
	}
	return r
}

// on is a record for a partition of the topic wide.
func on(partition int32, value string) Record {
	for i := 0; ; i++ {
		if key := fmt.Append(nil, i); int32(keySlot(key)%6) == partition {
			return Record{Topic: wide, Key: key, Value: []byte(value)}
		}
	}
}

// stall keeps the request of which a batch satisfies which at the broker, until
// free is called; others pass. waiting gets a token for each request kept.
func (r *rig) stall(which func(produced) bool) (waiting chan struct{}, free func()) {
	waiting = make(chan struct{}, 100)
	gate := make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if slices.ContainsFunc(parseProduce(r.t, req), which) {
			waiting <- struct{}{}
			r.sleepUntil(gate)
		}
		return nil, nil, false
	})
	free = sync.OnceFunc(func() { close(gate) })
	r.t.Cleanup(free)
	return waiting, free
}

func isValue(v string) func(produced) bool {
	return func(p produced) bool { return len(p.values) > 0 && p.values[0] == v }
}

// queued waits until the batches of n lanes wait for the convoy to the only broker.
func (r *rig) queued(n int) {
	r.t.Helper()
	v := r.topic(wide).routes.Load().convoys[0]
	eventually(r.t, fmt.Sprint(n, " batches in the queue"), func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.ready)+len(v.queue) == n
	})
}

// patient makes patience longer than any test, so that what is queued stays.
func patient(r *rig) { r.patience = time.Hour }

func TestOneRequestCarriesManyPartitions(t *testing.T) {
	r := wideRig(t, PublisherOptions{}, kfake.SeedTopics(1, testTopic))
	r.mustPublish(record("warm"))
	patient(r)
	waiting, free := r.stall(isValue("first"))
	j := r.watch()
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(0, "first")) })
	<-waiting
	for p := range int32(5) {
		wg.Go(func() { r.mustPublish(on(p+1, "second"), on(p+1, "third")) })
	}
	wg.Go(func() { r.mustPublish(record("other topic")) })
	r.queued(6)
	free()
	wg.Wait()
	type place struct {
		topic     string
		partition int32
	}
	got := map[place]int{}
	for _, b := range j.all() {
		if b.request != 2 {
			continue
		}
		got[place{b.topic, b.partition}] += len(b.values)
	}
	want := map[place]int{{wide, 1}: 2, {wide, 2}: 2, {wide, 3}: 2, {wide, 4}: 2, {wide, 5}: 2, {testTopic, 0}: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records in the second request differ (-want +got):\n%s", d)
	}
	if j.requests != 2 {
		t.Errorf("%d requests, want 2", j.requests)
	}
}

// A replica that hangs makes the broker answer late for its partition. The
// others share that once; from then on it has requests of its own.
func TestSlowPartitionTravelsAlone(t *testing.T) {
	r := wideRig(t, PublisherOptions{AttemptTimeout: 300 * time.Millisecond})
	r.wait = hurry
	patient(r)
	waiting, free := r.stall(isValue("first"))
	stuck, thaw := r.stall(isValue("slow"))
	j := r.watch()
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(5, "first")) })
	<-waiting
	var neighbours sync.WaitGroup
	for p := range int32(5) {
		wait, value := &neighbours, "quick"
		if p == 0 {
			wait, value = &wg, "slow"
		}
		wait.Go(func() { r.mustPublish(on(p, value)) })
	}
	r.queued(5)
	free()
	<-stuck // all five
	<-stuck // the slow one, again
	neighbours.Wait()
	for range 10 {
		r.mustPublish(on(1, "x"), on(2, "x"), on(3, "x"), on(4, "x"))
	}
	thaw()
	wg.Wait()
	company := map[int]int{}
	for _, b := range j.all() {
		company[b.request]++
	}
	shared := 0
	for _, b := range j.all() {
		if b.partition == 0 && company[b.request] != 1 {
			shared++
		}
	}
	if shared > 1 {
		t.Errorf("the slow partition was in %d shared requests, want at most the first", shared)
	}
	if d := cmp.Diff([]string{"warm", "slow"}, values(t, r.client, wide, 0)); d != "" {
		t.Error(d)
	}
}

// Whoever shared a request with a slow partition is answered with it, but who
// queues behind that request passes it.
func TestNobodyWaitsBehindASlowRequest(t *testing.T) {
	r := wideRig(t, PublisherOptions{Budget: 4 * time.Second, AttemptTimeout: 4 * time.Second})
	waiting, free := r.stall(isValue("slow"))
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(0, "slow")) })
	<-waiting
	for range 3 {
		r.mustPublish(on(1, "x"), on(2, "x"))
	}
	free()
	wg.Wait()
}

func TestLeadersAreNotMixed(t *testing.T) {
	r := wideRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	// Where kafka-go would send each partition, so that a mixture is seen
	// before it refuses it.
	var leaders [6]atomic.Int32
	for p := range leaders {
		leaders[p].Store(r.cluster.LeaderFor(wide, int32(p)))
	}
	var shared, mixed atomic.Int32
	inner := r.produce
	r.produce = roundTripFunc(func(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
		if raw, ok := req.(*rawproduce.Request); ok && len(raw.Topics[0].Partitions) > 1 {
			shared.Add(1)
			first := leaders[raw.Topics[0].Partitions[0].Partition].Load()
			if slices.ContainsFunc(raw.Topics[0].Partitions, func(q rawproduce.RequestPartition) bool {
				return leaders[q.Partition].Load() != first
			}) {
				mixed.Add(1)
			}
		}
		return inner.RoundTrip(ctx, a, req)
	})
	publish := func(round string) {
		var wg sync.WaitGroup
		for i := range 20 {
			for p := range int32(6) {
				wg.Go(func() { r.mustPublish(on(p, fmt.Sprintf("%s%d-%d", round, p, i))) })
			}
		}
		wg.Wait()
	}
	publish("before")
	if shared.Load() == 0 || mixed.Load() != 0 {
		t.Errorf("%d shared requests, %d with several leaders, want some and none", shared.Load(), mixed.Load())
	}
	// The leaders change, kafka-go learns it by itself, and we do not.
	stale := r.topic(wide).routes.Load()
	for p := range leaders {
		leader := int32(p / 2)
		if err := r.cluster.MoveTopicPartition(wide, int32(p), leader); err != nil {
			t.Fatal(err)
		}
		leaders[p].Store(leader)
	}
	r.client.transport.CloseIdleConnections()
	rounds := []string{"before", "again"}
	for i := 0; r.topic(wide).routes.Load() == stale && i < 50; i++ {
		rounds = append(rounds, fmt.Sprint("after", i, "-"))
		publish(rounds[len(rounds)-1])
	}
	if r.topic(wide).routes.Load() == stale {
		t.Error("the old leaders are still believed in")
	}
	mixed.Store(0)
	publish("again")
	if mixed.Load() != 0 {
		t.Errorf("%d requests with several leaders after the new ones were learnt", mixed.Load())
	}
	for p := range 6 {
		want := []string{"warm"}
		for i := range 20 {
			for _, round := range rounds {
				want = append(want, fmt.Sprintf("%s%d-%d", round, p, i))
			}
		}
		if d := diffValues(values(t, r.client, wide, p), want); d != "" {
			t.Error(d)
		}
	}
}

func TestQueuedPartThatGivesUpWasNeverSent(t *testing.T) {
	r := wideRig(t, PublisherOptions{})
	patient(r)
	var parts atomic.Int32
	inner := r.produce
	r.produce = roundTripFunc(func(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
		raw, ok := req.(*rawproduce.Request)
		if ok && raw.Topics[0].Partitions[0].Partition == 1 {
			parts.Add(int32(len(raw.Topics[0].Partitions)))
		}
		return inner.RoundTrip(ctx, a, req)
	})
	waiting, free := r.stall(isValue("first"))
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(0, "first")) })
	<-waiting
	v := r.topic(wide).routes.Load().convoys[1]
	s := &seat{l: r.lanes(wide)[1], done: make(chan struct{}, 1), wait: 10 * time.Millisecond}
	s.data = []byte("never to be read")
	if err := s.l.ride(v, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the time to be over", err)
	}
	if taken, busy := s.revoke(); taken || busy {
		t.Error("a batch that was still queued may have been sent")
	}
	free()
	wg.Wait()
	r.mustPublish(on(1, "next"))
	if d := cmp.Diff([]string{"warm", "next"}, values(t, r.client, wide, 1)); d != "" {
		t.Error(d)
	}
	if n := parts.Load(); n != 1 {
		t.Errorf("%d batches set off, want only the next one", n)
	}
}

// A batch that is withdrawn when its request has set off, but was not written
// yet, was never sent either, and the others are published without it.
func TestWithdrawnPartHoldsNobodyBack(t *testing.T) {
	seen := &observed{}
	r := wideRig(t, PublisherOptions{Observer: seen})
	inner := r.produce
	patient(r)
	waiting, free := r.stall(isValue("first"))
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(0, "first")) })
	<-waiting
	r.queued(0)
	var once sync.Once
	v := r.topic(wide).routes.Load().convoys[1]
	s := &seat{l: r.lanes(wide)[5], done: make(chan struct{}, 1), wait: time.Minute}
	s.data = []byte("never to be read")
	r.produce = roundTripFunc(func(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
		if raw, ok := req.(*rawproduce.Request); ok && len(raw.Topics[0].Partitions) > 1 {
			once.Do(func() {
				if taken, _ := s.revoke(); taken {
					t.Error("the batch was taken before anything was written")
				}
			})
		}
		return inner.RoundTrip(ctx, a, req)
	})
	for p := range int32(3) {
		wg.Go(func() { r.mustPublish(on(p+1, "x")) })
	}
	r.queued(3)
	v.board(s)
	free()
	wg.Wait()
	if err := <-s.done; s.err == nil {
		t.Errorf("the withdrawn batch was answered with success (%v)", err)
	}
	if n := seen.retries(reasonNetwork); n != 0 {
		t.Errorf("%d attempts failed beside the withdrawn one", n)
	}
	for p := range 3 {
		if d := cmp.Diff([]string{"warm", "x"}, values(t, r.client, wide, p+1)); d != "" {
			t.Error(d)
		}
	}
}

func TestAnswersGoToTheirPartitions(t *testing.T) {
	r := wideRig(t, PublisherOptions{})
	patient(r)
	waiting, free := r.stall(isValue("first"))
	r.cluster.Fault(kfake.Fault{Keys: produceKey, Topic: wide, Partitions: []int32{2}, Err: codeError(29)})
	var wg sync.WaitGroup
	wg.Go(func() { r.mustPublish(on(0, "first")) })
	<-waiting
	errs := make([]error, 6)
	for p := range int32(5) {
		wg.Go(func() { errs[p+1] = r.Publish(context.Background(), []Record{on(p+1, "x")}) })
	}
	r.queued(5)
	free()
	wg.Wait()
	for p := 1; p < 6; p++ {
		want := []string{"warm", "x"}
		if p == 2 {
			want = want[:1]
		}
		if refused := errs[p] != nil; refused != (p == 2) {
			t.Errorf("partition %d: %v", p, errs[p])
		}
		if d := cmp.Diff(want, values(t, r.client, wide, p)); d != "" {
			t.Errorf("partition %d: %s", p, d)
		}
	}
}
