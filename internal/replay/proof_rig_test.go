//go:build unix

package replay_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// bound ends what hangs; every wait is on a condition.
const bound = 2 * time.Minute

// onBrokers runs a proof on the embedded broker and, when POSTRIDER_TEST_BROKERS names
// some (host:port, comma-separated), on real ones, all at the same time.
//
// prepare is called with the embedded broker's address before it has any topic.
func onBrokers(t *testing.T, proof func(r *rig), prepare ...func(t *testing.T, addr string)) {
	t.Helper()
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		b, err := embedded.Start(embedded.Options{
			Listen: "127.0.0.1:0", Dir: t.TempDir(), MaxBytesPerPartition: 4 << 30, SegmentBytes: 64 << 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		for _, do := range prepare {
			do(t, b.Addr())
		}
		proof(newRig(t, []string{b.Addr()}))
	})
	if brokers := os.Getenv("POSTRIDER_TEST_BROKERS"); brokers != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			proof(newRig(t, strings.Split(brokers, ",")))
		})
	}
}

// rig is an engine with topics of its own, and what a proof needs to look at it from
// outside.
type rig struct {
	*testing.T
	ctx       context.Context
	brokers   []string
	prefix    string
	client    *broker.Client
	publisher *broker.GroupCommitter
	engine    *replay.Engine
}

func newRig(t *testing.T, brokers []string) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	r := &rig{T: t, ctx: ctx, brokers: brokers, prefix: "proof-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]}
	e := newEngine(t, brokers, r.prefix, "")
	r.client, r.publisher, r.engine = e.client, e.publisher, e.Engine
	r.topic("replays", 1, map[string]string{"cleanup.policy": "compact"})
	return r
}

// engine is an Engine with its connections.
type engine struct {
	*replay.Engine
	client    *broker.Client
	publisher *broker.GroupCommitter
}

// newEngine makes an engine as a process has one. With an id, its next run is that.
func newEngine(t *testing.T, brokers []string, prefix, id string) *engine {
	t.Helper()
	client, err := broker.Dial(broker.Options{Brokers: brokers, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{client: client, publisher: broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: bound, AttemptTimeout: 20 * time.Second})}
	t.Cleanup(func() {
		if err := e.publisher.Close(context.Background()); err != nil {
			t.Errorf("close the publisher: %v", err)
		}
		client.Close()
	})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	e.Engine = replay.New(replay.Options{
		Client: client, Publisher: e.publisher, Journal: prefix + ".replays", State: []string{prefix + ".replays"},
		KeyKind: selection.KeyMessage, Host: host, PID: os.Getpid(), Now: time.Now,
		NewID: func() string { return cmp.Or(id, uuid.Must(uuid.NewV7()).String()) },
		Alive: func(pid int) bool { return syscall.Kill(pid, 0) == nil },
	})
	return e
}

// topic makes a topic of the proof's own and returns its name.
func (r *rig) topic(name string, partitions int, configs map[string]string) string {
	r.Helper()
	name = r.prefix + "." + name
	if _, err := r.client.EnsureTopics(r.ctx, []broker.TopicSpec{{Name: name, Partitions: partitions, Configs: configs, Embedded: true}}, true); err != nil {
		r.Fatal(err)
	}
	return name
}

// publish publishes records in order.
func (r *rig) publish(recs []broker.Record) {
	r.Helper()
	for chunk := range slices.Chunk(recs, 1000) {
		if err := r.publisher.Publish(r.ctx, chunk); err != nil {
			r.Fatal(err)
		}
	}
}

// held is what a topic holds from some offsets on, partition by partition.
func (r *rig) held(topic string, from map[int]int64) []broker.Message {
	r.Helper()
	var all []broker.Message
	for p, log := range r.offsets(topic) {
		start := max(log.First, from[p])
		if start >= log.Next {
			continue
		}
		err := r.client.Read(r.ctx, topic, p, start, log.Next, func(m broker.Message) error {
			all = append(all, m)
			return nil
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	slices.SortFunc(all, func(a, b broker.Message) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return all
}

func (r *rig) offsets(topic string) map[int]broker.OffsetRange {
	r.Helper()
	log, err := r.client.Offsets(r.ctx, topic)
	if err != nil {
		r.Fatal(err)
	}
	return log
}

// ends are the offsets that a topic's next records get.
func (r *rig) ends(topic string) map[int]int64 {
	r.Helper()
	ends := map[int]int64{}
	for p, log := range r.offsets(topic) {
		ends[p] = log.Next
	}
	return ends
}

// plan plans a request and counts.
func (r *rig) plan(req replay.Request) *replay.Plan {
	r.Helper()
	req.By = cmp.Or(req.By, "proof")
	plan, err := r.engine.Plan(r.ctx, req, replay.PlanOptions{Count: true})
	if err != nil {
		r.Fatalf("Plan: %v", err)
	}
	return plan
}

// execute executes a plan and wants it completed.
func (r *rig) execute(plan *replay.Plan) replay.Run {
	r.Helper()
	run, err := r.engine.Execute(r.ctx, plan, nil)
	if err != nil || run.State != replay.Completed {
		r.Fatalf("Execute: state %s, %v", run.State, err)
	}
	return run
}

// places are where records are, in order.
func places(ms []broker.Message) []string {
	list := make([]string, len(ms))
	for i := range ms {
		list[i] = replay.Place(ms[i].Topic, ms[i].Partition, ms[i].Offset)
	}
	slices.Sort(list)
	return list
}

// originals are where the originals of copies are, in order.
func originals(ms []broker.Message) []string {
	list := make([]string, len(ms))
	for i := range ms {
		list[i] = header(&ms[i], replay.HeaderOf)
	}
	slices.Sort(list)
	return list
}

// header is a header's value; "" if there is none.
func header(m *broker.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// filter is the records that a condition holds for.
func filter(ms []broker.Message, holds func(*broker.Message) bool) []broker.Message {
	var found []broker.Message
	for i := range ms {
		if holds(&ms[i]) {
			found = append(found, ms[i])
		}
	}
	return found
}

// numbered are n records with keys, of which every fifth is marked to be left out.
func numbered(topic string, n int) []broker.Record {
	recs := make([]broker.Record, n)
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range recs {
		kind := "wanted"
		if i%5 == 4 {
			kind = "other"
		}
		recs[i] = broker.Record{
			Topic: topic, Key: fmt.Appendf(nil, "key-%d", i%37), Value: fmt.Appendf(nil, "value %d", i),
			Headers: []broker.Header{{Key: "kind", Value: []byte(kind)}}, Time: start.Add(time.Duration(i) * time.Millisecond),
		}
	}
	return recs
}

// wanted selects what numbered did not mark.
func wanted(topic string) selection.Selection {
	return selection.Selection{Topics: []string{topic}, Headers: []selection.Header{{Name: "kind", Value: "wanted"}}}
}

func isWanted(m *broker.Message) bool { return header(m, "kind") == "wanted" }

// sorted are a map's keys in order.
func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// wantUnknown reports whether an error says that a run is not known.
func wantUnknown(err error) bool {
	_, ok := errors.AsType[*replay.UnknownRunError](err)
	return ok
}
