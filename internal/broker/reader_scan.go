package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Chunk is a part of a partition that was scanned: everything from where the chunk
// before ended up to, but not including, Next is either in Messages, or in Gaps, or
// a marker of a transaction.
type Chunk struct {
	Messages []Message
	Gaps     []OffsetGap
	Next     int64
}

// OffsetGap is offsets in [From, To) at which there is no record.
type OffsetGap struct {
	From, To int64
	// Expired says that they lie before the log's start: deleted by retention or by
	// hand. Else they were taken from within, by compaction.
	Expired bool
}

// ScanOptions bounds a Scan.
type ScanOptions struct {
	// Bytes is how much one request asks for; default 1 MiB. A scan holds two
	// answers at most: the one being worked on and the next. A larger single batch
	// still comes.
	Bytes int
	// HeaderRoom is how many headers can be added to each message without copying
	// those it has.
	HeaderRoom int
}

// Bounds of a Scan.
const (
	// scanEmpty is how many empty answers in a row, each held back for fetchWait, it
	// takes to believe that a log which ends too early has lost what was there. It is
	// longer than any election.
	scanEmpty = int(30 * time.Second / fetchWait)
	// scanBlank is how many such answers, not held back, it takes from a broker that says
	// the log goes on: far more than of one that slows us down for a quota.
	scanBlank = 30
	// scanDecode is how often a batch that can't be decoded is asked for.
	scanDecode = 3
)

// Scan calls fn for everything in one partition with offsets in [from, to), in
// order, and returns when all is passed. Offsets that are not in the log, or not
// any more, are told as gaps; the scan goes on behind them. The next part is fetched
// while fn works on this one. It rides out restarts and leader changes. fn's error
// ends the scan and is returned, except ErrStop. When ctx ends, the error wraps
// ctx's. A log that ends before to for half a minute, and a batch that cannot be
// decoded, are errors.
func (c *Client) Scan(ctx context.Context, topic string, partition int, from, to int64, o ScanOptions, fn func(Chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Bytes <= 0 {
		o.Bytes = fetchPartitionBytes
	}
	s := &scan{client: c, bytes: o.Bytes, chunks: make(chan Chunk), cu: cursor{topic: topic, partition: partition, next: from, stop: to}}
	s.dec.room = o.HeaderRoom
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	for {
		select {
		case chunk := <-s.chunks:
			if err := fn(chunk); err != nil {
				cancel()
				<-done //nolint:errcheck // it ended because of us
				return (&callbackError{err}).result()
			}
		case err := <-done:
			return err
		}
	}
}

// scan is the fetching half of a Scan.
type scan struct {
	client *Client
	cu     cursor
	bytes  int
	buf    []byte // to read into
	dec    decoder
	chunks chan Chunk

	empty     int // answers in a row while the log ended too early
	blank     int // answers in a row while it did not
	undecoded int // in a row
}

// run fetches until the end is reached.
func (s *scan) run(ctx context.Context) error {
	for failures := 0; !s.cu.done(); {
		seen := s.client.generation()
		chunk, err := s.next(ctx)
		if err == nil {
			failures = 0
			if err = s.hand(ctx, chunk); err == nil {
				continue
			}
		}
		switch {
		case ctx.Err() != nil:
			return s.ended(ctx, nil)
		case !s.again(err):
			return err
		}
		failures++
		s.client.refresh(seen)
		if sleep(ctx, backoff(failures)) != nil {
			return s.ended(ctx, err)
		}
	}
	return nil
}

func (s *scan) ended(ctx context.Context, last error) error {
	if last != nil {
		return fmt.Errorf("broker: scan %s[%d]: %w (the last failure was: %v)", s.cu.topic, s.cu.partition, ctx.Err(), last) //nolint:errorlint // the failure is told, the end of ctx is what happened
	}
	return fmt.Errorf("broker: scan %s[%d]: %w", s.cu.topic, s.cu.partition, ctx.Err())
}

// again reports whether trying again may help.
func (s *scan) again(err error) bool {
	if _, ok := errors.AsType[*decodeError](err); ok {
		s.undecoded++
		return s.undecoded < scanDecode
	}
	if _, ok := errors.AsType[*blankError](err); ok {
		s.blank++
		return s.blank < scanBlank
	}
	if _, ok := errors.AsType[*shortLogError](err); ok {
		return false
	}
	return passing(err)
}

// hand gives a chunk to the other half, if there is anything in it.
func (s *scan) hand(ctx context.Context, c Chunk) error {
	if len(c.Messages) == 0 && len(c.Gaps) == 0 && !s.cu.done() {
		return nil
	}
	select {
	case s.chunks <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next makes one request.
func (s *scan) next(ctx context.Context) (Chunk, error) {
	got, err := s.fetch(ctx)
	if err == nil {
		err = s.client.partError(ctx, &s.cu, kafka.Error(got.code))
	}
	if gap, ok := errors.AsType[*OffsetGapError](err); ok && gap.Offset < gap.Log.First {
		return s.expired(gap.Log.First), nil
	}
	if err != nil {
		return Chunk{}, err
	}
	return s.take(got)
}

// fetch asks for what comes next.
func (s *scan) fetch(ctx context.Context) (*answered, error) {
	x := &exchange{leader: -1, bytes: []int{s.bytes}, buf: s.buf}
	s.buf = nil // it is lost where this fails
	answer, err := s.client.fetchRaw(ctx, []*cursor{&s.cu}, fetchWait, x)
	if err != nil {
		return nil, err
	}
	s.buf = answer.buf
	got := answer.of(0, &s.cu)
	if got == nil {
		return nil, fmt.Errorf("broker: fetch was answered without %s[%d]", s.cu.topic, s.cu.partition)
	}
	return got, nil
}

// expired passes over what retention has deleted.
func (s *scan) expired(first int64) Chunk {
	gap := OffsetGap{From: s.cu.next, To: s.cu.atMost(first), Expired: true}
	s.cu.next = gap.To
	return Chunk{Gaps: []OffsetGap{gap}, Next: gap.To}
}

// take decodes one answer. What is before a broken batch is taken; the next answer
// begins with it.
func (s *scan) take(got *answered) (Chunk, error) {
	batches, behind := whole(got.batches, s.cu.next)
	if behind == s.cu.next {
		return Chunk{Next: behind}, s.nothing(got.high)
	}
	s.empty, s.blank = 0, 0
	chunk, err := s.dec.batches(&s.cu, got.high, batches)
	if err != nil && chunk.Next == s.cu.next {
		return Chunk{}, &decodeError{s.cu, err}
	}
	s.undecoded, s.cu.next = 0, chunk.Next
	return chunk, nil
}

// shortLogError says that the log ends before the end of a scan, which was its end
// once.
type shortLogError struct {
	topic     string
	partition int
	next, to  int64
}

func (e *shortLogError) Error() string {
	return fmt.Sprintf("broker: scan %s[%d]: the log ends at offset %d, before %d, which it had reached: it lost its end, or the topic was made anew",
		e.topic, e.partition, e.next, e.to)
}

// blankError says that a broker answers with nothing where it says that there is more.
type blankError struct {
	cu        cursor
	highWater int64
}

func (e *blankError) Error() string {
	return fmt.Sprintf("broker: scan %s[%d]: there is nothing at offset %d and behind it, and the log goes on to %d",
		e.cu.topic, e.cu.partition, e.cu.next, e.highWater)
}

// nothing notes an answer without records. There should be some, up to the end.
func (s *scan) nothing(highWater int64) error {
	if highWater > s.cu.next {
		s.empty = 0
		return &blankError{s.cu, highWater}
	}
	if s.empty++; s.empty > scanEmpty {
		return &shortLogError{s.cu.topic, s.cu.partition, s.cu.next, s.cu.stop}
	}
	return nil
}

// decodeError says that a batch is broken.
type decodeError struct {
	cu  cursor
	err error
}

func (e *decodeError) Error() string {
	return fmt.Sprintf("broker: decode %s[%d] at offset %d: %v", e.cu.topic, e.cu.partition, e.cu.next, e.err)
}

func (e *decodeError) Unwrap() error { return e.err }
