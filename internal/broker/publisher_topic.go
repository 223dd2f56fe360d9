package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// unknownTopicTries is how often a topic may be missing before its records
// fail. The pauses between them add up to metadataTTL and more, so that a
// topic that was just created is found.
const unknownTopicTries = 11

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

	// stuck is lane.stuck of all lanes while there are none.
	stuck atomic.Bool

	mu      sync.Mutex
	pending []place // waiting for lanes
	asking  bool    // a goroutine is finding out the partition count
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

// enqueue hands a place to its lane, or lets it wait until there are lanes.
func (t *topic) enqueue(at place, f *fleet) {
	if lanes := t.lanes.Load(); lanes != nil {
		pick(*lanes, at.slot).enqueue(at, f)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if lanes := t.lanes.Load(); lanes != nil {
		pick(*lanes, at.slot).enqueue(at, f)
		return
	}
	if !t.asking && !t.p.start() {
		at.drop(ErrClosed)
		return
	}
	t.pending = append(t.pending, at)
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

func pick(lanes []*lane, slot uint32) *lane {
	return lanes[slot%uint32(len(lanes))] //nolint:gosec // partition counts are int32s
}

// open makes the lanes and moves what waited into them, in order.
func (t *topic) open(partitions int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking = false
	t.p.troubles.end(t.name)
	if t.lanes.Load() != nil {
		return
	}
	lanes := make([]*lane, partitions)
	for i := range lanes {
		lanes[i] = &lane{topic: t, p: t.p, partition: int32(i)}
	}
	var f fleet
	for _, at := range t.pending {
		pick(lanes, at.slot).enqueue(at, &f)
	}
	f.launch()
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
		if missing >= unknownTopicTries {
			missing = 0
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
	closed := context.Cause(t.p.root) // looked at once: it may end at any moment
	all := closed
	switch {
	case closed != nil:
	case missing >= unknownTopicTries:
		all = fmt.Errorf("topic %s does not exist or is hidden from this account: create it or grant DESCRIBE and WRITE: %w", t.name, cause)
	case ruleOf(code).verdict == refused:
		all = ruleOf(code).topicError(t.name, cause)
	}
	t.p.troubles.begin(t.name, fmt.Errorf("topic %s: %w", t.name, explain(cause)))
	if all != nil && context.Cause(t.p.root) == nil { // else nothing is wrong with the topic
		t.p.log.Error("topic not usable", zap.String("topic", t.name), zap.Error(all))
	}
	kept := t.pending[:0]
	for _, at := range t.pending {
		if !t.fail(at, closed, all, cause) {
			kept = append(kept, at)
		}
	}
	clear(t.pending[len(kept):])
	t.pending = kept
	t.asking = len(kept) > 0
	return !t.asking
}

// fail settles a record with all, or when its time is over; true when it is done
// with. What is patient or stored waits until the publisher is closed, for which
// closed is the reason.
func (t *topic) fail(at place, closed, all, cause error) bool {
	if closed == nil && (at.e == nil || at.e.patient) {
		return at.e != nil && at.e.state.Load() != stateQueued
	}
	if all == nil && t.p.opts.Now().Before(at.e.w.sendBy) {
		return at.e.state.Load() != stateQueued
	}
	if all == nil {
		all = expired(explain(cause))
	}
	at.drop(all)
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
