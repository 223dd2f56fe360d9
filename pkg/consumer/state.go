package consumer

import "time"

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
	HighWater int64     // the partition's next offset, when it was last asked
	Oldest    time.Time // of the first record that is read and not finished; zero: none
}

// Lag is how many records are not finished. It counts offsets, so those that
// compaction took are among them.
func (p *PartitionState) Lag() int64 { return max(p.HighWater-p.Position, 0) }
