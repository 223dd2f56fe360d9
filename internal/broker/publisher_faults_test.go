package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var produceKey = []kmsg.Key{kmsg.Produce}

func codeError(code int16) *kerr.Error {
	var e *kerr.Error
	if !errors.As(kerr.ErrorForCode(code), &e) {
		panic(fmt.Sprintf("no Kafka error has code %d", code))
	}
	return e
}

// faulty stands between the publisher and kafka-go.
type faulty struct {
	kafka.RoundTripper
	// before is asked first; an error keeps the request from kafka-go.
	before func() error
	// after may turn a produce answer into a failure.
	after func() error
}

func (f *faulty) RoundTrip(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
	if _, ok := req.(*rawproduce.Request); !ok {
		return f.RoundTripper.RoundTrip(ctx, a, req)
	}
	if f.before != nil {
		if err := f.before(); err != nil {
			return nil, err
		}
	}
	res, err := f.RoundTripper.RoundTrip(ctx, a, req)
	if err == nil && f.after != nil {
		err = f.after()
	}
	return res, err
}

func times(n int32, err error) func() error {
	var calls atomic.Int32
	return func() error {
		if calls.Add(1) <= n {
			return err
		}
		return nil
	}
}

// kafka-go's Writer wrote ten copies when a frozen in-sync replica made the
// broker append and then answer "timed out" or "not enough replicas".
func TestOneCopyUnderTimeoutsAfterAppend(t *testing.T) {
	for name, spoil := range map[string]func(*rig){
		"timed out":                        func(r *rig) { r.cluster.Fault(kfake.Fault{Keys: produceKey, Err: codeError(7), Count: 5}) },
		"not enough replicas after append": func(r *rig) { r.cluster.Fault(kfake.Fault{Keys: produceKey, Err: codeError(20), Count: 5}) },
		"connection cut before the answer": func(r *rig) { r.produce = &faulty{RoundTripper: r.produce, after: times(5, io.ErrUnexpectedEOF)} },
		"attempt timed out at the client":  func(r *rig) { r.produce = &faulty{RoundTripper: r.produce, after: times(5, context.DeadlineExceeded)} },
		"leadership lost after the append": func(r *rig) { r.produce = &faulty{RoundTripper: r.produce, after: times(5, &answerError{code: 6})} },
		"storage error, appended or not":   func(r *rig) { r.produce = &faulty{RoundTripper: r.produce, after: times(5, &answerError{code: 56})} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, PublisherOptions{})
			r.wait = hurry
			spoil(r)
			j := r.watch()
			r.mustPublish(records("a", "b")...)
			r.mustPublish(record("c"))
			if d := cmp.Diff([]string{"a", "b", "c"}, values(t, r.client, testTopic, 0)); d != "" {
				t.Errorf("topic differs from one copy each:\n%s", d)
			}
			reqs := j.all()
			if len(reqs) < 7 {
				t.Fatalf("%d produce requests, want 5 spoiled and 2 good ones", len(reqs))
			}
			for i, req := range reqs[1:6] {
				if string(req.raw) != string(reqs[0].raw) {
					t.Errorf("retry %d is not the same bytes", i+1)
				}
			}
		})
	}
}

// The same against whatever broker there is: each answer is lost twice.
func TestOneCopyWhenAnswersAreLost(t *testing.T) {
	onBrokers(t, func(t *testing.T, r *rig) {
		t.Helper()
		r.wait = hurry
		topic := r.newTopic(1)
		var n atomic.Int32
		r.produce = &faulty{RoundTripper: r.produce, after: func() error {
			if n.Add(1)%3 != 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}}
		var want []string
		for i := range 20 {
			want = append(want, strconv.Itoa(i))
			r.mustPublish(Record{Topic: topic, Key: []byte("k"), Value: []byte(want[i])})
		}
		if d := cmp.Diff(want, values(t, r.client, topic, 0)); d != "" {
			t.Errorf("topic differs from one copy each:\n%s", d)
		}
		if n.Load() < 60 {
			t.Errorf("%d attempts, want 60", n.Load())
		}
	})
}

func TestConnectionCutByTheBroker(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.mustPublish(record("a"))
	for range 3 {
		r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("cut"), true
		})
	}
	r.mustPublish(record("b"))
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"a", "b"}); d != "" {
		t.Error(d)
	}
}

// 3,404 requests of a Writer-based prototype were answered 503 and published
// all the same, because what a caller gives up stays in the Writer's queue.
func TestExpiredRecordIsNeverPublished(t *testing.T) {
	t.Run("queued behind a slow batch", func(t *testing.T) {
		r := newRig(t, PublisherOptions{})
		waiting, free := r.hold()
		var wg sync.WaitGroup
		wg.Go(func() { r.mustPublish(record("first")) })
		<-waiting
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		err := outcome(t, r.Publish(ctx, records("expired")))
		if !errors.Is(err, ErrDeadline) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v, want ErrDeadline with a certain outcome", err)
		}
		free()
		wg.Wait()
		r.mustPublish(record("last"))
		if d := diffValues(values(t, r.client, testTopic, 0), []string{"first", "last"}); d != "" {
			t.Error(d)
		}
	})
	t.Run("in a group that could not be sent yet", func(t *testing.T) {
		r := newRig(t, PublisherOptions{})
		r.wait = hurry
		var down atomic.Bool
		refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		r.mustPublish(record("first"))
		r.produce = &faulty{RoundTripper: r.produce, before: func() error {
			if down.Load() {
				return refused
			}
			return nil
		}}
		down.Store(true)
		var wg sync.WaitGroup
		wg.Go(func() { r.mustPublish(record("patient")) })
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		err := outcome(t, r.Publish(ctx, records("expired")))
		if !errors.Is(err, ErrDeadline) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("got %v, want ErrDeadline with a certain outcome", err)
		}
		down.Store(false)
		wg.Wait()
		if d := diffValues(values(t, r.client, testTopic, 0), []string{"first", "patient"}); d != "" {
			t.Error(d)
		}
	})
	t.Run("cancelled while the connection is made", func(t *testing.T) {
		// kafka-go may hold a request whose caller has left. The bytes are
		// withdrawn, so nothing can send them later.
		r := newRig(t, PublisherOptions{AttemptTimeout: time.Second})
		r.mustPublish(record("first"))
		dialling := make(chan struct{})
		connected := make(chan struct{})
		late := make(chan error, 1)
		inner := r.produce
		var once sync.Once
		r.produce = roundTripFunc(func(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
			stuck := false
			once.Do(func() { stuck = true })
			if !stuck {
				return inner.RoundTrip(ctx, a, req)
			}
			close(dialling)
			go func() {
				<-connected
				_, err := inner.RoundTrip(context.WithoutCancel(ctx), a, req)
				late <- err
			}()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := make(chan error, 1)
		go func() { result <- r.Publish(ctx, records("expired")) }()
		<-dialling
		cancel()
		if err := outcome(t, <-result); !errors.Is(err, ErrDeadline) {
			t.Errorf("got %v, want ErrDeadline", err)
		}
		r.mustPublish(record("last"))
		close(connected)
		if err := <-late; !errors.Is(err, errRevoked) {
			t.Errorf("the late attempt ended with %v, want it withdrawn", err)
		}
		if d := diffValues(values(t, r.client, testTopic, 0), []string{"first", "last"}); d != "" {
			t.Error(d)
		}
	})
}

type roundTripFunc func(context.Context, net.Addr, kafka.Request) (kafka.Response, error)

func (f roundTripFunc) RoundTrip(ctx context.Context, a net.Addr, req kafka.Request) (kafka.Response, error) {
	return f(ctx, a, req)
}

func TestLeaderChangeRefreshesMetadata(t *testing.T) {
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	// kafka-go would look by itself within MetadataTTL; here it never does.
	patient := r.client.transport.build
	r.client.transport.build = func() *kafka.Transport {
		t := patient()
		t.MetadataTTL = 1000 * time.Hour
		return t
	}
	r.mustPublish(record("a"))
	for i := range 3 {
		leader := r.cluster.LeaderFor(testTopic, 0)
		if err := r.cluster.MoveTopicPartition(testTopic, 0, (leader+1)%3); err != nil {
			t.Fatal(err)
		}
		r.mustPublish(record(fmt.Sprint("moved", i)))
	}
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"a", "moved0", "moved1", "moved2"}); d != "" {
		t.Error(d)
	}
}

func TestPartitionWithoutLeaderIsWaitedFor(t *testing.T) {
	r := newRig(t, PublisherOptions{})
	r.wait = hurry
	noLeader := fmt.Errorf("fetch request error: %w", protocol.NewErrNoLeader(testTopic, 0))
	r.produce = &faulty{RoundTripper: r.produce, before: times(4, noLeader)}
	r.mustPublish(record("a"))
	if d := diffValues(values(t, r.client, testTopic, 0), []string{"a"}); d != "" {
		t.Error(d)
	}
}

func TestOrderPerKeyUnderRetries(t *testing.T) {
	r := newRig(t, PublisherOptions{MaxBatchBytes: 2000}, kfake.NumBrokers(2), kfake.SeedTopics(3, "wide"))
	r.wait = hurry
	var n atomic.Int32
	r.produce = &faulty{
		RoundTripper: r.produce,
		before: func() error {
			if n.Add(1)%5 == 0 {
				return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return nil
		},
		after: func() error {
			if n.Load()%3 == 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		},
	}
	const keys, each = 6, 60
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			key := fmt.Sprint("key", k)
			for i := 0; i < each; i += 3 {
				var recs []Record
				for j := range 3 {
					recs = append(recs, Record{Topic: "wide", Key: []byte(key), Value: fmt.Appendf(nil, "%s:%03d", key, i+j)})
				}
				r.mustPublish(recs...)
			}
		})
	}
	wg.Wait()
	last, total := map[string]string{}, 0
	for p := range 3 {
		for _, v := range values(t, r.client, "wide", p) {
			key, _, _ := strings.Cut(v, ":")
			if v <= last[key] {
				t.Errorf("%s follows %s", v, last[key])
			}
			last[key] = v
			total++
		}
	}
	if total != keys*each {
		t.Errorf("%d records, want %d", total, keys*each)
	}
}

// A broker that fails on the way may count the sequence numbers of a batch that
// it does not keep: what it says to the same bytes afterwards proves nothing.
func TestUnknownServerErrorIsNotSentAgain(t *testing.T) {
	for _, code := range []int16{-1, 199} {
		r := newRig(t, PublisherOptions{})
		r.produce = &faulty{RoundTripper: r.produce, after: times(1, &answerError{code: code})}
		j := r.watch()
		if err := r.Publish(t.Context(), records("a")); !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%d: got %v, want an unknown outcome", code, err)
		}
		r.mustPublish(record("b"))
		reqs := j.all()
		if len(reqs) != 2 || reqs[0].producer == reqs[1].producer {
			t.Errorf("%d: %d requests, want the second by a new producer", code, len(reqs))
		}
	}
}
