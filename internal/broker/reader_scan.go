package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
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
	s := &scan{client: c, bytes: o.Bytes, chunks: make(chan Chunk), room: o.HeaderRoom, cu: cursor{topic: topic, partition: partition, next: from, stop: to}}
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
	room   int // for more headers
	usual  int // messages of an answer: those of the last
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
	parts, err := s.client.fetch(ctx, []*cursor{&s.cu}, fetchWait, s.bytes)
	if damaged(err) {
		err = &decodeError{s.cu, err}
	}
	if err != nil {
		return Chunk{}, err
	}
	chunk := Chunk{Next: s.cu.next}
	for i := range parts {
		err := s.client.partError(ctx, &s.cu, kafka.Error(parts[i].ErrorCode))
		if gap, ok := errors.AsType[*OffsetGapError](err); ok && gap.Offset < gap.Log.First {
			s.expired(&chunk, gap.Log.First)
			return chunk, nil
		}
		if err == nil {
			err = s.take(&chunk, &parts[i])
		}
		if err != nil {
			return Chunk{}, err
		}
	}
	return chunk, nil
}

// expired passes over what retention has deleted.
func (s *scan) expired(c *Chunk, first int64) {
	to := min(first, s.cu.stop)
	c.Gaps = append(c.Gaps, OffsetGap{From: s.cu.next, To: to, Expired: true})
	s.cu.next, c.Next = to, to
}

// take takes one answer's records.
func (s *scan) take(c *Chunk, p *fetched) error {
	stream, ok := p.RecordSet.Records.(*protocol.RecordStream)
	if !ok || len(stream.Records) == 0 {
		return s.nothing(p.HighWatermark)
	}
	s.empty, s.blank = 0, 0
	before := s.cu.next
	c.Messages = make([]Message, 0, s.usual)
	for _, batch := range stream.Records {
		if err := s.takeBatch(c, batch, p.HighWatermark); err != nil {
			s.cu.next = before
			return err
		}
	}
	s.undecoded, s.usual = 0, len(c.Messages)
	// A batch that compaction emptied says nothing about its last offset, and would
	// be fetched for ever.
	if s.cu.next == before && s.cu.next < p.HighWatermark {
		s.pass(c, s.cu.next+1)
	}
	c.Next = s.cu.next
	return nil
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

// damaged reports whether kafka-go failed at a batch, and not at the way to it: it has
// no types for that.
func damaged(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return slices.ContainsFunc([]string{"crc32 checksum mismatch", "unsupported compression codec", "unsupported message version"},
		func(s string) bool { return strings.Contains(text, s) })
}

func (s *scan) takeBatch(c *Chunk, batch protocol.RecordReader, highWater int64) error {
	_, control := batch.(*protocol.ControlBatch)
	for !s.cu.done() {
		rec, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &decodeError{s.cu, err}
		}
		// A broker answers with whole batches, so the first may begin earlier.
		if rec.Offset < s.cu.next {
			continue
		}
		if rec.Offset > s.cu.next {
			s.pass(c, min(rec.Offset, s.cu.stop))
		}
		if s.cu.done() {
			return nil
		}
		if !control {
			msg, err := s.cu.message(rec, highWater, s.room)
			if err != nil {
				return &decodeError{s.cu, err}
			}
			c.Messages = append(c.Messages, msg)
		}
		s.cu.next = rec.Offset + 1
	}
	return nil
}

// pass notes that there is nothing before an offset.
func (s *scan) pass(c *Chunk, to int64) {
	if n := len(c.Gaps); n > 0 && c.Gaps[n-1].To == s.cu.next && !c.Gaps[n-1].Expired {
		c.Gaps[n-1].To = to
	} else {
		c.Gaps = append(c.Gaps, OffsetGap{From: s.cu.next, To: to})
	}
	s.cu.next = to
}
