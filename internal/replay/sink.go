package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/delivery"
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
	// there (nil: nothing). No Deliver is in progress meanwhile if the target's kind is
	// Merged.
	Flush(ctx context.Context) (json.RawMessage, error)
	// Close ends the sink after the last Flush.
	Close(ctx context.Context) error
}

// SinkOptions is what a Sink is made for.
type SinkOptions struct {
	Run    *Run // Run.Sink is what the last checkpoint held; nil for a new run
	Marker *Marker
}

// newSink makes the sink of a run.
func (e *Engine) newSink(ctx context.Context, run *Run) (Sink, error) {
	req := &run.Plan.Request
	marker := NewMarker(run.ID, req.By, req.Reason, run.Started, e.opt.Now)
	switch req.To.Kind {
	case ToTopic:
		return &topicSink{publisher: e.opt.Publisher, marker: marker, topic: req.To.Topic, exact: req.Exact}, nil
	case ToHTTP:
		o, err := e.httpTarget(&req.To)
		if err != nil {
			return nil, err
		}
		return newHTTPSink(o, marker, req.Pace.MaxInFlight)
	case ToFile:
		return newFileSink(req.To.File, run)
	case ToStdout:
		return newStreamSink(e.opt.Stdout), nil
	case ToRenormalize:
		return e.opt.Renormalizer.Sink(ctx, SinkOptions{Run: run, Marker: marker})
	}
	return nil, &RequestError{[]string{"there is no target " + strconv.Quote(req.To.Kind)}}
}

// httpTarget is what an HTTP target is made of.
func (e *Engine) httpTarget(t *Target) (delivery.Options, error) {
	if t.Name != "" {
		return e.opt.HTTP[t.Name], nil // that there is one was checked
	}
	o, err := e.opt.Dial(*t)
	if err != nil {
		return o, fmt.Errorf("replay: %w", err)
	}
	return o, nil
}
