package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Message is one record read back. Its slices are the receiver's to keep.
type Message struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // record timestamp, milliseconds, UTC
	Key       []byte    // nil when the record has none
	Value     []byte    // nil is a tombstone
	Headers   []Header
	// HighWater is the partition's next offset when this record was fetched,
	// so HighWater-Offset-1 records were still to come.
	HighWater int64
}

// OffsetRange is what a partition holds: offsets from First up to, but not
// including, Next.
type OffsetRange struct{ First, Next int64 }

// ErrStop ends a read without an error when its callback returns it.
var ErrStop = errors.New("stop reading")

// OffsetGapError says that records that were asked for are not in the log: they
// were deleted meanwhile, or the topic was made anew.
type OffsetGapError struct {
	Topic     string
	Partition int
	Offset    int64 // the next one wanted
	Log       OffsetRange
}

// Error implements error.
func (e *OffsetGapError) Error() string {
	if e.Offset > e.Log.Next {
		return fmt.Sprintf("broker: %s[%d]: offset %d is past the end (the next is %d): the topic was deleted and made anew, or lost its end",
			e.Topic, e.Partition, e.Offset, e.Log.Next)
	}
	return fmt.Sprintf("broker: %s[%d]: %d records from offset %d to %d were deleted by retention before they were read; the log begins at %d",
		e.Topic, e.Partition, e.Log.First-e.Offset, e.Offset, e.Log.First-1, e.Log.First)
}

// UnknownTopicError says that a topic, or a partition of it, does not exist or
// may not be seen.
type UnknownTopicError struct {
	Topic     string
	Partition int // -1: the whole topic
}

// Error implements error.
func (e *UnknownTopicError) Error() string {
	what := "topic " + e.Topic
	if e.Partition >= 0 {
		what = fmt.Sprintf("partition %d of topic %s", e.Partition, e.Topic)
	}
	return "broker: " + what + " does not exist, or this account has no DESCRIBE on it"
}

// Offsets returns what each partition of a topic holds.
func (c *Client) Offsets(ctx context.Context, topic string) (map[int]OffsetRange, error) {
	found, err := c.listOffsets(ctx, topic, kafka.FirstOffsetOf, kafka.LastOffsetOf)
	if err != nil {
		return nil, err
	}
	ranges := make(map[int]OffsetRange, len(found))
	for _, p := range found {
		ranges[p.Partition] = OffsetRange{First: p.FirstOffset, Next: p.LastOffset}
	}
	return ranges, nil
}

// OffsetsAt returns for each partition the offset of the first record whose
// timestamp is at or after t, or the next offset where there is none.
func (c *Client) OffsetsAt(ctx context.Context, topic string, t time.Time) (map[int]int64, error) {
	ends, err := c.listOffsets(ctx, topic, kafka.LastOffsetOf)
	if err != nil {
		return nil, err
	}
	at := func(p int) kafka.OffsetRequest { return kafka.TimeOffsetOf(p, t) }
	found, err := c.listOffsets(ctx, topic, at)
	if err != nil {
		return nil, err
	}
	offsets := make(map[int]int64, len(ends))
	for _, p := range ends {
		offsets[p.Partition] = p.LastOffset
	}
	for _, p := range found {
		for offset := range p.Offsets {
			if offset >= 0 { // -1: no such record
				offsets[p.Partition] = offset
			}
		}
	}
	return offsets, nil
}

// listOffsets asks the leaders of a topic's partitions, again after a leader
// change until the client's timeout.
func (c *Client) listOffsets(ctx context.Context, topic string, asks ...func(int) kafka.OffsetRequest) (found []kafka.PartitionOffsets, err error) {
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		found, err = c.listOffsetsOnce(ctx, topic, asks)
		return err
	})
	return found, err
}

func (c *Client) listOffsetsOnce(ctx context.Context, topic string, asks []func(int) kafka.OffsetRequest) ([]kafka.PartitionOffsets, error) {
	layout, err := c.layout(ctx, topic)
	if err != nil {
		return nil, err
	}
	t, ok := layout[topic]
	if !ok {
		return nil, &UnknownTopicError{topic, -1}
	}
	var reqs []kafka.OffsetRequest
	for _, p := range t.Partitions {
		for _, ask := range asks {
			reqs = append(reqs, ask(p.ID))
		}
	}
	res, err := c.api.ListOffsets(ctx, &kafka.ListOffsetsRequest{Addr: c.addr, Topics: map[string][]kafka.OffsetRequest{topic: reqs}})
	if err != nil {
		return nil, fmt.Errorf("broker: offsets of %s: %w", topic, explain(err))
	}
	for _, p := range res.Topics[topic] {
		switch {
		case errors.Is(p.Error, kafka.Unknown): // how kafka-go v0.4.51 tells that a leader could not be asked
			return nil, fmt.Errorf("broker: offsets of %s[%d]: %w", topic, p.Partition, kafka.LeaderNotAvailable)
		case p.Error != nil:
			return nil, fmt.Errorf("broker: offsets of %s[%d]: %w", topic, p.Partition, p.Error)
		}
	}
	return res.Topics[topic], nil
}

// passing reports whether a read may work when it is tried again: somebody
// does not answer, or the leader has moved.
func passing(err error) bool {
	if code, ok := codeOf(err); ok {
		return kafka.Error(code).Temporary()
	}
	var (
		unknown *UnknownTopicError
		gap     *OffsetGapError
	)
	return tlsHint(err) == "" && !errors.As(err, &unknown) && !errors.As(err, &gap)
}

// PartitionFor is the partition that a record with this key is published to,
// of a topic with so many partitions (at least one): murmur2 as in Kafka's Java
// clients. A nil key has no fixed partition and is treated like an empty one.
func PartitionFor(key []byte, partitions int) int {
	return int(keySlot(key) % uint32(partitions)) //nolint:gosec // partition counts are small and positive
}
