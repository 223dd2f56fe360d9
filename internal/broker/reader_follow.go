package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// sharedWait is fetchWait where several brokers are asked in turns: the
// quickest waits for the slowest.
const sharedWait = 200 * time.Millisecond

// Start says where to begin following. The zero value is the end: only what
// is published from now on.
type Start struct {
	// First begins with the oldest records.
	First bool
	// Time, when set, begins with the first record at or after it.
	Time time.Time
}

// Follow calls fn for the records of many topics as they come, until ctx ends
// or fn returns an error, which is returned, except ErrStop. fn is called on
// the caller's goroutine, one record at a time, in order within a partition.
// Topics and partitions that appear later are followed from their first record;
// one that is deleted is let go. (One that is deleted and made anew within a
// second cannot be told from the old one before its offsets differ.) It keeps one request open to each broker,
// however many topics there are, and rides out restarts and leader changes. A
// reader too slow for the topic's retention gets an *OffsetGapError.
func (c *Client) Follow(ctx context.Context, topics []string, from Start, fn func(Message) error) error {
	f := &follower{client: c, topics: topics, from: from, cursors: map[string][]*cursor{}}
	return f.run(ctx, fn)
}

// follower is the state of one Follow.
type follower struct {
	client  *Client
	topics  []string
	from    Start
	begun   bool
	turn    int
	cursors map[string][]*cursor // by topic, ordered by partition
}

func (f *follower) run(ctx context.Context, fn func(Message) error) error {
	for n := 1; ; n++ {
		seen := f.client.generation()
		err := f.round(ctx, fn)
		var stop *callbackError
		switch {
		case errors.As(err, &stop):
			return stop.result()
		case ctx.Err() != nil:
			return fmt.Errorf("broker: follow: %w", ctx.Err())
		case err == nil:
			n = 0
			continue
		case f.letGo(err):
			continue
		case !passing(err):
			return err
		}
		f.client.refresh(seen)
		if sleep(ctx, backoff(n)) != nil {
			return fmt.Errorf("broker: follow: %w (the last failure was: %v)", ctx.Err(), err) //nolint:errorlint // the failure is told, the end of ctx is what happened
		}
	}
}

// round looks for new partitions and asks every leader once.
func (f *follower) round(ctx context.Context, fn func(Message) error) error {
	layout, err := f.client.layout(ctx, f.topics...)
	if err != nil {
		return err
	}
	if err := f.discover(ctx, layout); err != nil {
		return err
	}
	f.begun = true
	groups := f.byLeader(layout)
	if len(groups) == 0 {
		return nothingYet(ctx)
	}
	return f.ask(ctx, groups, fn)
}

// nothingYet waits as long as a broker would hold back an empty answer.
func nothingYet(ctx context.Context) error { return sleep(ctx, fetchWait) }

// discover adds the partitions that are not followed yet.
func (f *follower) discover(ctx context.Context, layout map[string]kafka.Topic) error {
	for _, name := range f.topics {
		t, ok := layout[name]
		if !ok {
			delete(f.cursors, name) // if it is made anew, its offsets begin anew
			continue
		}
		if len(t.Partitions) <= len(f.cursors[name]) {
			continue
		}
		offsets, err := f.startOffsets(ctx, name)
		if err != nil {
			return err
		}
		for p := len(f.cursors[name]); p < len(t.Partitions); p++ {
			f.cursors[name] = append(f.cursors[name], &cursor{topic: name, partition: p, next: offsets[p], stop: -1})
		}
	}
	return nil
}

func (f *follower) startOffsets(ctx context.Context, topic string) (map[int]int64, error) {
	if f.begun {
		return f.edges(ctx, topic, func(r OffsetRange) int64 { return r.First })
	}
	switch {
	case f.from.First:
		return f.edges(ctx, topic, func(r OffsetRange) int64 { return r.First })
	case !f.from.Time.IsZero():
		return f.client.OffsetsAt(ctx, topic, f.from.Time)
	}
	return f.edges(ctx, topic, func(r OffsetRange) int64 { return r.Next })
}

func (f *follower) edges(ctx context.Context, topic string, edge func(OffsetRange) int64) (map[int]int64, error) {
	ranges, err := f.client.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	offsets := make(map[int]int64, len(ranges))
	for p, r := range ranges {
		offsets[p] = edge(r)
	}
	return offsets, nil
}

// byLeader groups the cursors by the broker to ask. Each turn another one comes
// first in its group, because a broker fills its answer in the order asked.
func (f *follower) byLeader(layout map[string]kafka.Topic) [][]*cursor {
	leaders := map[int][]*cursor{}
	for _, name := range f.topics {
		parts := layout[name].Partitions
		for _, cu := range f.cursors[name] {
			if cu.partition < len(parts) && parts[cu.partition].Leader.Host != "" {
				id := parts[cu.partition].Leader.ID
				leaders[id] = append(leaders[id], cu)
			}
		}
	}
	f.turn++
	groups := make([][]*cursor, 0, len(leaders))
	for _, g := range leaders {
		k := f.turn % len(g)
		groups = append(groups, slices.Concat(g[k:], g[:k]))
	}
	return groups
}

// answer is what one leader had to say.
type answer struct {
	cursors []*cursor
	parts   []fetched
	err     error
}

// ask makes one request to each leader at once and delivers the answers as they
// come. The first failure is returned when all are in.
func (f *follower) ask(ctx context.Context, groups [][]*cursor, fn func(Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wait := fetchWait
	if len(groups) > 1 {
		wait = sharedWait
	}
	answers := make(chan answer, len(groups))
	for _, g := range groups {
		wg.Go(func() {
			parts, err := f.client.fetch(ctx, g, wait, fetchPartitionBytes)
			answers <- answer{g, parts, err}
		})
	}
	var failed error
	for range groups {
		a := <-answers
		if a.err == nil {
			a.err = f.client.deliver(ctx, a.cursors, a.parts, fn)
		}
		if _, ok := errors.AsType[*callbackError](a.err); ok {
			return a.err
		}
		failed = cmp.Or(failed, a.err)
	}
	return failed
}

// letGo forgets a topic that is gone. If it is made anew it is followed from
// its first record.
func (f *follower) letGo(err error) bool {
	var unknown *UnknownTopicError
	if !errors.As(err, &unknown) {
		return false
	}
	delete(f.cursors, unknown.Topic)
	return true
}
