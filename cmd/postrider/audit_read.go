package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// auditStore is what an audit reads from; a *broker.Client.
type auditStore interface {
	store

	Topics(ctx context.Context, names ...string) ([]broker.TopicReport, error)
}

// auditReader feeds an audit with what the topics hold at the moment.
type auditReader struct {
	store auditStore
	now   time.Time
	note  func(format string, args ...any)

	spans   []auditSpan
	records int64 // at most, in all spans
	// Since when the raw topic, and each of the others, holds all records.
	rawKept, typedKept time.Time
}

// auditSpan is a part of a partition, and what kind of topic it belongs to.
type auditSpan struct {
	stretch

	kind audit.Kind
}

// plan decides what to read, of what was received from a time on. The raw topic's
// end is fixed first: what a request publishes after its raw record is then below
// the others' ends.
func (r *auditReader) plan(ctx context.Context, t config.Topics, from time.Time) error {
	there, err := r.add(ctx, t.Raw(), audit.Raw, from, &r.rawKept)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("audit: without %s nothing can be checked", t.Raw())
	}
	for _, topic := range typedTopics(t) {
		if _, err := r.add(ctx, topic, audit.Typed, from, &r.typedKept); err != nil {
			return err
		}
	}
	_, err = r.add(ctx, t.Deadletter(), audit.DeadLetter, from, &r.typedKept)
	return err
}

// add plans to read a topic from a time on, and moves kept to since when it holds
// every record. It is false for a topic that does not exist.
func (r *auditReader) add(ctx context.Context, topic string, kind audit.Kind, from time.Time, kept *time.Time) (bool, error) {
	ranges, err := r.store.Offsets(ctx, topic)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		r.note("topic %s does not exist", topic)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("audit: %w", err)
	}
	var at map[int]int64
	if !from.IsZero() {
		if at, err = r.store.OffsetsAt(ctx, topic, from); err != nil {
			return false, fmt.Errorf("audit: %w", err)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		s := auditSpan{stretch{topic, p, max(ranges[p].First, at[p]), ranges[p].Next}, kind}
		if s.from < s.to {
			r.spans = append(r.spans, s)
			r.records += s.to - s.from
		}
	}
	since, err := r.kept(ctx, topic, ranges)
	if since.After(*kept) {
		*kept = since
	}
	return true, err
}

// kept is since when a topic holds all that was published: the zero time if
// nothing was ever deleted.
func (r *auditReader) kept(ctx context.Context, topic string, ranges map[int]broker.OffsetRange) (time.Time, error) {
	var since time.Time
	for p, log := range ranges {
		if log.First == 0 {
			continue
		}
		t, err := r.deletedUpTo(ctx, topic, p, log)
		if err != nil {
			return since, err
		}
		if t.After(since) {
			since = t
		}
	}
	return since, nil
}

// deletedUpTo is the latest time of a record that may have been deleted from a
// partition. Deletion by age says so itself. Deletion by size, or by hand, begins
// with the oldest: then it is about the time of the first record that is left.
func (r *auditReader) deletedUpTo(ctx context.Context, topic string, partition int, log broker.OffsetRange) (time.Time, error) {
	reports, err := r.store.Topics(ctx, topic)
	if err != nil {
		return time.Time{}, fmt.Errorf("audit: %w", err)
	}
	if len(reports) == 1 && reports[0].Retention > 0 && reports[0].RetentionBytes < 0 {
		return r.now.Add(-reports[0].Retention), nil
	}
	first := r.now
	err = r.store.Read(ctx, topic, partition, log.First, log.Next, func(m broker.Message) error {
		first = m.Time
		return broker.ErrStop
	})
	if err != nil {
		return first, fmt.Errorf("audit: %w", err)
	}
	return first, nil
}

// run reads everything that was planned. read is told of each record.
func (r *auditReader) run(ctx context.Context, a *audit.Audit, read progress) error {
	defer read.end()
	for _, s := range r.spans {
		err := r.store.Read(ctx, s.topic, s.partition, s.from, s.to, func(m broker.Message) error {
			a.Add(&audit.Record{Kind: s.kind, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Headers: m.Headers, Value: m.Value})
			read.step()
			return nil
		})
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return nil
}
