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
	copies := make([]broker.Record, len(recs))
	for i := range recs {
		copies[i] = s.record(&recs[i])
	}
	err := publish(ctx, s.publisher, copies)
	if err == nil {
		return nil, nil
	}
	outcome, ok := errors.AsType[*broker.PublishError](err)
	if !ok {
		return nil, fmt.Errorf("replay: publish: %w", err)
	}
	var failed []Failure
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

// publish publishes records when there is room for them.
func publish(ctx context.Context, p *broker.GroupCommitter, recs []broker.Record) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	for {
		err := p.Publish(ctx, recs)
		if !errors.Is(err, broker.ErrOverloaded) {
			return err //nolint:wrapcheck // the caller looks into it
		}
		timer := time.NewTimer(publishWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err //nolint:wrapcheck // as above
		}
	}
}

// record is what is published in place of a message.
func (s *topicSink) record(m *broker.Message) broker.Record {
	topic := s.topic
	if topic == "" {
		topic = m.Topic
	}
	if s.exact {
		return broker.Record{Topic: topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}
	}
	return s.marker.Copy(m, topic)
}

// Flush implements Sink.
func (s *topicSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }

// Close implements Sink.
func (s *topicSink) Close(context.Context) error { return nil }
