package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Bounds of a topicSink.
const (
	publishTime = 2 * time.Minute       // for one batch: longer than any election
	publishWait = 20 * time.Millisecond // until there may be room for it
)

// topicSink publishes copies to one topic, or to those that the records are from. A
// batch is safe once all in-sync replicas have it, so that there is nothing to flush.
type topicSink struct {
	publisher *broker.GroupCommitter
	marker    *Marker
	topic     string // "": the record's own
	exact     bool   // as it was: no marks, its own time
}

// Deliver implements Sink.
func (s *topicSink) Deliver(ctx context.Context, recs []broker.Message) ([]Failure, error) {
	return s.Start(ctx, recs)()
}

// Start implements starter.
func (s *topicSink) Start(ctx context.Context, recs []broker.Message) (wait func() ([]Failure, error)) {
	copies := make([]broker.Record, len(recs))
	marks := s.marker.copier(textBlock)
	for i := range recs {
		copies[i] = s.record(&recs[i], &marks)
	}
	published := publish(ctx, s.publisher, copies)
	return func() ([]Failure, error) { return refusedOf(published(), recs, copies) }
}

// refusedOf is what the topics refused for good, by the outcome of their publication.
func refusedOf(err error, recs []broker.Message, copies []broker.Record) (failed []Failure, _ error) {
	if err == nil {
		return nil, nil
	}
	outcome, ok := errors.AsType[*broker.PublishError](err)
	if !ok {
		return nil, fmt.Errorf("replay: publish: %w", err)
	}
	for i, err := range outcome.Errs {
		switch {
		case err == nil:
		case errors.Is(err, broker.ErrTooLarge), errors.Is(err, broker.ErrInvalid):
			failed = append(failed, failureOf(&recs[i], err))
		default:
			return failed, fmt.Errorf("replay: publish to %s: %w", copies[i].Topic, err)
		}
	}
	return failed, nil
}

// publish puts records in line as soon as there is room for them, and returns how to
// wait until they are published.
func publish(ctx context.Context, p *broker.GroupCommitter, recs []broker.Record) (wait func() error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	for {
		wait, err := p.Begin(ctx, recs)
		if err == nil {
			return func() error { defer cancel(); return wait() }
		}
		if errors.Is(err, broker.ErrOverloaded) && pause(ctx, publishWait) {
			continue
		}
		cancel()
		return func() error { return err }
	}
}

// pause waits; false: ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// record is what is published in place of a message.
func (s *topicSink) record(m *broker.Message, marks *copier) broker.Record {
	topic := s.topic
	if topic == "" {
		topic = m.Topic
	}
	if s.exact {
		return broker.Record{Topic: topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}
	}
	return marks.copy(m, topic)
}

// Flush implements Sink.
func (s *topicSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }

// Close implements Sink.
func (s *topicSink) Close(context.Context) error { return nil }
