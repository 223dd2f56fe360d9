package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
)

// GroupActiveError says that a group's offsets cannot be moved: its members would
// not notice, and commit over them.
type GroupActiveError struct {
	Group   string
	Members []GroupMember // those there are now, as far as they are known
}

// Error implements error.
func (e *GroupActiveError) Error() string {
	return fmt.Sprintf("broker: group %s has members%s: stop them, wait until the group is empty, and try again; no offset was moved",
		strconv.Quote(e.Group), memberNames(e.Members))
}

// namedMembers is how many members a sentence names.
const namedMembers = 5

// memberNames are members as a sentence names them.
func memberNames(members []GroupMember) string {
	if len(members) == 0 {
		return ""
	}
	list := make([]string, 0, namedMembers+1)
	for _, m := range members[:min(len(members), namedMembers)] {
		list = append(list, strconv.Quote(m.Client)+" at "+strings.Trim(strconv.Quote(strings.TrimPrefix(m.Host, "/")), `"`))
	}
	if more := len(members) - len(list); more > 0 {
		list = append(list, strconv.Itoa(more)+" more")
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// CommitGroup sets the offsets of a group that has no members, by topic and
// partition; a group that does not exist comes into being. Where members are there
// after all, the broker refuses, nothing is changed and the error is a
// *GroupActiveError. Any other error names the partitions at fault; the rest is
// committed.
func (c *Client) CommitGroup(ctx context.Context, name string, offsets map[string]map[int]int64) error {
	err := c.commit(ctx, name, commitRequest(name, offsets))
	switch {
	case err == nil:
		return nil
	case refusesStrangers(err):
		g, _ := c.describeGroup(ctx, name) // to name its members, if it can
		return &GroupActiveError{Group: name, Members: g.Members}
	}
	return groupError(name, "move its offsets", "READ on the group and its topics", err)
}

// commitRequest is a commit by nobody: without a member and a generation, as
// Kafka's own admin client makes it. It goes below kafka.Client of v0.4.51, which
// commits leader epoch 0: consumers would compare it with the log's, and take every
// offset behind the end of that epoch for truncated.
func commitRequest(name string, offsets map[string]map[int]int64) *offsetcommit.Request {
	req := &offsetcommit.Request{GroupID: name, GenerationID: -1, RetentionTimeMs: -1}
	for topic, partitions := range offsets {
		t := offsetcommit.RequestTopic{Name: topic}
		for p, offset := range partitions {
			t.Partitions = append(t.Partitions, offsetcommit.RequestPartition{
				PartitionIndex:       int32(p), //nolint:gosec // partition numbers are int32 on the wire
				CommittedOffset:      offset,
				CommittedLeaderEpoch: -1,
				CommitTimestamp:      -1,
			})
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

// commitError joins the errors of the partitions. One that passes is told alone,
// because the whole commit is made again.
func commitError(res *offsetcommit.Response) error {
	var errs []error
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				continue
			}
			err := partitionError(t.Name, p.PartitionIndex, p.ErrorCode)
			if passing(err) || refusesStrangers(err) {
				return err
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// partitionError names the partition. One that does not exist is not waited for.
func partitionError(topic string, partition int32, code int16) error {
	if kafka.Error(code) == kafka.UnknownTopicOrPartition {
		return &UnknownTopicError{topic, int(partition)}
	}
	return fmt.Errorf("%s[%d]: %w", topic, partition, kafka.Error(code))
}

// refusesStrangers reports whether a coordinator refused a commit because the
// group has members.
func refusesStrangers(err error) bool {
	code, ok := codeOf(err)
	return ok && slices.Contains([]kafka.Error{
		kafka.UnknownMemberId, kafka.IllegalGeneration, kafka.RebalanceInProgress, kafka.FencedInstanceID,
		fencedMemberEpoch, staleMemberEpoch,
	}, kafka.Error(code))
}

// Codes of KIP-848, which kafka-go does not know.
const (
	fencedMemberEpoch kafka.Error = 110
	staleMemberEpoch  kafka.Error = 113
)

// commit has a group's coordinator store offsets.
func (c *Client) commit(ctx context.Context, group string, req *offsetcommit.Request) error {
	return c.atCoordinator(ctx, group, func(ctx context.Context) error {
		res, err := trip[*offsetcommit.Response](ctx, c, req)
		if err != nil {
			return err
		}
		return commitError(res)
	})
}
