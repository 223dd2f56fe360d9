package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// memberRig is a broker with testTopic in two partitions that lets sessions be short.
func memberRig(t *testing.T, opts ...kfake.Opt) *rig {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(2, testTopic), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return rigOn(t, PublisherOptions{}, cluster, cluster.ListenAddrs()...)
}

// joinTest is a member of the group g on testTopic, with a heart that beats fast.
func joinTest(t *testing.T, c *Client, change ...func(*JoinOptions)) *Member {
	t.Helper()
	o := JoinOptions{Group: "g", Topics: []string{testTopic}, SessionTimeout: 2 * time.Second}
	for _, f := range change {
		f(&o)
	}
	m, err := c.Join(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func fromEnd(o *JoinOptions) { o.FromEnd = true }

func nextOf(t *testing.T, m *Member) *Assignment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := m.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Release)
	return a
}

func positions(a *Assignment) string {
	var all []string
	for _, p := range a.Partitions {
		all = append(all, fmt.Sprintf("%s[%d]@%d", p.Topic, p.Partition, p.Offset))
	}
	return strings.Join(all, " ")
}

func wantPositions(t *testing.T, a *Assignment, want string) {
	t.Helper()
	if got := positions(a); got != want {
		t.Errorf("assigned %s, want %s", got, want)
	}
}

func mustCommit(t *testing.T, a *Assignment, offsets map[int]int64) {
	t.Helper()
	if err := a.Commit(t.Context(), map[string]map[int]int64{testTopic: offsets}); err != nil {
		t.Error(err)
	}
}

func within(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(20 * time.Second):
		t.Fatalf("still not: %s", what)
	}
}

// spread publishes so many records to each of the two partitions.
func (r *rig) spread(n int) {
	r.t.Helper()
	keys := map[int]string{}
	for i := 0; len(keys) < 2; i++ {
		keys[PartitionFor(fmt.Append(nil, i), 2)] = strconv.Itoa(i)
	}
	for i := range n {
		for _, key := range keys {
			r.mustPublish(Record{Topic: testTopic, Key: []byte(key), Value: fmt.Append(nil, i)})
		}
	}
}

func TestMemberGoesOnWhereTheGroupCommitted(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	r.spread(5)
	m := joinTest(t, r.client)
	a := nextOf(t, m)
	wantPositions(t, a, "orders[0]@0 orders[1]@0")
	mustCommit(t, a, map[int]int64{1: 3})
	a.Release()
	a.Release()
	if err := a.Commit(t.Context(), map[string]map[int]int64{testTopic: {1: 4}}); !errors.Is(err, ErrRevoked) {
		t.Errorf("commit after Release: %v", err)
	}
	wantPositions(t, nextOf(t, m), "orders[0]@0 orders[1]@3")
}

// Of two members each has one partition. The one that was there first can still
// commit when it is told to give one up, and the other goes on there.
func TestMembersHandOver(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	r.spread(5)
	first := joinTest(t, r.client)
	a := nextOf(t, first)
	second := joinTest(t, r.client)
	got := make(chan *Assignment, 1)
	go func() { got <- nextOf(t, second) }()
	within(t, "the first is told", a.Revoked())
	mustCommit(t, a, map[int]int64{0: 2, 1: 3})
	a.Release()
	a = nextOf(t, first)
	b := <-got
	if both := positions(a) + " " + positions(b); both != "orders[0]@2 orders[1]@3" && both != "orders[1]@3 orders[0]@2" {
		t.Errorf("assigned %s", both)
	}
	b.Release()
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	within(t, "the first is told that the other has left", a.Revoked())
	a.Release()
	wantPositions(t, nextOf(t, first), "orders[0]@2 orders[1]@3")
}

// A member that is too slow is waited for no longer than it said, and what it commits
// then is refused.
func TestMemberThatDoesNotReleaseIsPassedOver(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	first := joinTest(t, r.client, func(o *JoinOptions) { o.Drain = 50 * time.Millisecond })
	a := nextOf(t, first)
	second := joinTest(t, r.client)
	again := make(chan struct{})
	go func() { nextOf(t, first); close(again) }()
	nextOf(t, second)
	within(t, "the first is told", a.Revoked())
	within(t, "the first has come again", again)
	if err := a.Commit(t.Context(), map[string]map[int]int64{testTopic: {0: 1}}); !errors.Is(err, ErrRevoked) {
		t.Errorf("commit: %v, want ErrRevoked", err)
	}
}

func TestMemberThatTheGroupForgotIsTold(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]kmsg.Key{"by a heartbeat": kmsg.Heartbeat, "by a commit": kmsg.OffsetCommit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := memberRig(t)
			m := joinTest(t, r.client)
			a := nextOf(t, m)
			if kind == kmsg.Heartbeat {
				answerGroups(r.cluster, kind, 1, func(_ kmsg.Request, res *kmsg.HeartbeatResponse) { res.ErrorCode = kerr.UnknownMemberID.Code })
			} else {
				answerGroups(r.cluster, kind, 1, func(req kmsg.Request, res *kmsg.OffsetCommitResponse) {
					refuseCommit(req, res, kerr.UnknownMemberID.Code)
				})
				if err := a.Commit(t.Context(), map[string]map[int]int64{testTopic: {0: 1}}); !errors.Is(err, ErrRevoked) {
					t.Errorf("commit: %v", err)
				}
			}
			within(t, "it is told", a.Revoked())
			a.Release()
			if again := nextOf(t, m); again.Generation <= a.Generation || len(again.Partitions) != 2 {
				t.Errorf("after generation %d: %+v", a.Generation, again)
			}
		})
	}
}

func TestMemberFromTheEndStaysThere(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	r.spread(5)
	m := joinTest(t, r.client, fromEnd)
	a := nextOf(t, m)
	wantPositions(t, a, "orders[0]@5 orders[1]@5")
	r.spread(2)
	a.Release()
	wantPositions(t, nextOf(t, m), "orders[0]@5 orders[1]@5")
}

// Partitions that are added while the group reads begin at their first record, for
// those who begin at the end, too: what was published before the group noticed counts.
func TestMemberReadsAddedPartitionsFromTheirBeginning(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	r.spread(5)
	m := joinTest(t, r.client, fromEnd)
	a := nextOf(t, m)
	mustCommit(t, a, map[int]int64{0: 5})
	res, err := r.client.api.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Addr: r.client.addr, Topics: []kafka.TopicPartitionsConfig{{Name: testTopic, Count: 4}},
	})
	if err != nil || res.Errors[testTopic] != nil {
		t.Fatal(err, res)
	}
	within(t, "the partitions are noticed", a.Revoked())
	other := rigOn(t, PublisherOptions{}, r.cluster, r.cluster.ListenAddrs()...) // it knows of them
	for i := range 40 {
		other.mustPublish(Record{Topic: testTopic, Key: fmt.Append(nil, i), Value: []byte("v")})
	}
	if log, err := r.client.Offsets(t.Context(), testTopic); err != nil || log[2].Next == 0 || log[3].Next == 0 {
		t.Fatalf("there is nothing to miss: %v, %v", log, err)
	}
	a.Release()
	wantPositions(t, nextOf(t, m), "orders[0]@5 orders[1]@5 orders[2]@0 orders[3]@0")
}

// Brokers may make topics that are asked for. A group that waits for one does not.
func TestMemberWaitsForTopics(t *testing.T) {
	t.Parallel()
	r := memberRig(t, kfake.AllowAutoTopicCreation())
	both := joinTest(t, r.client, func(o *JoinOptions) { o.Topics = []string{"later", testTopic} })
	a := nextOf(t, both)
	wantPositions(t, a, "orders[0]@0 orders[1]@0")
	alone := joinTest(t, r.client, func(o *JoinOptions) { o.Topics, o.Group = []string{"later"}, "alone" })
	got := make(chan *Assignment, 1)
	go func() { got <- nextOf(t, alone) }()
	if r.cluster.TopicInfo("later") != nil {
		t.Fatal("the topic was made")
	}
	if err := r.cluster.CreateTopic("later", 1, nil); err != nil {
		t.Fatal(err)
	}
	wantPositions(t, <-got, "later[0]@0")
	within(t, "the topic is noticed", a.Revoked())
	a.Release()
	wantPositions(t, nextOf(t, both), "later[0]@0 orders[0]@0 orders[1]@0")
}

// An answer about offsets that is an error, or leaves some out, never looks as if the
// group had committed nothing.
func TestMemberDoesNotBeginAnewForWantOfAnAnswer(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	r.spread(5)
	m := joinTest(t, r.client)
	a := nextOf(t, m)
	mustCommit(t, a, map[int]int64{0: 4, 1: 4})
	a.Release()
	answers := []func(*kmsg.OffsetFetchResponseTopicPartition, *kmsg.OffsetFetchResponseTopic){
		func(p *kmsg.OffsetFetchResponseTopicPartition, _ *kmsg.OffsetFetchResponseTopic) {
			p.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		},
		func(p *kmsg.OffsetFetchResponseTopicPartition, _ *kmsg.OffsetFetchResponseTopic) {
			p.ErrorCode = kerr.UnstableOffsetCommit.Code
		},
		func(_ *kmsg.OffsetFetchResponseTopicPartition, t *kmsg.OffsetFetchResponseTopic) { t.Partitions = nil },
	}
	var next atomic.Int32
	answerGroups(r.cluster, kmsg.OffsetFetch, int32(2*len(answers)), func(_ kmsg.Request, res *kmsg.OffsetFetchResponse) {
		spoil := answers[int(next.Add(1)-1)%len(answers)]
		topic := kmsg.NewOffsetFetchResponseTopic()
		topic.Topic = testTopic
		for p := range int32(2) {
			part := kmsg.NewOffsetFetchResponseTopicPartition()
			part.Partition, part.Offset = p, -1
			topic.Partitions = append(topic.Partitions, part)
		}
		spoil(&topic.Partitions[1], &topic)
		res.Topics = append(res.Topics, topic)
	})
	wantPositions(t, nextOf(t, m), "orders[0]@4 orders[1]@4")
}

func TestMemberSaysWhatSomebodyHasToChange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key  kmsg.Key
		err  *kerr.Error
		want string
	}{
		{kmsg.JoinGroup, kerr.GroupAuthorizationFailed, "grant READ on the group"},
		{kmsg.JoinGroup, kerr.InvalidSessionTimeout, "group.min.session.timeout.ms"},
		{kmsg.JoinGroup, kerr.InconsistentGroupProtocol, "in another way than range"},
		{kmsg.JoinGroup, kerr.GroupMaxSizeReached, "group.max.size"},
		{kmsg.OffsetFetch, kerr.TopicAuthorizationFailed, "grant READ on the group and its topics"},
		{kmsg.FindCoordinator, kerr.GroupAuthorizationFailed, "grant READ on the group"},
	} {
		t.Run(tc.key.Name()+" "+tc.err.Message, func(t *testing.T) {
			t.Parallel()
			r := memberRig(t)
			r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: -1})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			a, err := joinTest(t, r.client).Next(ctx)
			if a != nil || err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), `group "g"`) {
				t.Errorf("got %+v, %v; want %q", a, err, tc.want)
			}
		})
	}
}

func TestMemberRidesOutPassingErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key kmsg.Key
		err *kerr.Error
	}{
		{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable},
		{kmsg.JoinGroup, kerr.CoordinatorLoadInProgress},
		{kmsg.JoinGroup, kerr.NotCoordinator},
		{kmsg.JoinGroup, kerr.UnknownMemberID},
		{kmsg.SyncGroup, kerr.RebalanceInProgress},
		{kmsg.SyncGroup, kerr.IllegalGeneration},
		{kmsg.OffsetFetch, kerr.NotCoordinator},
		{kmsg.ListOffsets, kerr.NotLeaderForPartition},
	} {
		t.Run(tc.key.Name()+" "+tc.err.Message, func(t *testing.T) {
			t.Parallel()
			r := memberRig(t)
			h := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: 2})
			if a := nextOf(t, joinTest(t, r.client)); len(a.Partitions) != 2 || h.Hits() != 2 {
				t.Errorf("assigned %+v after %d faults", a.Partitions, h.Hits())
			}
		})
	}
}

// A join that gets nowhere is given up, and made on other connections.
func TestMemberBeginsAnewWhereJoiningIsStuck(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	free := make(chan struct{})
	defer close(free)
	var stuck atomic.Bool
	r.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		if stuck.CompareAndSwap(false, true) {
			r.sleepUntil(free)
		}
		return nil, nil, false
	})
	log, seen := logs()
	m := joinTest(t, r.client, func(o *JoinOptions) { o.SessionTimeout, o.Log = 200*time.Millisecond, log })
	if a := nextOf(t, m); len(a.Partitions) != 2 || seen.FilterField(zap.Error(errWedged)).Len() == 0 {
		t.Errorf("assigned %+v, and the log says %v", a.Partitions, seen.All())
	}
}

func TestMemberGoesWithTheCoordinator(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	m := joinTest(t, r.client)
	a := nextOf(t, m)
	old := r.cluster.CoordinatorFor("g")
	for r.cluster.CoordinatorFor("g") == old {
		r.cluster.RehashCoordinators()
	}
	within(t, "it is told", a.Revoked())
	a.Release()
	mustCommit(t, nextOf(t, m), map[int]int64{0: 0})
}

// Leaving does not wait for others: neither for those that have not come to a new
// round yet, nor for a broker that says nothing.
func TestMemberLeavesAtOnce(t *testing.T) {
	t.Parallel()
	r := memberRig(t)
	first := joinTest(t, r.client)
	a := nextOf(t, first)
	second := joinTest(t, r.client)
	go func() { _, _ = second.Next(t.Context()) }()
	within(t, "the first is told", a.Revoked()) // and does not give back
	third := joinTest(t, r.client)
	b := make(chan error, 1)
	go func() { _, err := third.Next(t.Context()); b <- err }()
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	if err := <-b; !errors.Is(err, errLeft) {
		t.Errorf("Next of a member that has left: %v", err)
	}
}

func TestMemberOfABrokerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	c := dialTest(t, silence(t))
	m := joinTest(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next = %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestJoinRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	c := dialTest(t, "127.0.0.1:1")
	for want, o := range map[string]JoinOptions{
		"no name":       {Topics: []string{"a"}},
		"no topics":     {Group: "g"},
		"must take les": {Group: "g", Topics: []string{"a"}, SessionTimeout: time.Second, Drain: time.Second},
	} {
		if m, err := c.Join(o); err == nil || m != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCommitNotesHowManyPartitionsThereWere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "7": 0, "partitions=": 0, "partitions=12": 12, "something else": 0} {
		if got := amongOf(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	topic := map[int]committed{0: {9, 0}, 1: {9, 4}}
	got := []bool{grown(nil, 0), grown(topic, 3), grown(topic, 4), grown(topic, 9)}
	if diff := cmp.Diff([]bool{false, false, true, true}, got); diff != "" {
		t.Error(diff)
	}
}
