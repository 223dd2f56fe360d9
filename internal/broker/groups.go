package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listgroups"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// GroupListing is one consumer group of the cluster.
type GroupListing struct {
	// Name is what its members chose: any text, control characters included.
	Name        string
	Protocol    string // what its members speak, mostly "consumer"; "" if it never had any
	Coordinator int    // id of the broker that looks after it
}

// The states of a group. A group in any other state than Empty and Dead has
// members, or is about to have them:
// https://cwiki.apache.org/confluence/display/KAFKA/KIP-394.
const (
	GroupEmpty  = "Empty"  // it has offsets and no members
	GroupDead   = "Dead"   // there is no such group
	GroupStable = "Stable" // its members read
	// GroupModern is no state of Kafka's: the group is there, but brokers show its
	// members only to a request that kafka-go does not have (ConsumerGroupDescribe of
	// KIP-848). Whether there are any is not known until a commit is refused.
	GroupModern = "Modern"
)

// Group is a consumer group as it is.
type Group struct {
	Name     string
	State    string // see GroupEmpty
	Protocol string // as of GroupListing
	Assignor string // how its members share partitions out, e.g. "range"
	Members  []GroupMember
	// Offsets are what it has committed, by topic and partition.
	Offsets []GroupOffset
}

// GroupMember is one process of a group.
type GroupMember struct {
	ID       string
	Instance string // group.instance.id; "" without static membership
	Client   string // client.id
	Host     string // as the broker sees it
	// Assigned are its partitions by topic; nil where it does not speak the
	// protocol "consumer".
	Assigned map[string][]int
}

// GroupOffset is where a group is in one partition.
type GroupOffset struct {
	Topic     string
	Partition int
	Offset    int64       // the next one it reads
	Log       OffsetRange // what the partition holds
	Gone      bool        // the partition does not exist any more, or may not be seen
}

// Lag is how many records the group has not read yet; it counts offsets, so
// those that compaction took are among them.
func (o *GroupOffset) Lag() int64 { return max(0, o.Log.Next-max(o.Offset, o.Log.First)) }

// Exists reports whether the cluster knows the group.
func (g *Group) Exists() bool { return g.State != GroupDead || len(g.Offsets) > 0 }

// Idle reports whether the group certainly has no members: only then may its
// offsets be moved.
func (g *Group) Idle() bool { return g.State == GroupEmpty || g.State == GroupDead }

// Groups lists the cluster's groups, by name. It asks every broker, since each
// knows the groups that it coordinates.
func (c *Client) Groups(ctx context.Context) ([]GroupListing, error) {
	var list []GroupListing
	err := c.patiently(ctx, func(ctx context.Context) error {
		res, err := trip[*listgroups.Response](ctx, c, &everyBroker{})
		if err != nil {
			return err
		}
		list = list[:0]
		for _, g := range res.Groups {
			list = append(list, GroupListing{Name: g.GroupID, Protocol: g.ProtocolType, Coordinator: int(g.BrokerID)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("broker: list consumer groups: %w", err)
	}
	slices.SortFunc(list, func(a, b GroupListing) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b GroupListing) bool { return a.Name == b.Name }), nil
}

// everyBroker asks each broker for its groups. kafka-go v0.4.51 merges the
// answers without looking at their error codes: groups of a broker that is still
// loading them would be missing, and nobody would know.
type everyBroker struct{ listgroups.Request }

// Split implements protocol.Splitter.
func (r *everyBroker) Split(cluster protocol.Cluster) ([]protocol.Message, protocol.Merger, error) {
	messages, merger, err := r.Request.Split(cluster)
	return messages, groupsMerger{merger}, err //nolint:wrapcheck // it never fails
}

// groupsMerger fails where one answer is an error.
type groupsMerger struct{ protocol.Merger }

// Merge implements protocol.Merger.
func (m groupsMerger) Merge(requests []protocol.Message, results []any) (protocol.Message, error) {
	for _, r := range results {
		if res, ok := r.(*listgroups.Response); ok && res.ErrorCode != 0 {
			return nil, kafka.Error(res.ErrorCode)
		}
	}
	return m.Merger.Merge(requests, results) //nolint:wrapcheck // a broker's own error
}

// Group describes one group: its members, what it has committed and what the
// partitions hold. A group that does not exist is in state GroupDead and has no
// offsets.
func (c *Client) Group(ctx context.Context, name string) (Group, error) {
	return (&groupReader{c: c, logs: map[string]map[int]OffsetRange{}}).read(ctx, name)
}

// AllGroups describes every group of the cluster, by name. Each topic's offsets are
// asked for once.
func (c *Client) AllGroups(ctx context.Context) ([]Group, error) {
	list, err := c.Groups(ctx)
	if err != nil {
		return nil, err
	}
	r := &groupReader{c: c, logs: map[string]map[int]OffsetRange{}, list: list}
	groups := make([]Group, 0, len(list))
	for _, l := range list {
		g, err := r.read(ctx, l.Name)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// groupReader describes groups and remembers what they have in common.
type groupReader struct {
	c    *Client
	logs map[string]map[int]OffsetRange // by topic; nil: the topic does not exist
	list []GroupListing
}

func (r *groupReader) read(ctx context.Context, name string) (Group, error) {
	g, err := r.c.describeGroup(ctx, name)
	if err == nil && g.State == GroupDead {
		err = r.lookAgain(ctx, &g)
	}
	if err != nil {
		return Group{}, err
	}
	offsets, err := r.c.committed(ctx, name)
	if err != nil {
		return Group{}, err
	}
	for topic, partitions := range offsets {
		log, err := r.log(ctx, topic)
		if err != nil {
			return Group{}, err
		}
		for p, offset := range partitions {
			held, ok := log[p]
			g.Offsets = append(g.Offsets, GroupOffset{Topic: topic, Partition: p, Offset: offset, Log: held, Gone: !ok})
		}
	}
	slices.SortFunc(g.Offsets, func(a, b GroupOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return g, nil
}

// log is what a topic's partitions hold; nil if it does not exist.
func (r *groupReader) log(ctx context.Context, topic string) (map[int]OffsetRange, error) {
	if log, ok := r.logs[topic]; ok {
		return log, nil
	}
	log, err := r.c.Offsets(ctx, topic)
	var gone *UnknownTopicError
	if err != nil && !errors.As(err, &gone) {
		return nil, err
	}
	r.logs[topic] = log
	return log, nil
}

// lookAgain tells a group that does not exist from one that is not described: both
// are called dead, the latter is in the list.
func (r *groupReader) lookAgain(ctx context.Context, g *Group) (err error) {
	if r.list == nil {
		if r.list, err = r.c.Groups(ctx); err != nil {
			return err
		}
	}
	for _, l := range r.list {
		if l.Name == g.Name {
			g.State, g.Protocol = GroupModern, l.Protocol
		}
	}
	return nil
}

// GroupOffsets returns what every group of the cluster has committed: the next
// offset by group, topic and partition.
func (c *Client) GroupOffsets(ctx context.Context) (map[string]map[string]map[int]int64, error) {
	groups, err := c.Groups(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string]map[string]map[int]int64, len(groups))
	for _, g := range groups {
		if all[g.Name], err = c.committed(ctx, g.Name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// committed asks a group's coordinator for all of its offsets, by topic and
// partition.
func (c *Client) committed(ctx context.Context, group string) (map[string]map[int]int64, error) {
	var offsets map[string]map[int]int64
	err := c.atCoordinator(ctx, group, func(ctx context.Context) error {
		res, err := trip[*offsetfetch.Response](ctx, c, &offsetfetch.Request{GroupID: group}) // no topics: all
		if err != nil {
			return err
		}
		offsets, err = readCommitted(res)
		return err
	})
	if err != nil {
		return nil, groupError(group, "read its offsets", "DESCRIBE on the group and its topics", err)
	}
	return offsets, nil
}

func readCommitted(res *offsetfetch.Response) (map[string]map[int]int64, error) {
	switch kafka.Error(res.ErrorCode) {
	case 0:
	case kafka.GroupIdNotFound:
		return nil, nil //nolint:nilnil // no group, no offsets
	default:
		return nil, kafka.Error(res.ErrorCode)
	}
	offsets := make(map[string]map[int]int64, len(res.Topics))
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return nil, partitionError(t.Name, p.PartitionIndex, p.ErrorCode)
			}
			if p.CommittedOffset < 0 { // none
				continue
			}
			if offsets[t.Name] == nil {
				offsets[t.Name] = make(map[int]int64)
			}
			offsets[t.Name][int(p.PartitionIndex)] = p.CommittedOffset
		}
	}
	return offsets, nil
}

// atCoordinator does what a group's coordinator is asked to do, again while the
// group moves to another broker or is being loaded. The coordinator is looked for
// beforehand: kafka-go v0.4.51 does so itself, but takes no notice of an error.
func (c *Client) atCoordinator(ctx context.Context, group string, once func(context.Context) error) error {
	return c.patiently(ctx, func(ctx context.Context) error {
		res, err := c.api.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Addr: c.addr, Key: group, KeyType: kafka.CoordinatorKeyTypeConsumer})
		if err != nil {
			return explain(err)
		}
		if res.Error != nil {
			return res.Error
		}
		return once(ctx)
	})
}

// trip makes one request.
func trip[T protocol.Message](ctx context.Context, c *Client, req protocol.Message) (T, error) {
	var none T
	m, err := c.transport.RoundTrip(ctx, c.addr, req)
	if err != nil {
		return none, explain(err)
	}
	res, ok := m.(T)
	if !ok {
		return none, fmt.Errorf("answered with %T", m)
	}
	return res, nil
}

// groupError says what could not be done with a group, and which right is missing.
func groupError(group, what, right string, err error) error {
	if errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, kafka.TopicAuthorizationFailed) {
		return fmt.Errorf("broker: group %s: %s: grant %s to this account: %w", strconv.Quote(group), what, right, err)
	}
	return fmt.Errorf("broker: group %s: %s: %w", strconv.Quote(group), what, err)
}
