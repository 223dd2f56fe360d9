package consumer

import (
	"cmp"
	"slices"
	"time"
)

// The states of the breaker.
const (
	BreakerClosed   = "closed"    // records are handled
	BreakerOpen     = "open"      // nothing is tried
	BreakerHalfOpen = "half_open" // one record is tried
)

// State is what a Consumer is doing, at one moment.
type State struct {
	Assigned bool   // whether it is a member of the group that has its partitions
	Breaker  string // see BreakerClosed
	Reason   string // why the breaker is not closed; ""
	Running  int    // handlers
	Waiting  int    // records that wait for another attempt, or their time
	// Partitions it reads, by topic and number.
	Partitions []PartitionState
}

// PartitionState is how far a partition is read.
type PartitionState struct {
	Topic     string
	Partition int
	Position  int64     // all before it is finished
	Committed int64     // as it was last committed
	HighWater int64     // the partition's next offset, when it was last asked; -1: not yet
	Oldest    time.Time // of the first record that is read and not finished; zero: none
}

// Lag is how many records are not finished. It counts offsets, so those that
// compaction took are among them.
func (p *PartitionState) Lag() int64 { return max(p.HighWater-p.Position, 0) }

// State tells what the Consumer is doing. Safe for concurrent use.
func (c *Consumer) State() State {
	var st State
	st.Breaker, st.Reason = c.breaker.told()
	s := c.session.Load()
	if s == nil {
		return st
	}
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	st.Assigned, st.Waiting = true, len(s.sched.parked)
	for _, d := range s.desks {
		if d.task.Load() != nil {
			st.Running++
		}
	}
	for _, parts := range s.parts {
		for _, p := range parts {
			st.Partitions = append(st.Partitions, PartitionState{
				Topic: p.topic, Partition: p.number, Position: p.position(), Committed: p.committed, HighWater: p.highWater, Oldest: p.oldest(),
			})
		}
	}
	slices.SortFunc(st.Partitions, func(a, b PartitionState) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return st
}
