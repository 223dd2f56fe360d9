package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// unknownTopicTries is how often a topic may be missing before its records
// fail. The pauses between them add up to metadataTTL and more, so that a
// topic that was just created is found.
const unknownTopicTries = 9

// topic is what the publisher knows about one topic. Topics are never
// forgotten: their names come from the configuration.
type topic struct {
	p     *GroupCommitter
	name  string
	limit atomic.Int64 // largest batch in bytes: max.message.bytes
	turn  atomic.Uint32

	// lanes has one lane a partition, nil until the partition count is known.
	// The count then stays for the life of the process: were a grown topic's
	// new partitions used at once, records of one key would continue on another
	// partition while older ones are still on their way, and lose their order.
	lanes  atomic.Pointer[[]*lane]
	routes atomic.Pointer[routes] // nil: not known

	mu      sync.Mutex
	pending []*entry // waiting for lanes
	asking  bool     // a goroutine is finding out the partition count
}

func (p *GroupCommitter) topic(name string) *topic {
	if t, ok := (*p.topics.Load())[name]; ok {
		return t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := *p.topics.Load()
	if t, ok := known[name]; ok {
		return t
	}
	t := &topic{p: p, name: name}
	t.limit.Store(defaultTopicLimit)
	next := maps.Clone(known)
	next[name] = t
	p.topics.Store(&next)
	return t
}

// enqueue hands e to its lane, or lets it wait until there are lanes.
func (t *topic) enqueue(e *entry) {
	if lanes := t.lanes.Load(); lanes != nil {
		t.pick(*lanes, e).enqueue(e)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if lanes := t.lanes.Load(); lanes != nil {
		t.pick(*lanes, e).enqueue(e)
		return
	}
	if !t.asking && !t.p.start() {
		e.drop(ErrClosed)
		return
	}
	t.pending = append(t.pending, e)
	if !t.asking {
		t.asking = true
		go t.ask()
	}
}

// slot decides about a record's partition: modulo the partition count. Records
// without a key take turns.
func (t *topic) slot(r *Record) uint32 {
	if r.Key == nil {
		return t.turn.Add(1)
	}
	return keySlot(r.Key)
}

func (t *topic) pick(lanes []*lane, e *entry) *lane {
	return lanes[e.slot%uint32(len(lanes))] //nolint:gosec // partition counts are int32s
}

// open makes the lanes and moves what waited into them, in order.
func (t *topic) open(partitions int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking = false
	if t.lanes.Load() != nil {
		return
	}
	lanes := make([]*lane, partitions)
	for i := range lanes {
		lanes[i] = &lane{topic: t, p: t.p, partition: int32(i)}
	}
	for _, e := range t.pending {
		t.pick(lanes, e).enqueue(e)
	}
	t.pending = nil
	t.lanes.Store(&lanes)
}

// ask finds out the partition count while somebody waits for it.
func (t *topic) ask() {
	defer t.p.done()
	missing := 0
	for try := 1; ; try++ {
		n, err := t.p.partitions(t.p.root, t.name)
		if err == nil {
			t.open(n)
			return
		}
		if code, ok := codeOf(err); ok && ruleOf(code).reason == reasonTopic {
			missing++
		}
		if t.giveUp(err, missing) {
			return
		}
		t.p.observer.Retried(reasonTopic)
		// No forced refresh: kafka-go looks for new topics within metadataTTL,
		// and the other topics' connections are better left alone.
		_ = t.p.wait(t.p.root, backoff(try)) // cut short by Close only
	}
}

// giveUp fails what waited too long, or everything when the topic is missing.
// It reports whether nobody is left to ask for.
func (t *topic) giveUp(cause error, missing int) bool {
	code, _ := codeOf(cause)
	t.mu.Lock()
	defer t.mu.Unlock()
	all := error(nil)
	switch {
	case context.Cause(t.p.root) != nil:
		all = context.Cause(t.p.root)
	case missing >= unknownTopicTries:
		all = fmt.Errorf("topic %s does not exist or is hidden from this account: create it or grant DESCRIBE and WRITE: %w", t.name, cause)
	case ruleOf(code).verdict == refused:
		all = ruleOf(code).topicError(t.name, cause)
	}
	kept := t.pending[:0]
	for _, e := range t.pending {
		if !t.fail(e, all, cause) {
			kept = append(kept, e)
		}
	}
	clear(t.pending[len(kept):])
	t.pending = kept
	t.asking = len(kept) > 0
	return !t.asking
}

// fail settles e with all, or when its time is over; true when it is done with.
func (t *topic) fail(e *entry, all, cause error) bool {
	if all == nil && t.p.opts.Now().Before(e.w.sendBy) {
		return e.state.Load() != stateQueued
	}
	if all == nil {
		all = expired(explain(cause))
	}
	e.drop(all)
	return true
}

// partitions asks for a topic's partition count, and charts the partitions'
// leaders. The answer may be as old as metadataTTL.
func (p *GroupCommitter) partitions(ctx context.Context, name string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, p.opts.AttemptTimeout)
	defer cancel()
	seen := p.client.generation()
	res, err := p.api.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		return 0, err
	}
	if len(res.Topics) != 1 {
		return 0, kafka.UnknownTopicOrPartition
	}
	if err := res.Topics[0].Error; err != nil {
		return 0, err
	}
	if len(res.Topics[0].Partitions) == 0 {
		return 0, kafka.LeaderNotAvailable
	}
	p.topic(name).chart(seen, res.Topics[0].Partitions)
	return len(res.Topics[0].Partitions), nil
}
