package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rig is an in-process broker with a client and a publisher on it.
type rig struct {
	t       testing.TB
	cluster *kfake.Cluster
	client  *Client
	*GroupCommitter

	asleep atomic.Int32 // controls of the cluster in sleepUntil
}

const testTopic = "orders"

// newRig starts a broker with testTopic in one partition. Whatever the test
// leaves open is closed, and must close without losing anything.
func newRig(t testing.TB, o PublisherOptions, opts ...kfake.Opt) *rig {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic)}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return rigOn(t, o, cluster, cluster.ListenAddrs()...)
}

// rigOn is a rig on a cluster that the caller has said to close after the test.
func rigOn(t testing.TB, o PublisherOptions, cluster *kfake.Cluster, brokers ...string) *rig {
	t.Helper()
	r := &rig{t: t, cluster: cluster}
	t.Cleanup(func() {
		eventually(t, "no control sleeps", func() bool { return r.asleep.Load() == 0 })
	})
	r.client = dialTest(t, brokers...)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budget == 0 {
		o.Budget = 10 * time.Second
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 5 * time.Second
	}
	r.GroupCommitter = NewPublisher(r.client, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if n := r.InFlightBytes(); n != 0 {
			t.Errorf("%d bytes are still accounted for after Close", n)
		}
	})
	return r
}

func dialTest(t testing.TB, brokers ...string) *Client {
	t.Helper()
	c, err := Dial(Options{Brokers: brokers, ClientID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func record(value string) Record {
	return Record{Topic: testTopic, Key: []byte("k"), Value: []byte(value)}
}

func records(values ...string) []Record {
	recs := make([]Record, len(values))
	for i, v := range values {
		recs[i] = record(v)
	}
	return recs
}

// plenty is more time than a broker that answers needs on any machine.
const plenty = 10 * time.Second

// mustPublish publishes and demands acknowledgement, however little time the
// publisher otherwise has.
func (r *rig) mustPublish(recs ...Record) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), plenty)
	defer cancel()
	if err := r.Publish(ctx, recs); err != nil {
		r.t.Fatalf("Publish: %v", err)
	}
}

// publishTogether publishes records of one partition as one group: the lane
// starts when all of them are queued.
func (r *rig) publishTogether(recs ...Record) error {
	r.t.Helper()
	l := r.lanes(recs[0].Topic)[0]
	eventually(r.t, "the lane rests", l.rests)
	if !r.start() {
		r.t.Fatal("the publisher is closed")
	}
	l.mu.Lock()
	l.running = true
	l.mu.Unlock()
	result := make(chan error, 1)
	go func() { result <- r.Publish(context.Background(), recs) }()
	eventually(r.t, "all records are queued", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.queue)-l.head == len(recs)
	})
	go l.run()
	return <-result
}

// outcome returns the error of the only record of a failed Publish.
func outcome(t testing.TB, err error) error {
	t.Helper()
	var pe *PublishError
	if !errors.As(err, &pe) || len(pe.Errs) != 1 {
		t.Fatalf("got %v, want a *PublishError for one record", err)
	}
	return pe.Errs[0]
}

// produced is one batch of a produce request.
type produced struct {
	request   int // counts from 1
	topic     string
	partition int32

	acks     int16
	timeout  int32
	producer int64
	epoch    int16
	sequence int32
	values   []string
	raw      []byte
}

// watch records the batches of every produce request that reaches the broker.
func (r *rig) watch() *journal {
	j := &journal{}
	r.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		j.add(r.t, req)
		return nil, nil, false
	})
	return j
}

type journal struct {
	mu       sync.Mutex
	requests int
	reqs     []produced
}

func (j *journal) add(t testing.TB, req kmsg.Request) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.requests++
	for _, p := range parseProduce(t, req) {
		p.request = j.requests
		j.reqs = append(j.reqs, p)
	}
}

func (j *journal) all() []produced {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.reqs)
}

func parseProduce(t testing.TB, req kmsg.Request) []produced {
	t.Helper()
	pr, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		t.Errorf("not a produce request: %T", req)
		return nil
	}
	var all []produced
	for _, topic := range pr.Topics {
		for _, part := range topic.Partitions {
			p := parseBatch(t, part.Records)
			p.acks, p.timeout, p.topic, p.partition = pr.Acks, pr.TimeoutMillis, topic.Topic, part.Partition
			all = append(all, p)
		}
	}
	return all
}

func parseBatch(t testing.TB, raw []byte) produced {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Errorf("batch: %v", err)
		return produced{}
	}
	p := produced{producer: b.ProducerID, epoch: b.ProducerEpoch, sequence: b.FirstSequence, raw: slices.Clone(raw)}
	recs, err := kfake.BatchRecords(b)
	if err != nil {
		t.Errorf("records: %v", err)
	}
	for _, rec := range recs {
		p.values = append(p.values, string(rec.Value))
	}
	return p
}

// answer makes the broker answer the next produce request with code instead of
// handling it.
func (r *rig) answer(code int16) {
	r.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		return produceAnswer(req, code), nil, true
	})
}

func produceAnswer(req kmsg.Request, code int16) kmsg.Response {
	pr, _ := req.(*kmsg.ProduceRequest) // the control is on that key
	res, _ := pr.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range pr.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		res.Topics = append(res.Topics, rt)
	}
	return res
}

// sleepUntil keeps the request of the control that calls it until the gate is
// closed; others pass. A cluster that is closed while a control begins to sleep
// blocks for ever on its own lock, so that the rig waits for those that sleep and
// none begins to behind an open gate.
func (r *rig) sleepUntil(gate <-chan struct{}) {
	r.asleep.Add(1)
	defer r.asleep.Add(-1)
	select {
	case <-gate:
	default:
		r.cluster.SleepControl(func() { <-gate })
	}
}

// hold blocks produce requests at the broker until the returned function is
// called; waiting gets one token for each request that arrived. Everything else
// goes on.
func (r *rig) hold() (waiting chan struct{}, free func()) {
	waiting = make(chan struct{}, 100)
	gate := make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		select {
		case <-gate:
			return nil, nil, false
		default:
		}
		waiting <- struct{}{}
		r.sleepUntil(gate)
		return nil, nil, false
	})
	free = sync.OnceFunc(func() { close(gate) })
	r.t.Cleanup(free)
	return waiting, free
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for !ok() {
		if sleep(ctx, time.Millisecond) != nil {
			t.Fatalf("still not: %s", what)
		}
	}
}

// diffValues says how the topic differs from want, counting copies.
func diffValues(got, want []string) string {
	count := map[string]int{}
	for _, v := range got {
		count[v]++
	}
	var out []string
	for _, v := range want {
		if count[v] != 1 {
			out = append(out, fmt.Sprintf("%s: %d copies", v, count[v]))
		}
		delete(count, v)
	}
	for v, n := range count {
		out = append(out, fmt.Sprintf("%s: %d copies, want none", v, n))
	}
	return strings.Join(out, "; ")
}

// observed counts what an Observer hears.
type observed struct {
	mu         sync.Mutex
	records    int
	reasons    map[string]int
	identities int
}

func (o *observed) BatchAcked(_ string, records, _ int, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records += records
}

func (o *observed) Retried(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reasons == nil {
		o.reasons = map[string]int{}
	}
	o.reasons[reason]++
}

func (o *observed) Identified() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.identities++
}

func (o *observed) retries(reason string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reasons[reason]
}

func (o *observed) ids() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.identities
}

// onBrokers runs a test in-process and, when POSTRIDER_TEST_BROKERS names some
// (host:port, comma-separated), on real ones. There r.cluster is nil.
func onBrokers(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	t.Run("in process", func(t *testing.T) { test(t, newRig(t, PublisherOptions{})) })
	if os.Getenv("POSTRIDER_TEST_BROKERS") != "" {
		t.Run("real", func(t *testing.T) { test(t, realRig(t, PublisherOptions{})) })
	}
}

func realRig(t testing.TB, o PublisherOptions) *rig {
	t.Helper()
	return rigOn(t, o, nil, strings.Split(os.Getenv("POSTRIDER_TEST_BROKERS"), ",")...)
}

// newTopic creates a topic of its own for the test.
func (r *rig) newTopic(partitions int, configs ...kafka.ConfigEntry) string {
	r.t.Helper()
	name := fmt.Sprintf("test-%d", time.Now().UnixNano())
	res, err := r.client.api.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: -1, ConfigEntries: configs}},
	})
	if err == nil {
		err = res.Errors[name]
	}
	if err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "the new topic is known", func() bool {
		found, err := r.client.layout(context.Background(), name)
		return err == nil && hasLeaders(found[name])
	})
	return name
}

func (l *lane) rests() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.running
}
