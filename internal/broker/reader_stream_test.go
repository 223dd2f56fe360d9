package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// streamed is what a Stream delivered. It ends the Stream when it has so many records.
type streamed struct {
	t     testing.TB
	until int

	mu   sync.Mutex
	got  []Message
	next map[string]int64
}

func (s *streamed) deliver(b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := fmt.Sprintf("%s[%d]", b.Topic, b.Partition)
	if s.next == nil {
		s.next = map[string]int64{}
	}
	for _, m := range b.Messages {
		if m.Offset < s.next[at] || m.Topic != b.Topic || m.Partition != b.Partition {
			s.t.Errorf("%s: %s[%d]@%d came, and all before %d had come", at, m.Topic, m.Partition, m.Offset, s.next[at])
		}
		s.next[at] = m.Offset + 1
	}
	if b.Next < s.next[at] {
		s.t.Errorf("%s: Next is %d, behind offset %d", at, b.Next, s.next[at]-1)
	}
	s.next[at] = b.Next
	if s.got = append(s.got, b.Messages...); len(s.got) >= s.until {
		return ErrStop
	}
	return nil
}

func (s *streamed) values() string {
	var vs []string
	for _, m := range s.got {
		vs = append(vs, string(m.Value))
	}
	slices.Sort(vs)
	return strings.Join(vs, " ")
}

func ample(string, int) int { return 1 << 20 }

// from the first record of so many partitions.
func from(topic string, partitions int) []Position {
	var at []Position
	for p := range partitions {
		at = append(at, Position{Topic: topic, Partition: p})
	}
	return at
}

func (s *streamed) run(c *Client, at []Position, change ...func(*StreamOptions)) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	o := StreamOptions{Room: ample, Deliver: s.deliver}
	for _, f := range change {
		f(&o)
	}
	return c.Stream(ctx, at, o)
}

// What a Stream delivers is what the other decoder, kafka-go's, reads.
func TestStreamDeliversRecordsAsTheyWerePublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	if err := r.cluster.CreateTopic("many", 6, nil); err != nil {
		t.Fatal(err)
	}
	var recs []Record
	for i := range 500 {
		rec := Record{Topic: "many", Key: fmt.Append(nil, "key", i), Value: []byte(strings.Repeat("v", i*7%9000)), Time: time.UnixMilli(int64(i)).UTC()}
		for h := range i % 5 {
			rec.Headers = append(rec.Headers, Header{Key: fmt.Sprint("h", (h+i)%3), Value: fmt.Append(nil, i, h)})
		}
		switch i % 9 {
		case 0:
			rec.Value = nil
		case 1:
			rec.Headers = append(rec.Headers, Header{Key: "none"}, Header{Key: "", Value: []byte{}})
		}
		recs = append(recs, rec)
	}
	r.mustPublish(recs...)
	got := streamed{t: t, until: len(recs)}
	if err := got.run(r.client, from("many", 6)); err != nil {
		t.Fatal(err)
	}
	for p := range 6 {
		want := readAll(t, r.client, "many", p)
		for _, m := range got.got {
			if m.Partition != p {
				continue
			}
			rec := Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}
			first := want[m.Offset]
			first.Time = first.Time.UTC()
			if !reflect.DeepEqual(first, rec) {
				t.Fatalf("[%d]@%d: %s", p, m.Offset, cmp.Diff(first, rec))
			}
		}
	}
}

func TestStreamGoesWithTheLeaders(t *testing.T) {
	t.Parallel()
	const partitions, n = 6, 300
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(3))
	if err := r.cluster.CreateTopic("many", partitions, nil); err != nil {
		t.Fatal(err)
	}
	got := streamed{t: t, until: n}
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range n {
			if i%50 == 0 {
				r.cluster.ShufflePartitionLeaders()
			}
			r.mustPublish(Record{Topic: "many", Key: fmt.Append(nil, "key", i), Value: fmt.Append(nil, i)})
		}
	}()
	err := got.run(r.client, from("many", partitions))
	<-published
	if err != nil || len(got.got) != n {
		t.Errorf("Stream: %d of %d records, %v", len(got.got), n, err)
	}
}

func TestStreamRidesOutPassingErrors(t *testing.T) {
	t.Parallel()
	for _, fault := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.KafkaStorageError,
		kerr.UnknownTopicOrPartition, kerr.OffsetOutOfRange, // from a broker that lags behind
	} {
		t.Run(fault.Message, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			r.mustPublish(records("a", "b")...)
			h := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: fault, Count: 2})
			got := streamed{t: t, until: 2}
			if err := got.run(r.client, from(testTopic, 1)); err != nil || got.values() != "a b" || h.Hits() != 2 {
				t.Errorf("Stream = %q, %v after %d faults", got.values(), err, h.Hits())
			}
		})
	}
}

func TestStreamSaysWhatIsWrongForGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	r.mustPublish(records("a", "b", "c")...)
	if err := r.cluster.DeleteRecords(testTopic, 0, 2); err != nil {
		t.Fatal(err)
	}
	got := streamed{t: t, until: 9}
	var gap *OffsetGapError
	for _, at := range []int64{1, 7} {
		err := got.run(r.client, []Position{{testTopic, 0, at}})
		if !errors.As(err, &gap) || gap.Offset != at || gap.Topic != testTopic || gap.Log != (OffsetRange{First: 2, Next: 3}) {
			t.Errorf("Stream from %d = %v, want an *OffsetGapError", at, err)
		}
	}
	r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: 1})
	err := got.run(r.client, []Position{{testTopic, 0, 2}})
	if !errors.Is(err, kafka.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "grant READ") {
		t.Errorf("Stream = %v", err)
	}
	if got.values() != "" {
		t.Errorf("delivered %q", got.values())
	}
}

func TestStreamEndsAsDeliverWants(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	r.mustPublish(records("a", "b")...)
	broken := errors.New("broken")
	got := streamed{t: t}
	for want, given := range map[error]error{nil: ErrStop, broken: broken} {
		if err := got.run(r.client, from(testTopic, 1), func(o *StreamOptions) { o.Deliver = func(Batch) error { return given } }); !errors.Is(err, want) {
			t.Errorf("Stream = %v, want %v", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := r.client.Stream(ctx, from(testTopic, 1), StreamOptions{Room: ample, Deliver: func(Batch) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Stream = %v, want that its context ended", err)
	}
}

// A partition without room waits; the others do not wait with it, nor it for them
// once there is room.
func TestStreamLeavesOutWhatHasNoRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	if err := r.cluster.CreateTopic("full", 1, nil); err != nil {
		t.Fatal(err)
	}
	r.mustPublish(record("a"), Record{Topic: "full", Value: []byte("b")})
	var open atomic.Bool
	wake := make(chan struct{}, 1)
	seen := make(chan string, 3)
	got := streamed{t: t, until: 3}
	done := make(chan error, 1)
	go func() {
		done <- got.run(r.client, append(from(testTopic, 1), from("full", 1)...), func(o *StreamOptions) {
			o.Wake = wake
			o.Room = func(topic string, _ int) int {
				if topic == "full" && !open.Load() {
					return 0
				}
				return 1
			}
			o.Deliver = func(b Batch) error {
				for _, m := range b.Messages {
					seen <- string(m.Value)
				}
				return got.deliver(b)
			}
		})
	}()
	if v := <-seen; v != "a" {
		t.Errorf("%s came, and there is no room for it", v)
	}
	r.mustPublish(record("c"))
	if v := <-seen; v != "c" {
		t.Errorf("%s came, and there is no room for it", v)
	}
	open.Store(true)
	wake <- struct{}{}
	begun := time.Now()
	if v := <-seen; v != "b" || time.Since(begun) > fetchWait {
		t.Errorf("%s came after %s", v, time.Since(begun))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Compaction leaves holes, which are passed over.
func TestStreamPassesOverHoles(t *testing.T) {
	t.Parallel()
	c, cluster := fakeCluster(t)
	if err := cluster.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(c, PublisherOptions{Now: time.Now, Budget: 10 * time.Second})
	defer p.Close(t.Context())
	for i, key := range []string{"a", "x", "x", "y", "z"} {
		if err := p.Publish(t.Context(), []Record{{Topic: "state", Key: []byte(key), Value: fmt.Append(nil, i)}}); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Compact()
	got := streamed{t: t, until: 4}
	if err := got.run(c, from("state", 1)); err != nil || got.values() != "0 2 3 4" {
		t.Errorf("Stream = %q, %v", got.values(), err)
	}
}

// fetchAnswers lets the broker answer fetches of testTopic with some bytes as records.
func fetchAnswers(r *rig, records func(offset int64) []byte) {
	r.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		res := req.ResponseKind().(*kmsg.FetchResponse) //nolint:errcheck // it is that of a fetch
		topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		asked := req.(*kmsg.FetchRequest) //nolint:errcheck // it is one
		topic.Topic, part.HighWatermark, part.RecordBatches = testTopic, 5, records(asked.Topics[0].Partitions[0].FetchOffset)
		topic.Partitions = append(topic.Partitions, part)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
}

// rawRecords is a batch as a broker keeps it.
func rawRecords(base int64, values ...string) rawBatch {
	b := new(batches).get()
	b.reset()
	for _, v := range values {
		rec := record(v)
		rec.Time = time.UnixMilli(1700000000000)
		b.add(&rec, rec.Time)
	}
	b.seal(identity{}, 0)
	raw := slices.Clone(b.buf[sizePrefix:])
	put64(raw, base)
	return raw
}

func TestStreamEndsAtDamageBehindWhatIsWhole(t *testing.T) {
	t.Parallel()
	broken := rawRecords(2, "c")
	broken[len(broken)-3] ^= 1
	old := rawRecords(2, "c")
	old[atMagic-sizePrefix] = 1
	for name, tt := range map[string]struct {
		tail []byte
		want string
	}{
		"a flipped bit": {broken, "at offset 2: crc32 checksum mismatch"},
		"an old format": {old, "at offset 2: it has the format 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			var asked atomic.Int32
			fetchAnswers(r, func(int64) []byte { asked.Add(1); return append(rawRecords(0, "a", "b"), tt.tail...) })
			got := streamed{t: t, until: 9}
			err := got.run(r.client, from(testTopic, 1))
			var damage *decodeError
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), tt.want) || got.values() != "a b" || asked.Load() < scanDecode {
				t.Errorf("Stream = %q, %v after %d requests", got.values(), err, asked.Load())
			}
		})
	}
}

// A batch that could not be decoded once is asked for again, and what was fetched
// behind it is not delivered before it.
func TestStreamAsksAgainForWhatCameBroken(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	var asked atomic.Int32
	fetchAnswers(r, func(offset int64) []byte {
		if offset >= 2 {
			return rawRecords(2, "c", "d", "e")
		}
		first := rawRecords(0, "a", "b")
		if asked.Add(1) == 1 {
			first[len(first)-3] ^= 1
		}
		return first
	})
	got := streamed{t: t, until: 5}
	if err := got.run(r.client, from(testTopic, 1)); err != nil || got.values() != "a b c d e" {
		t.Errorf("Stream = %q, %v", got.values(), err)
	}
}

func logs() (*zap.Logger, *observer.ObservedLogs) {
	core, seen := observer.New(zapcore.WarnLevel)
	return zap.New(core), seen
}

func TestStreamSaysThatABrokerGivesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	fetchAnswers(r, func(int64) []byte { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log, seen := logs()
	before := r.client.generation()
	go func() {
		done <- r.client.Stream(ctx, from(testTopic, 1), StreamOptions{
			Room: ample, Deliver: func(Batch) error { return nil }, Stalled: 50 * time.Millisecond, Log: log,
		})
	}()
	eventually(t, "the stall is told, and connections are made anew", func() bool {
		return seen.FilterMessageSnippet("does not give it").Len() > 1 && r.client.generation() > before
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// silence is a listener that takes connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}

// A broker that says nothing holds up its own partitions only: the leader of one
// partition is frozen, the other goes on.
func TestStreamOfAFrozenBroker(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{}, kfake.NumBrokers(2))
	if err := r.cluster.CreateTopic("frozen", 1, nil); err != nil {
		t.Fatal(err)
	}
	leader := r.cluster.LeaderFor(testTopic, 0)
	if err := r.cluster.MoveTopicPartition("frozen", 0, 1-leader); err != nil {
		t.Fatal(err)
	}
	r.mustPublish(record("a"), Record{Topic: "frozen", Value: []byte("x")})
	free := make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fetch, _ := req.(*kmsg.FetchRequest)
		r.cluster.KeepControl()
		if fetch.Topics[0].Topic == "frozen" {
			r.sleepUntil(free)
		}
		return nil, nil, false
	})
	got := streamed{t: t, until: 4}
	err := got.run(r.client, append(from(testTopic, 1), from("frozen", 1)...), func(o *StreamOptions) {
		o.Deliver = func(b Batch) error {
			if b.Topic == testTopic && len(b.Messages) > 0 {
				switch b.Next {
				case 1:
					r.mustPublish(record("b"))
				case 2:
					r.mustPublish(record("c"))
				case 3:
					close(free)
				}
			}
			return got.deliver(b)
		}
	})
	if err != nil || got.values() != "a b c x" {
		t.Errorf("Stream = %q, %v", got.values(), err)
	}
}

func TestStreamOfABrokerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	c := dialTest(t, silence(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := c.Stream(ctx, from(testTopic, 1), StreamOptions{Room: ample, Deliver: func(Batch) error { return nil }})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stream = %v", err)
	}
}
