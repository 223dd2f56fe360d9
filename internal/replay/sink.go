package replay

import (
	"context"
	"encoding/json"

	"github.com/postrider/postrider/internal/broker"
)

// Sink is a target. Deliver is called from several goroutines for different
// partitions unless Merged says that there is one lane of all records.
type Sink interface {
	// Deliver delivers records of one lane in order and returns when they are safe,
	// as far as Flush does not make them so. What the target refuses for good is
	// told in failed; an error ends the run, and the records are delivered again
	// when it is resumed. The records are the Sink's to keep.
	Deliver(ctx context.Context, recs []broker.Message) (failed []Failure, err error)
	// Flush makes all that was delivered outlive the process, before a checkpoint
	// says so, and returns what the checkpoint must hold for the sink to go on from
	// there (nil: nothing). No Deliver is in progress meanwhile if Merged.
	Flush(ctx context.Context) (json.RawMessage, error)
	// Close ends the sink after the last Flush.
	Close(ctx context.Context) error
}

// SinkOptions is what a Sink is made for.
type SinkOptions struct {
	Run    *Run // Run.Sink is what the last checkpoint held; nil for a new run
	Marker *Marker
}
