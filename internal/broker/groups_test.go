package broker

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupRig is a broker with testTopic in two partitions, and a client on it.
func groupRig(t *testing.T) (*kfake.Cluster, *Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(2, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c, err := Dial(Options{Brokers: cluster.ListenAddrs(), Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return cluster, c
}

func commitTest(t *testing.T, c *Client, group string) {
	t.Helper()
	if err := c.CommitGroup(t.Context(), group, map[string]map[int]int64{testTopic: {0: 0, 1: 0}}); err != nil {
		t.Fatal(err)
	}
}

// answerGroups lets the broker answer requests of a kind with what fill makes of the
// answer, while times is above zero.
func answerGroups[T kmsg.Response](cluster *kfake.Cluster, key kmsg.Key, times int32, fill func(kmsg.Request, T)) {
	left := atomic.Int32{}
	left.Store(times)
	cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if left.Add(-1) < 0 {
			return nil, nil, false
		}
		res, _ := req.ResponseKind().(T)
		fill(req, res)
		return res, nil, true
	})
}

// The commit is nobody's: an admin's. A leader epoch in it would have to be right.
func TestCommitGroupIsACommitByNobody(t *testing.T) {
	cluster, c := groupRig(t)
	var got *kmsg.OffsetCommitRequest
	cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		got, _ = req.(*kmsg.OffsetCommitRequest)
		return nil, nil, false
	})
	commitTest(t, c, "g")
	if got.Generation != -1 || got.MemberID != "" || got.InstanceID != nil || got.Group != "g" {
		t.Errorf("got %+v", got)
	}
	for _, p := range got.Topics[0].Partitions {
		if p.LeaderEpoch != -1 || p.Offset != 0 {
			t.Errorf("got %+v, want leader epoch -1", p)
		}
	}
}

func TestGroupsOfEveryCoordinator(t *testing.T) {
	_, c := groupRig(t)
	coordinators := map[int]bool{}
	for name := range strings.SplitSeq("abcdefghijkl", "") {
		commitTest(t, c, name)
	}
	groups, err := c.Groups(t.Context())
	if err != nil || len(groups) != 12 || groups[0].Name != "a" || groups[11].Name != "l" {
		t.Fatalf("got %+v, %v", groups, err)
	}
	for _, g := range groups {
		coordinators[g.Coordinator] = true
	}
	if all, err := c.AllGroups(t.Context()); err != nil || len(all) != 12 || all[3].Name != "d" || len(all[3].Offsets) != 2 {
		t.Errorf("AllGroups: %+v, %v", all, err)
	}
	if len(coordinators) < 2 {
		t.Errorf("all have the coordinators %v: the test proves nothing", coordinators)
	}
}

// A broker that loads its groups, or has just become their coordinator, is asked
// again; its groups are never missing in silence.
func TestGroupsWaitForTheirCoordinator(t *testing.T) {
	cluster, c := groupRig(t)
	commitTest(t, c, "g")
	const loading, gone, moved = 14, 15, 16
	answerGroups(cluster, kmsg.FindCoordinator, 1, func(_ kmsg.Request, res *kmsg.FindCoordinatorResponse) { res.ErrorCode, res.NodeID = gone, -1 })
	answerGroups(cluster, kmsg.ListGroups, 1, func(_ kmsg.Request, res *kmsg.ListGroupsResponse) { res.ErrorCode = loading })
	answerGroups(cluster, kmsg.OffsetFetch, 1, func(_ kmsg.Request, res *kmsg.OffsetFetchResponse) { res.ErrorCode = moved })
	answerGroups(cluster, kmsg.DescribeGroups, 1, func(_ kmsg.Request, res *kmsg.DescribeGroupsResponse) {
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.ErrorCode = "g", loading
		res.Groups = append(res.Groups, g)
	})
	g, err := c.Group(t.Context(), "g")
	if err != nil || g.State != GroupEmpty || len(g.Offsets) != 2 {
		t.Errorf("Group: %+v, %v", g, err)
	}
	if groups, err := c.Groups(t.Context()); err != nil || len(groups) != 1 {
		t.Errorf("Groups: %+v, %v", groups, err)
	}
	answerGroups(cluster, kmsg.OffsetCommit, 1, func(req kmsg.Request, res *kmsg.OffsetCommitResponse) { refuseCommit(req, res, moved) })
	commitTest(t, c, "g")
}

func refuseCommit(req kmsg.Request, res *kmsg.OffsetCommitResponse, code int16) {
	commit, _ := req.(*kmsg.OffsetCommitRequest)
	for _, rt := range commit.Topics {
		t := kmsg.NewOffsetCommitResponseTopic()
		t.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = rp.Partition, code
			t.Partitions = append(t.Partitions, p)
		}
		res.Topics = append(res.Topics, t)
	}
}

func TestGroupsThatNeverLoadAreAnError(t *testing.T) {
	cluster, c := groupRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int32
	answerGroups(cluster, kmsg.ListGroups, 1<<30, func(_ kmsg.Request, res *kmsg.ListGroupsResponse) {
		res.ErrorCode = 14
		if asked.Add(1) == 12 { // three brokers, so some attempts have failed
			cancel()
		}
	})
	if groups, err := c.Groups(ctx); !errors.Is(err, kafka.GroupLoadInProgress) {
		t.Errorf("got %+v, %v", groups, err)
	}
}

// Time may run out while the client waits for its next attempt, or in the middle of
// one: the error says what kept failing in both cases.
func TestWhatKeepsFailingIsTheErrorWhenTimeRunsOut(t *testing.T) {
	for name, frozen := range map[string]bool{"between attempts": false, "in an attempt": true} {
		t.Run(name, func(t *testing.T) {
			_, c := groupRig(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			attempts := 0
			err := c.patiently(ctx, func(ctx context.Context) error {
				if attempts++; attempts < 2 {
					return kafka.GroupLoadInProgress
				}
				cancel()
				if frozen {
					return ctx.Err()
				}
				return kafka.GroupLoadInProgress
			})
			if !errors.Is(err, kafka.GroupLoadInProgress) || errors.Is(err, context.Canceled) != frozen {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMembersThatJoinBetweenLookAndCommit(t *testing.T) {
	for name, code := range map[string]int16{"unknown member": 25, "generation": 22, "rebalance": 27, "fenced epoch": 110, "stale epoch": 113} {
		t.Run(name, func(t *testing.T) {
			cluster, c := groupRig(t)
			commitTest(t, c, "g\n")
			answerGroups(cluster, kmsg.OffsetCommit, 1<<30, func(req kmsg.Request, res *kmsg.OffsetCommitResponse) { refuseCommit(req, res, code) })
			err := c.CommitGroup(t.Context(), "g\n", map[string]map[int]int64{testTopic: {0: 9, 1: 9}})
			var active *GroupActiveError
			if !errors.As(err, &active) || active.Group != "g\n" || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v", err)
			}
			if g, err := c.Group(t.Context(), "g\n"); err != nil || g.Offsets[0].Offset != 0 || g.Offsets[1].Offset != 0 {
				t.Errorf("moved all the same: %+v, %v", g.Offsets, err)
			}
		})
	}
}

func TestManyMembersAreCounted(t *testing.T) {
	err := &GroupActiveError{Group: "g", Members: make([]GroupMember, 7)}
	for i := range err.Members {
		err.Members[i] = GroupMember{Client: "c\x1b", Host: "/10.0.0.1"}
	}
	if want := `("c\x1b" at 10.0.0.1, `; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ", 2 more)") {
		t.Errorf("got %v", err)
	}
}

func TestMissingRightsOnGroupsAreNamed(t *testing.T) {
	cluster, c := groupRig(t)
	answerGroups(cluster, kmsg.FindCoordinator, 1<<30, func(_ kmsg.Request, res *kmsg.FindCoordinatorResponse) { res.ErrorCode, res.NodeID = 30, -1 })
	_, described := c.Group(t.Context(), "g")
	committed := c.CommitGroup(t.Context(), "g", map[string]map[int]int64{testTopic: {0: 9}})
	for want, err := range map[string]error{"grant DESCRIBE on the group": described, "grant READ on the group": committed} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Brokers call a group dead that speaks the protocol of KIP-848; it is in the list.
func TestGroupThatIsListedIsNotDead(t *testing.T) {
	cluster, c := groupRig(t)
	commitTest(t, c, "g")
	answerGroups(cluster, kmsg.DescribeGroups, 1<<30, func(req kmsg.Request, res *kmsg.DescribeGroupsResponse) {
		describe, _ := req.(*kmsg.DescribeGroupsRequest)
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.State = describe.Groups[0], GroupDead
		res.Groups = append(res.Groups, g)
	})
	for name, want := range map[string]string{"g": GroupModern, "nobody": GroupDead} {
		g, err := c.Group(t.Context(), name)
		if err != nil || g.State != want || g.Idle() != (want == GroupDead) || g.Exists() != (want == GroupModern) {
			t.Errorf("%s: %+v, %v; want %s", name, g, err, want)
		}
	}
}

func TestGroupOfADeletedTopic(t *testing.T) {
	cluster, c := groupRig(t)
	commitTest(t, c, "g")
	answerGroups(cluster, kmsg.OffsetFetch, 1<<30, func(_ kmsg.Request, res *kmsg.OffsetFetchResponse) {
		for _, name := range []string{"deleted", testTopic} {
			topic := kmsg.NewOffsetFetchResponseTopic()
			topic.Topic = name
			for _, offset := range []int64{5, -1} {
				p := kmsg.NewOffsetFetchResponseTopicPartition()
				p.Partition, p.Offset = int32(len(topic.Partitions)), offset
				topic.Partitions = append(topic.Partitions, p)
			}
			res.Topics = append(res.Topics, topic)
		}
	})
	g, err := c.Group(t.Context(), "g")
	want := []GroupOffset{{Topic: "deleted", Offset: 5, Gone: true}, {Topic: testTopic, Offset: 5}}
	if diff := cmp.Diff(want, g.Offsets); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestLag(t *testing.T) {
	for _, tc := range []struct {
		offset int64
		log    OffsetRange
		want   int64
	}{
		{5, OffsetRange{0, 8}, 3},
		{8, OffsetRange{0, 8}, 0},
		{9, OffsetRange{0, 8}, 0},
		{2, OffsetRange{6, 8}, 2}, // the rest has expired
		{0, OffsetRange{}, 0},
	} {
		o := GroupOffset{Offset: tc.offset, Log: tc.log}
		if got := o.Lag(); got != tc.want {
			t.Errorf("%+v: lag %d, want %d", tc, got, tc.want)
		}
	}
}

func TestReadAssignment(t *testing.T) {
	whole := []byte("\x00\x03" + "\x00\x00\x00\x02" +
		"\x00\x01a" + "\x00\x00\x00\x02" + "\x00\x00\x00\x07" + "\x00\x00\x00\x01" +
		"\x00\x02bc" + "\x00\x00\x00\x01" + "\x00\x00\x00\x00" +
		"\xff\xff\xff\xff" + "what a later version adds")
	want := map[string][]int{"a": {1, 7}, "bc": {0}}
	if diff := cmp.Diff(want, readAssignment("consumer", whole)); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct{ protocol, raw string }{
		{"connect", string(whole)},
		{"consumer", ""},
		{"consumer", string(whole[:20])},
		{"consumer", "\x00"},
		{"consumer", "\x00\x00\x7f\xff\xff\xff"},
		{"consumer", "\x00\x00\x00\x00\x00\x01\x00\x01a\xff\xff\xff\xff"},
		{"consumer", "\x00\x00\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00"},
	} {
		if got := readAssignment(tc.protocol, []byte(tc.raw)); got != nil {
			t.Errorf("%q: got %v, want nothing", tc.raw, got)
		}
	}
}
