//go:build unix

package replay_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
)

// consumer is a member of a live group, and what it has committed itself.
type consumer struct {
	*rig
	reader *kafka.Reader
	own    map[int]int64
}

func (r *rig) consume(group, topic string) *consumer {
	r.Helper()
	c := &consumer{r, kafka.NewReader(kafka.ReaderConfig{
		Brokers: r.brokers, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond,
	}), map[int]int64{}}
	r.Cleanup(func() {
		if err := c.reader.Close(); err != nil {
			r.Errorf("close the consumer: %v", err)
		}
	})
	return c
}

// next reads and commits n records.
func (c *consumer) next(n int) error {
	for range n {
		m, err := c.reader.FetchMessage(c.ctx)
		if err != nil {
			return err
		}
		if err := c.reader.CommitMessages(c.ctx, m); err != nil {
			return err
		}
		c.own[m.Partition] = m.Offset + 1
	}
	return nil
}

// mine leaves of all groups' offsets those of this proof.
func (r *rig) mine() map[string]map[string]map[int]int64 {
	r.Helper()
	all, err := r.client.GroupOffsets(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	for name := range all {
		if !strings.HasPrefix(name, r.prefix) {
			delete(all, name)
		}
	}
	return all
}

// commitTopic is where a cluster keeps the offsets of groups. It is the cluster's own,
// so that our client does not read it.
const commitTopic = "__consumer_offsets"

// commitLog is how far each partition of that topic is; nil where there is none, as on
// the embedded broker.
func (r *rig) commitLog(client *kgo.Client) map[int32]int64 {
	r.Helper()
	ends := map[int32]int64{}
	layout, err := kmsg.NewPtrMetadataRequest().RequestWith(r.ctx, client)
	if err != nil {
		r.Fatal(err)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, t := range layout.Topics {
		if t.Topic == nil || *t.Topic != commitTopic {
			continue
		}
		ask := kmsg.NewListOffsetsRequestTopic()
		ask.Topic = commitTopic
		for _, p := range t.Partitions {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = p.Partition, -1 // the end
			ask.Partitions = append(ask.Partitions, part)
		}
		req.Topics = append(req.Topics, ask)
	}
	for _, shard := range client.RequestSharded(r.ctx, req) {
		res, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if shard.Err != nil || !ok {
			r.Fatal(shard.Err)
		}
		for _, t := range res.Topics {
			for _, p := range t.Partitions {
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends
}

// TestLiveConsumersAreLeftAlone: a group that holds still has the same offsets after a
// replay of its topic as before, and nothing was even written about it; one that reads
// on meanwhile is where its own commits put it; and no group comes into being.
func TestLiveConsumersAreLeftAlone(t *testing.T) {
	onBrokers(t, func(r *rig) {
		const n = 2000
		source, target := r.topic("source", 3, nil), r.topic("target", 3, nil)
		r.publish(numbered(source, n))
		still, busy := r.consume(r.prefix+".still", source), r.consume(r.prefix+".busy", source)
		for _, c := range []*consumer{still, busy} {
			if err := c.next(10); err != nil {
				r.Fatal(err)
			}
		}
		members := r.members(still)
		commits := r.raw()
		defer commits.Close()
		before, log := r.mine(), r.commitLog(commits)
		r.replayWhile(source, target, func() error { return busy.next(n - 10) })
		after := r.mine()
		want := map[string]map[string]map[int]int64{
			r.prefix + ".still": before[r.prefix+".still"],
			r.prefix + ".busy":  {source: busy.own},
		}
		if diff := cmp.Diff(want, after); diff != "" {
			r.Errorf("offsets of groups (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]map[int]int64{source: still.own}, after[r.prefix+".still"]); diff != "" {
			r.Errorf("the group that held still (-own commits +got):\n%s", diff)
		}
		r.nothingSaidBut(commits, log, r.prefix+".busy")
		if diff := cmp.Diff(members, r.members(still)); diff != "" {
			r.Errorf("members (-before +after):\n%s", diff)
		}
	})
}

// members waits until the consumer's group reads, and returns its members.
func (r *rig) members(c *consumer) []broker.GroupMember {
	r.Helper()
	g, err := r.client.Group(r.ctx, c.reader.Config().GroupID)
	if err != nil || g.State != broker.GroupStable || len(g.Members) != 1 {
		r.Fatalf("the group is %+v, %v; want one member that reads", g, err)
	}
	return g.Members
}

// replayWhile replays a topic into another, and does something else as soon as the
// first copies are there.
func (r *rig) replayWhile(source, target string, do func() error) {
	r.Helper()
	plan := r.plan(replay.Request{Select: wanted(source), To: replay.Target{Kind: replay.ToTopic, Topic: target}, Pace: replay.Pace{Rate: 1000}})
	did := make(chan error, 1)
	var begin sync.Once
	run, err := r.engine.Execute(r.ctx, plan, func(p replay.Progress) {
		if p.Delivered > 0 {
			begin.Do(func() { go func() { did <- do() }() })
		}
	})
	if err != nil || run.State != replay.Completed || run.Progress.Delivered == 0 {
		r.Fatalf("Execute: %+v, %v", run, err)
	}
	if err := <-did; err != nil {
		r.Fatal(err)
	}
}

// nothingSaidBut wants nothing in the commit log since, about the groups or topics of
// this proof, but what one group itself said.
func (r *rig) nothingSaidBut(client *kgo.Client, since map[int32]int64, group string) {
	r.Helper()
	ends, from, said := r.commitLog(client), map[int32]kgo.Offset{}, 0
	for p, end := range ends {
		if end > since[p] {
			from[p] = kgo.NewOffset().At(since[p])
		}
	}
	if len(ends) == 0 {
		return // no such topic
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{commitTopic: from})
	for left := len(from); left > 0; {
		fetched := client.PollFetches(r.ctx)
		if err := fetched.Err(); err != nil {
			r.Fatal(err)
		}
		fetched.EachRecord(func(m *kgo.Record) {
			if m.Offset == ends[m.Partition]-1 {
				left--
			}
			switch {
			case m.Offset >= ends[m.Partition]: // later than the replay
			case bytes.Contains(m.Key, []byte(group)):
				said++
			case bytes.Contains(m.Key, []byte(r.prefix)), bytes.Contains(m.Value, []byte(r.prefix)):
				r.Errorf("written to %s[%d]@%d during the replay: %q", commitTopic, m.Partition, m.Offset, m.Key)
			}
		})
	}
	if said == 0 {
		r.Error("the commit log has nothing of the group that read on: the proof sees nothing")
	}
}
