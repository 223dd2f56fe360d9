package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
)

// Where a group is, is asked anew here, although kafka-go's generations tell it: in
// v0.4.51 a partition that an answer leaves out begins at the group's start, in silence.

// place looks up where to go on. It gives up when the partitions are revoked meanwhile.
func (a *Assignment) place(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.revoked:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := a.resolve(ctx)
	select {
	case <-a.revoked:
		return errEnded
	default:
		return err
	}
}

func (a *Assignment) resolve(ctx context.Context) error {
	c, o := a.g.m.c, &a.g.m.o
	own := a.partitions()
	if len(own) == 0 {
		return nil
	}
	committed, err := c.committedIn(ctx, o.Group, a.asked(own))
	if err != nil {
		return err
	}
	fresh := map[string]map[int]int64{}
	for _, topic := range slices.Sorted(maps.Keys(own)) {
		for _, p := range own[topic] {
			at, ok := committed[topic][p]
			if !ok {
				end := o.FromEnd && !slices.Contains(o.Whole, topic) && !grown(committed[topic], p)
				if at.offset, err = a.edge(ctx, topic, p, end); err != nil {
					return err
				}
				put(fresh, topic, p, at.offset)
			}
			a.Partitions = append(a.Partitions, Position{topic, p, at.offset})
		}
	}
	if o.FromEnd && len(fresh) > 0 {
		return a.Commit(ctx, fresh)
	}
	return nil
}

// partitions are this member's, by topic, in order.
func (a *Assignment) partitions() map[string][]int {
	own := map[string][]int{}
	for topic, parts := range a.gen.Assignments {
		for _, p := range parts {
			own[topic] = append(own[topic], p.ID)
		}
		slices.Sort(own[topic])
	}
	return own
}

// asked are all partitions of the topics: what the group has committed in the others
// tells whether one is new.
func (a *Assignment) asked(own map[string][]int) map[string][]int {
	all := make(map[string][]int, len(own))
	for topic, parts := range own {
		for p := range max(a.counts[topic], parts[len(parts)-1]+1) {
			all[topic] = append(all[topic], p)
		}
	}
	return all
}

// committed is what a group has committed in a partition: the next offset, and how many
// partitions the topic had then; 0 if that is not known.
type committed struct {
	offset int64
	among  int
}

const amongPrefix = "partitions="

// grown reports whether a partition is newer than the group, which has committed
// others when the topic had fewer.
func grown(topic map[int]committed, partition int) bool {
	for _, c := range topic {
		if c.among > 0 && c.among <= partition {
			return true
		}
	}
	return false
}

// edge is where a partition begins of which the group has committed nothing.
func (a *Assignment) edge(ctx context.Context, topic string, partition int, end bool) (int64, error) {
	ranges, err := a.g.m.c.Offsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	r, ok := ranges[partition]
	switch {
	case !ok:
		return 0, kafka.LeaderNotAvailable
	case end:
		return r.Next, nil
	}
	return r.First, nil
}

func put(offsets map[string]map[int]int64, topic string, partition int, offset int64) {
	if offsets[topic] == nil {
		offsets[topic] = map[int]int64{}
	}
	offsets[topic][partition] = offset
}

// committedIn is what a group has committed in some partitions. An answer that leaves
// one out is an error: it must not look as if there was nothing.
func (c *Client) committedIn(ctx context.Context, group string, wanted map[string][]int) (map[string]map[int]committed, error) {
	req := &offsetfetch.Request{GroupID: group}
	for topic, parts := range wanted {
		t := offsetfetch.RequestTopic{Name: topic}
		for _, p := range parts {
			t.PartitionIndexes = append(t.PartitionIndexes, int32(p)) //nolint:gosec // partition numbers are int32 on the wire
		}
		req.Topics = append(req.Topics, t)
	}
	var found map[string]map[int]committed
	err := c.atCoordinator(ctx, group, func(ctx context.Context) error {
		res, err := trip[*offsetfetch.Response](ctx, c, req)
		if err == nil {
			found, err = readPlaces(res, wanted)
		}
		return err
	})
	if err != nil {
		return nil, groupError(group, "read its offsets", "READ on the group and its topics", err)
	}
	return found, nil
}

func readPlaces(res *offsetfetch.Response, wanted map[string][]int) (map[string]map[int]committed, error) {
	offsets, err := readCommitted(res)
	if err != nil {
		return nil, err
	}
	found := make(map[string]map[int]committed, len(wanted))
	told := 0
	for _, t := range res.Topics {
		found[t.Name] = map[int]committed{}
		for _, p := range t.Partitions {
			told++
			if at, ok := offsets[t.Name][int(p.PartitionIndex)]; ok {
				found[t.Name][int(p.PartitionIndex)] = committed{at, amongOf(p.Metadata)}
			}
		}
	}
	for _, parts := range wanted {
		told -= len(parts)
	}
	if told != 0 {
		return nil, kafka.GroupCoordinatorNotAvailable
	}
	return found, nil
}

// amongOf reads what Commit noted; 0 where it was another who committed.
func amongOf(metadata string) int {
	text, ours := strings.CutPrefix(metadata, amongPrefix)
	n, err := strconv.Atoi(text)
	if !ours || err != nil {
		return 0
	}
	return n
}

// Commit stores how far the group is: the next offset by topic and partition. It may
// be called until Release, also after Revoked. The error wraps ErrRevoked when the
// partitions are not this member's any more; Revoked is closed then. One that a
// partition alone is at fault for names it; the others are committed. It takes as long
// as the client's timeout at most.
func (a *Assignment) Commit(ctx context.Context, offsets map[string]map[int]int64) error {
	select {
	case <-a.released:
		return a.g.m.revoked(nil)
	default:
	}
	if len(offsets) == 0 {
		return nil
	}
	c, group := a.g.m.c, a.g.m.o.Group
	err := c.commit(ctx, group, a.commitRequest(offsets))
	switch {
	case err == nil:
		return nil
	case refusesStrangers(err):
		a.lose()
		return a.g.m.revoked(err)
	}
	return groupError(group, "commit its offsets", "READ on the group and its topics", err)
}

// commitRequest is a commit by this member.
func (a *Assignment) commitRequest(offsets map[string]map[int]int64) *offsetcommit.Request {
	req := commitRequest(a.g.m.o.Group, offsets)
	req.GenerationID, req.MemberID = a.gen.ID, a.gen.MemberID
	for _, t := range req.Topics {
		for i := range t.Partitions {
			t.Partitions[i].CommittedMetadata = amongPrefix + strconv.Itoa(a.counts[t.Name])
		}
	}
	return req
}
