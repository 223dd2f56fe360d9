package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// Bounds of what is kept in memory to be sorted.
const (
	mostSorted      = 100_000  // records
	mostSortedBytes = 64 << 20 // of their values
)

// store is what history reads from; a *broker.Client.
type store interface {
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error)
	Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error
}

// history shows what topics hold at the moment, and ends. Records of several
// partitions are sorted by time as long as there are not too many of them.
type history struct {
	store store
	takes func(*broker.Message) bool
	show  func(*broker.Message) error // broker.ErrStop ends the history
	note  func(format string, args ...any)
	limit int // records to show; 0: all

	kept     []broker.Message
	bytes    int
	unsorted bool // too many: they are shown as they come
	ended    bool // by show
}

// stretch is a part of a partition.
type stretch struct {
	topic     string
	partition int
	from, to  int64 // to is exclusive
}

// run shows the records from start to where each partition ends now.
func (h *history) run(ctx context.Context, topics []string, start broker.Start) error {
	var spans []stretch
	for _, topic := range topics {
		of, err := h.spans(ctx, topic, start)
		if err != nil {
			return err
		}
		spans = append(spans, of...)
	}
	for _, s := range spans {
		if err := h.store.Read(ctx, s.topic, s.partition, s.from, s.to, h.take); err != nil || h.ended {
			return err //nolint:wrapcheck // it says who it is
		}
	}
	h.sort()
	if err := h.flush(); !errors.Is(err, broker.ErrStop) {
		return err
	}
	return nil
}

// spans are the parts of a topic's partitions to read; a topic that is missing
// has none.
func (h *history) spans(ctx context.Context, topic string, start broker.Start) ([]stretch, error) {
	ranges, err := h.store.Offsets(ctx, topic)
	if _, missing := errors.AsType[*broker.UnknownTopicError](err); missing {
		h.note("topic %s does not exist", topic)
		return nil, nil
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	at := map[int]int64{}
	if !start.Time.IsZero() {
		if at, err = h.store.OffsetsAt(ctx, topic, start.Time); err != nil {
			return nil, err //nolint:wrapcheck // it says who it is
		}
	}
	var spans []stretch
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		s := stretch{topic, p, max(ranges[p].First, at[p]), ranges[p].Next}
		if (start.First || !start.Time.IsZero()) && s.from < s.to {
			spans = append(spans, s)
		}
	}
	return spans, nil
}

// take keeps a record, or shows it when there are too many to be kept.
func (h *history) take(m broker.Message) error {
	if !h.takes(&m) {
		return nil
	}
	if h.unsorted {
		return h.shown(&m)
	}
	h.kept = append(h.kept, m)
	h.bytes += len(m.Value)
	if h.limit > 0 && len(h.kept) >= 2*h.limit+1000 {
		h.forget()
	}
	if len(h.kept) <= mostSorted && h.bytes <= mostSortedBytes {
		return nil
	}
	h.unsorted = true
	h.note("more than %d records or %d MiB: they are shown partition by partition, not in the order of time; narrow them with --from, --topic or a filter",
		mostSorted, mostSortedBytes>>20)
	return h.flush()
}

// forget drops what is too late to be within the limit.
func (h *history) forget() {
	h.sort()
	clear(h.kept[h.limit:])
	h.kept, h.bytes = h.kept[:h.limit], 0
	for i := range h.kept {
		h.bytes += len(h.kept[i].Value)
	}
}

// sort orders what is kept by time. Of one partition, records of the same
// millisecond keep their order.
func (h *history) sort() {
	slices.SortStableFunc(h.kept, func(a, b broker.Message) int { return a.Time.Compare(b.Time) })
}

// flush shows what is kept.
func (h *history) flush() error {
	for i := range h.kept {
		if err := h.shown(&h.kept[i]); err != nil {
			return err
		}
	}
	h.kept = nil
	return nil
}

// shown shows a record and remembers whether it was the last.
func (h *history) shown(m *broker.Message) error {
	err := h.show(m)
	h.ended = h.ended || errors.Is(err, broker.ErrStop)
	return err
}
