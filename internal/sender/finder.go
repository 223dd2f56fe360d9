package sender

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// Log is where records are looked for; *broker.Client is one.
type Log interface {
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error
}

// Finder finds events in their topics. It reads each partition once, from where
// it ended when the Finder was made. Not safe for concurrent use.
type Finder struct {
	log     Log
	timeout time.Duration
	topics  map[string]map[int]int64 // next offset to read, by topic and partition
	earlier map[string]broker.Position
}

// NewFinder remembers where the topics end now; timeout is how long Find waits
// for what is missing.
func NewFinder(ctx context.Context, log Log, topics []string, timeout time.Duration) (*Finder, error) {
	f := &Finder{log: log, timeout: timeout, topics: map[string]map[int]int64{}, earlier: map[string]broker.Position{}}
	for _, topic := range topics {
		if f.topics[topic] != nil {
			continue
		}
		ranges, err := log.Offsets(ctx, topic)
		if err != nil {
			return nil, fmt.Errorf("sender: where topic %s ends: %w", topic, err)
		}
		next := make(map[int]int64, len(ranges))
		for p, r := range ranges {
			next[p] = r.Next
		}
		f.topics[topic] = next
	}
	return f, nil
}

// Find looks for the events of one webhook that was accepted, each in the
// partition of its key, until all are found or the time is up; then those not
// found are marked so. For a repeated webhook it waits for nothing: if the
// receiver left no second record, the first one's place is given.
func (f *Finder) Find(ctx context.Context, want []Expected, repeated bool) ([]Landing, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	found := make([]Landing, len(want))
	var failed error
	for i, e := range want {
		found[i] = Landing{Expected: e}
	}
	for i := range found {
		if found[i].Found || failed != nil {
			continue
		}
		failed = f.read(ctx, found, &found[i], repeated)
	}
	for i := range found {
		f.settle(&found[i], repeated)
	}
	if failed != nil && !errors.Is(failed, context.DeadlineExceeded) {
		return found, fmt.Errorf("sender: %w", failed)
	}
	return found, nil
}

// read reads the partition of one event on until it is found; others found on
// the way are noted.
func (f *Finder) read(ctx context.Context, all []Landing, one *Landing, repeated bool) error {
	next, ok := f.topics[one.Topic]
	if !ok || len(next) == 0 {
		return &broker.UnknownTopicError{Topic: one.Topic, Partition: -1}
	}
	p := broker.PartitionFor([]byte(one.Key), len(next))
	end := int64(-1)
	if repeated {
		ranges, err := f.log.Offsets(ctx, one.Topic)
		if err != nil {
			return err //nolint:wrapcheck // Find adds who it was
		}
		if end = ranges[p].Next; end <= next[p] {
			return nil
		}
	}
	err := f.log.Read(ctx, one.Topic, p, next[p], end, func(m broker.Message) error {
		next[p] = m.Offset + 1
		note(all, m)
		if one.Found {
			return broker.ErrStop
		}
		return nil
	})
	return err //nolint:wrapcheck // Find adds who it was
}

// note marks the event that a record is, if it is one of them.
func note(all []Landing, m broker.Message) {
	id := event.HeaderText(m.Headers, "ce_id")
	for i := range all {
		l := &all[i]
		if !l.Found && l.ID == id && l.Topic == m.Topic {
			l.Found, l.Position = true, broker.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
			return
		}
	}
}

// settle remembers where an event is, or takes what is remembered.
func (f *Finder) settle(l *Landing, repeated bool) {
	if l.Found {
		f.earlier[l.ID] = l.Position
		return
	}
	if at, ok := f.earlier[l.ID]; ok && repeated {
		l.Found, l.Earlier, l.Position = true, true, at
	}
}
