package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/postrider/postrider/internal/broker"
)

// Scan reads the letters of a topic.
type Scan struct {
	Reader Reader
	Topic  string
	Filter Filter
	// Looked is told how many records were looked at, of how many; nil: nobody.
	Looked func(records, of int64)
	// Expired is told of letters that retention took before they were read; nil: nobody.
	Expired func(*broker.OffsetGapError)
}

// GoneError says that there is no record at a place.
type GoneError struct {
	Place broker.Position
	Log   broker.OffsetRange
}

// Error implements error.
func (e *GoneError) Error() string {
	place := fmt.Sprintf("%s/%d/%d", e.Place.Topic, e.Place.Partition, e.Place.Offset)
	if e.Log.Next == e.Log.First {
		return fmt.Sprintf("deadletter: there is no record at %s: the partition is empty", place)
	}
	return fmt.Sprintf("deadletter: there is no record at %s: the partition holds offsets %d to %d", place, e.Log.First, e.Log.Next-1)
}

// OtherTopicError says that a place is not in the topic of dead letters.
type OtherTopicError struct {
	Place broker.Position
	Topic string // of dead letters
}

// Error implements error.
func (e *OtherTopicError) Error() string {
	return fmt.Sprintf("deadletter: %s/%d/%d is no dead letter: their topic is %s", e.Place.Topic, e.Place.Partition, e.Place.Offset, e.Topic)
}

// Each calls fn for the letters that are there now, over all partitions in the
// order in which their requests came. (Within a partition the order is the log's:
// letters that waited for Kafka may be late.) fn's error ends it and is returned,
// except broker.ErrStop. Places are read in the order given; one that holds no
// record is a *GoneError.
func (s *Scan) Each(ctx context.Context, fn func(*Letter) error) error {
	err := s.each(ctx, fn)
	if errors.Is(err, broker.ErrStop) {
		return nil
	}
	return err
}

func (s *Scan) each(ctx context.Context, fn func(*Letter) error) error {
	if len(s.Filter.Places) > 0 {
		return s.eachPlace(ctx, fn)
	}
	spans, err := s.spans(ctx)
	if err != nil {
		return err
	}
	total, looked := int64(0), int64(0)
	for i := range spans {
		total += spans[i].to - spans[i].from
	}
	return merge(ctx, s, spans, func(l *Letter) error {
		if looked++; s.Looked != nil {
			s.Looked(looked, total)
		}
		if !s.Filter.takes(l) {
			return nil
		}
		return fn(l)
	})
}

// eachPlace reads single letters.
func (s *Scan) eachPlace(ctx context.Context, fn func(*Letter) error) error {
	ranges, err := s.Reader.Offsets(ctx, s.Topic)
	if err != nil {
		return err //nolint:wrapcheck // it says who it is
	}
	for i, p := range s.Filter.Places {
		if p.Topic != s.Topic {
			return &OtherTopicError{Place: p, Topic: s.Topic}
		}
		log, ok := ranges[p.Partition]
		if !ok || p.Offset < log.First || p.Offset >= log.Next {
			return &GoneError{Place: p, Log: log}
		}
		found := false
		err := s.Reader.Read(ctx, p.Topic, p.Partition, p.Offset, p.Offset+1, func(m broker.Message) error {
			found = true
			return fn(Of(&m))
		})
		switch {
		case err != nil:
			return err //nolint:wrapcheck // it says who it is
		case !found:
			return &GoneError{Place: p, Log: log}
		}
		if s.Looked != nil {
			s.Looked(int64(i+1), int64(len(s.Filter.Places)))
		}
	}
	return nil
}

// span is a part of a partition.
type span struct {
	partition int
	from, to  int64
}

// spans are the offsets that may hold what is meant, by partition. Later records
// may be of earlier times, so that only the beginning can be found by time.
func (s *Scan) spans(ctx context.Context) ([]span, error) {
	ranges, err := s.Reader.Offsets(ctx, s.Topic)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says who it is
	}
	var begin map[int]int64
	if !s.Filter.From.IsZero() {
		if begin, err = s.Reader.OffsetsAt(ctx, s.Topic, s.Filter.From); err != nil {
			return nil, err //nolint:wrapcheck // it says who it is
		}
	}
	var spans []span
	for _, p := range slices.Sorted(maps.Keys(ranges)) {
		sp := span{partition: p, from: max(ranges[p].First, begin[p]), to: ranges[p].Next}
		if sp.from < sp.to {
			spans = append(spans, sp)
		}
	}
	return spans, nil
}

// lane is one partition on its way, and the letter that is its next.
type lane struct {
	next   func() (*Letter, error, bool)
	letter *Letter
}

// merge calls fn for the letters of all spans, the earliest first.
func merge(ctx context.Context, s *Scan, spans []span, fn func(*Letter) error) error {
	var lanes []*lane
	for _, sp := range spans {
		next, stop := iter.Pull2(s.letters(ctx, sp))
		defer stop()
		l := &lane{next: next}
		if err := l.advance(); err != nil {
			return err
		}
		lanes = append(lanes, l)
	}
	for {
		lanes = slices.DeleteFunc(lanes, func(l *lane) bool { return l.letter == nil })
		if len(lanes) == 0 {
			return nil
		}
		first := slices.MinFunc(lanes, func(a, b *lane) int {
			return cmp.Or(a.letter.Time.Compare(b.letter.Time), cmp.Compare(a.letter.Partition, b.letter.Partition))
		})
		if err := fn(first.letter); err != nil {
			return err
		}
		if err := first.advance(); err != nil {
			return err
		}
	}
}

// advance takes the lane's next letter; nil at its end.
func (l *lane) advance() error {
	letter, err, ok := l.next()
	if !ok {
		letter = nil
	}
	l.letter = letter
	return err
}

// letters are those of one span. What retention takes meanwhile is passed over and
// told.
func (s *Scan) letters(ctx context.Context, sp span) iter.Seq2[*Letter, error] {
	return func(yield func(*Letter, error) bool) {
		for sp.from < sp.to {
			stopped := false
			err := s.Reader.Read(ctx, s.Topic, sp.partition, sp.from, sp.to, func(m broker.Message) error {
				sp.from = m.Offset + 1
				if stopped = !yield(Of(&m), nil); stopped {
					return broker.ErrStop
				}
				return nil
			})
			gap, expired := errors.AsType[*broker.OffsetGapError](err)
			switch {
			case stopped || err == nil:
				return
			case !expired || gap.Log.First <= sp.from:
				yield(nil, err)
				return
			}
			if s.Expired != nil {
				s.Expired(gap)
			}
			sp.from = gap.Log.First
		}
	}
}
