package deadletter

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// maxLate is how much later than its request a raw record is looked for, by the
// times of the records around it: it may have waited for Kafka in a spool.
const maxLate = 48 * time.Hour

// beatEvery is after how many records Beat is called.
const beatEvery = 1000

// Raws finds raw records. Letters of one batch share theirs, so the last one is
// kept. Not safe for concurrent use.
type Raws struct {
	Reader Reader
	Topic  string // of raw requests
	// Beat is called now and then while a record is looked for, which may take long;
	// an error of it ends the search. nil: nobody.
	Beat func(ctx context.Context) error

	key   []byte
	found *broker.Message
}

// Find returns the raw record of a letter's request, or nil if it is not there any
// more. Its key is the letter's, and both have the time at which the request came, so
// that only the part of one partition that begins at that time is read, and two
// days on at most. Where that has it not, the others are looked at too: the topic
// may have had fewer partitions then.
func (r *Raws) Find(ctx context.Context, l *Letter) (*broker.Message, error) {
	if r.key != nil && bytes.Equal(r.key, l.Key) {
		return r.found, nil
	}
	ranges, err := r.Reader.Offsets(ctx, r.Topic)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	begin, err := r.Reader.OffsetsAt(ctx, r.Topic, l.Time)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	expected := broker.PartitionFor(l.Key, max(len(ranges), 1))
	found, err := r.look(ctx, l, expected, begin[expected], ranges[expected])
	for partition := range ranges {
		if found != nil || err != nil {
			break
		}
		if partition != expected {
			found, err = r.look(ctx, l, partition, begin[partition], ranges[partition])
		}
	}
	if err != nil {
		return nil, err
	}
	r.key, r.found = bytes.Clone(l.Key), found
	return found, nil
}

// look looks in one partition, from an offset on.
func (r *Raws) look(ctx context.Context, l *Letter, partition int, from int64, log broker.OffsetRange) (found *broker.Message, err error) {
	from = max(from, log.First)
	if from >= log.Next {
		return nil, nil
	}
	beats := 0
	err = r.Reader.Read(ctx, r.Topic, partition, from, log.Next, func(m broker.Message) error {
		if beats++; r.Beat != nil && beats%beatEvery == 0 {
			if err := r.Beat(ctx); err != nil {
				return err
			}
		}
		switch {
		case bytes.Equal(m.Key, l.Key):
			found = &m
			return broker.ErrStop
		case m.Time.Sub(l.Time) > maxLate:
			return broker.ErrStop
		}
		return nil
	})
	if _, expired := errors.AsType[*broker.OffsetGapError](err); expired {
		return nil, nil // retention took it just now
	}
	return found, err //nolint:wrapcheck // it says who it is
}
