package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Store is where records are read from; a *broker.Client.
type Store interface {
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error)
	Scan(ctx context.Context, topic string, partition int, from, to int64, o broker.ScanOptions, fn func(broker.Chunk) error) error
}

// Gap is records that were deleted before they could be read, and may have been
// within the window.
type Gap struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"` // exclusive
	// Until is the time of the first record after them; zero if none is left.
	Until time.Time `json:"until,omitzero"`
}

// compareGaps orders gaps by their place.
func compareGaps(a, b Gap) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
}

// layout is what a topic held when the trace first looked at it.
type layout struct {
	partitions map[int]broker.OffsetRange // nil: the topic does not exist
}

// span is a part of a partition: offsets in [from, to).
type span struct {
	topic     string
	partition int
	from, to  int64
	// cut says that records before from are not there any more, and that nothing
	// tells whether they were within the window.
	cut bool
}

// records is how many offsets spans have.
func records(spans []span) int64 {
	var n int64
	for _, s := range spans {
		n += s.to - s.from
	}
	return n
}

// layouts asks what topics hold, of each once.
func (t *Tracer) layouts(ctx context.Context, topics []string) error {
	found := make([]*layout, len(topics))
	err := each(ctx, len(topics), func(ctx context.Context, i int) error {
		if found[i] = t.topic[topics[i]]; found[i] != nil {
			return nil
		}
		ranges, err := t.o.Store.Offsets(ctx, topics[i])
		if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
			err = nil
		}
		found[i] = &layout{ranges}
		return err //nolint:wrapcheck // it says who it is
	})
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	for i, name := range topics {
		t.topic[name] = found[i]
	}
	return nil
}

// missing names the topics that do not exist.
func (t *Tracer) missing() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.topic)) {
		if t.topic[name].partitions == nil {
			names = append(names, name)
		}
	}
	return names
}

// spans decides what to read of topics: the partitions of the keys, or all of them
// without any. The start, found by time, passes over no record of the window:
// everything before it is older. The end is where the partition ends now, because a
// record may come late.
func (t *Tracer) spans(ctx context.Context, topics []string, q *Query, keys []string) ([]span, error) {
	if err := t.layouts(ctx, topics); err != nil {
		return nil, err
	}
	of := make([][]span, len(topics))
	err := each(ctx, len(topics), func(ctx context.Context, i int) error {
		var err error
		of[i], err = t.spansOf(ctx, topics[i], q.From, keys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return slices.Concat(of...), nil
}

// spansOf is spans of one topic.
func (t *Tracer) spansOf(ctx context.Context, topic string, from time.Time, keys []string) ([]span, error) {
	l := t.topic[topic]
	if l.partitions == nil {
		return nil, nil
	}
	at := map[int]int64{}
	if !from.IsZero() {
		var err error
		if at, err = t.o.Store.OffsetsAt(ctx, topic, from); err != nil {
			return nil, err //nolint:wrapcheck // it says who it is
		}
	}
	var spans []span
	for _, p := range l.of(keys) {
		r := l.partitions[p]
		s := span{topic: topic, partition: p, from: max(r.First, at[p]), to: r.Next}
		s.cut = r.First > 0 && s.from == r.First
		if s.from < s.to || s.cut {
			spans = append(spans, s)
		}
	}
	return spans, nil
}

// of lists the partitions of keys; without any all of them.
func (l *layout) of(keys []string) []int {
	if len(keys) == 0 {
		return slices.Sorted(maps.Keys(l.partitions))
	}
	var list []int
	for _, k := range keys {
		list = append(list, broker.PartitionFor([]byte(k), len(l.partitions)))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
