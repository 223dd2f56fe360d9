package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"
	"go.uber.org/zap"
)

// Assignment is the partitions of a member for a while.
type Assignment struct {
	Generation int32
	// Partitions are where to go on: the offset of the next record, resolved (never
	// negative).
	Partitions []Position

	g   *membership
	gen *kafka.Generation
	// counts are the topics' partitions when it was made.
	counts map[string]int

	revoked, lost, released, done chan struct{}
	revoke, lose, release         func()
}

func newAssignment(g *membership, gen *kafka.Generation) *Assignment {
	a := &Assignment{Generation: gen.ID, g: g, gen: gen, counts: g.topics, done: make(chan struct{})}
	a.revoked, a.revoke = once()
	a.lost, a.lose = once()
	a.released, a.release = once()
	return a
}

// once is a channel and how to close it.
func once() (chan struct{}, func()) {
	ch := make(chan struct{})
	return ch, sync.OnceFunc(func() { close(ch) })
}

// begin keeps the member from joining anew until the Assignment is released, or was
// drained for too long. It reports whether the generation is still on.
func (a *Assignment) begin() bool {
	alive := make(chan bool, 1)
	a.gen.Start(func(ctx context.Context) {
		defer close(a.done)
		alive <- ctx.Err() == nil
		a.hold(ctx)
	})
	if !<-alive {
		a.revoke()
		a.release()
		return false
	}
	a.gen.Start(a.watch)
	return true
}

// hold returns when the generation may end.
func (a *Assignment) hold(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-a.lost:
	case <-a.released:
	}
	a.revoke()
	late := time.NewTimer(a.g.m.o.Drain)
	defer late.Stop()
	select {
	case <-a.released:
	case <-late.C:
		a.g.m.log.Warn("partitions were not given back in time; another member may read them now", zap.Int32("generation", a.Generation))
		a.lose()
	}
}

// watch ends the generation when topics or partitions appear or vanish. kafka-go's own
// watcher would have brokers make topics that it asks for.
func (a *Assignment) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for other := 0; other < looksTwice; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		counts, err := a.g.m.counts(ctx)
		switch {
		case err != nil: // nothing is known
		case maps.Equal(counts, a.counts):
			other = 0
		default:
			other++
		}
	}
	a.g.m.log.Info("topics or partitions have come or gone: the group shares out anew")
}

// leave waits until the Assignment is over; a nil one is.
func (a *Assignment) leave() {
	if a != nil {
		<-a.done
	}
}

// Revoked is closed when the partitions are to be given back: finish what runs,
// Commit, Release.
func (a *Assignment) Revoked() <-chan struct{} { return a.revoked }

// Release gives the partitions back. Calling it again does nothing.
func (a *Assignment) Release() {
	a.release()
	<-a.done
}

// place looks up where to go on.
func (a *Assignment) place(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-a.revoked:
			cancel()
		case <-stop:
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
	wanted := map[string][]int{}
	for topic, parts := range a.gen.Assignments {
		for _, p := range parts {
			wanted[topic] = append(wanted[topic], p.ID)
		}
		slices.Sort(wanted[topic])
	}
	if len(wanted) == 0 {
		return nil
	}
	c, o := a.g.m.c, &a.g.m.o
	committed, err := c.committedIn(ctx, o.Group, wanted)
	if err != nil {
		return err
	}
	fresh := map[string]map[int]int64{}
	for _, topic := range slices.Sorted(maps.Keys(wanted)) {
		for _, p := range wanted[topic] {
			at, ok := committed[topic][p]
			if !ok {
				if at, err = a.edge(ctx, fresh, topic, p); err != nil {
					return err
				}
			}
			a.Partitions = append(a.Partitions, Position{topic, p, at})
		}
	}
	if o.FromEnd && len(fresh) > 0 {
		return a.Commit(ctx, fresh)
	}
	return nil
}

// edge is where a partition begins of which the group has committed nothing.
func (a *Assignment) edge(ctx context.Context, fresh map[string]map[int]int64, topic string, partition int) (int64, error) {
	ranges, err := a.g.m.c.Offsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	r, ok := ranges[partition]
	if !ok {
		return 0, &UnknownTopicError{topic, partition}
	}
	at := r.First
	if a.g.m.o.FromEnd {
		at = r.Next
	}
	if fresh[topic] == nil {
		fresh[topic] = map[int]int64{}
	}
	fresh[topic][partition] = at
	return at, nil
}

// committedIn is what a group has committed in some partitions.
func (c *Client) committedIn(ctx context.Context, group string, wanted map[string][]int) (map[string]map[int]int64, error) {
	req := &offsetfetch.Request{GroupID: group}
	for topic, parts := range wanted {
		t := offsetfetch.RequestTopic{Name: topic}
		for _, p := range parts {
			t.PartitionIndexes = append(t.PartitionIndexes, int32(p)) //nolint:gosec // partition numbers are int32 on the wire
		}
		req.Topics = append(req.Topics, t)
	}
	var offsets map[string]map[int]int64
	err := c.atCoordinator(ctx, group, func(ctx context.Context) error {
		res, err := trip[*offsetfetch.Response](ctx, c, req)
		if err != nil {
			return err
		}
		offsets, err = readCommitted(res)
		return err
	})
	if err != nil {
		return nil, groupError(group, "read its offsets", "READ on the group and its topics", err)
	}
	return offsets, nil
}

// Commit stores how far the group is: the next offset by topic and partition. It may
// be called until Release, also after Revoked. The error wraps ErrRevoked when the
// partitions are not this member's any more.
func (a *Assignment) Commit(ctx context.Context, offsets map[string]map[int]int64) error {
	c, group := a.g.m.c, a.g.m.o.Group
	select {
	case <-a.released:
		return fmt.Errorf("broker: group %s: commit: %w", strconv.Quote(group), ErrRevoked)
	default:
	}
	req := commitRequest(group, offsets)
	req.GenerationID, req.MemberID = a.gen.ID, a.gen.MemberID
	err := c.atCoordinator(ctx, group, func(ctx context.Context) error {
		res, err := trip[*offsetcommit.Response](ctx, c, req)
		if err != nil {
			return err
		}
		return commitError(res)
	})
	switch {
	case err == nil:
		return nil
	case refusesStrangers(err):
		a.lose()
		return fmt.Errorf("broker: group %s: commit: %w: %w", strconv.Quote(group), ErrRevoked, err)
	}
	return groupError(group, "commit its offsets", "READ on the group and its topics", err)
}

// again reports whether joining may work later.
func (m *Member) again(err error) bool {
	if errors.Is(err, errEnded) || errors.Is(err, errNoTopic) || errors.Is(err, errWedged) {
		return true
	}
	if code, ok := codeOf(err); ok {
		switch kafka.Error(code) {
		case kafka.RebalanceInProgress, kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.MemberIDRequired:
			return true
		}
	}
	return passing(err)
}

// joinError says why a group was not joined.
func (m *Member) joinError(err error) error {
	return groupError(m.o.Group, "join it", "READ on the group and its topics", explain(err))
}
