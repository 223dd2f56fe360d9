package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

const (
	fetchWait           = 500 * time.Millisecond // how long a broker holds an empty answer back
	fetchGrace          = 10 * time.Second       // on top of it, for the network and the broker
	fetchBytes          = 8 << 20                // of one answer; a larger single record still comes
	fetchPartitionBytes = 1 << 20                // of one partition in it
)

// cursor is how far a partition has been read.
type cursor struct {
	topic     string
	partition int
	next      int64
	stop      int64 // exclusive; negative: never
}

func (cu *cursor) done() bool { return cu.reached(cu.next) }

// reached reports whether an offset is none to read any more.
func (cu *cursor) reached(offset int64) bool { return cu.stop >= 0 && offset >= cu.stop }

// atMost is an offset, or the stop before it.
func (cu *cursor) atMost(offset int64) int64 {
	if cu.reached(offset) {
		return cu.stop
	}
	return offset
}

// Read calls fn for the records of one partition with offsets in [from, to), in
// order, and returns when the last is passed; it waits for those that are not
// there yet. With to negative it follows the partition until ctx ends. It rides
// out restarts and leader changes. An offset that is not in the log is an
// *OffsetGapError, never a silent jump; offsets that compaction or transactions
// took are passed over. fn's error ends the read and is returned, except
// ErrStop. When ctx ends, the error wraps ctx's.
func (c *Client) Read(ctx context.Context, topic string, partition int, from, to int64, fn func(Message) error) error {
	cu := &cursor{topic: topic, partition: partition, next: from, stop: to}
	for n := 0; !cu.done(); {
		seen := c.generation()
		parts, err := c.fetch(ctx, []*cursor{cu}, fetchWait, fetchPartitionBytes)
		if err == nil {
			err = c.deliver(ctx, []*cursor{cu}, parts, fn)
		}
		var stop *callbackError
		switch {
		case err == nil:
			n = 0
			continue
		case errors.As(err, &stop):
			return stop.result()
		case ctx.Err() != nil:
			return fmt.Errorf("broker: read %s[%d]: %w", topic, partition, ctx.Err())
		case !passing(err):
			return err
		}
		c.refresh(seen)
		if sleep(ctx, backoff(n+1)) != nil {
			return fmt.Errorf("broker: read %s[%d]: %w (the last failure was: %v)", topic, partition, ctx.Err(), err) //nolint:errorlint // the failure is told, the end of ctx is what happened
		}
		n++
	}
	return nil
}

// callbackError carries the callback's error past the retries.
type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }
func (e *callbackError) Unwrap() error { return e.err }

func (e *callbackError) result() error {
	if errors.Is(e.err, ErrStop) {
		return nil
	}
	return e.err
}

// fetched is one partition's part of an answer.
type fetched struct {
	topic string
	fetch.ResponsePartition
}

// fetch makes one request for so many bytes of each partition. All cursors must
// have the same leader. It goes below kafka.Client, which can ask for one partition
// only.
func (c *Client) fetch(ctx context.Context, cursors []*cursor, wait time.Duration, partitionBytes int) ([]fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetchGrace)
	defer cancel()
	m, err := c.transport.RoundTrip(ctx, c.addr, fetchRequest(cursors, wait, partitionBytes))
	if err != nil {
		return nil, c.fetchError(ctx, cursors, err)
	}
	res, ok := m.(*fetch.Response)
	if !ok {
		return nil, fmt.Errorf("broker: fetch was answered with %T", m)
	}
	if res.ErrorCode != 0 {
		return nil, fmt.Errorf("broker: fetch: %w", kafka.Error(res.ErrorCode))
	}
	var parts []fetched
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			parts = append(parts, fetched{t.Topic, p})
		}
	}
	return parts, nil
}

func fetchRequest(cursors []*cursor, wait time.Duration, partitionBytes int) *fetch.Request {
	req := &fetch.Request{
		ReplicaID:    -1,
		MaxWaitTime:  int32(wait.Milliseconds()), //nolint:gosec // half a second
		MinBytes:     1,
		MaxBytes:     fetchBytes,
		SessionEpoch: -1, // no fetch session
	}
	for _, cu := range cursors {
		part := fetch.RequestPartition{
			Partition:          int32(cu.partition), //nolint:gosec // partition numbers are int32 on the wire
			CurrentLeaderEpoch: -1,
			FetchOffset:        cu.next,
			LogStartOffset:     -1,
			PartitionMaxBytes:  int32(partitionBytes), //nolint:gosec // a few mebibytes
		}
		if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == cu.topic {
			req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, part)
			continue
		}
		req.Topics = append(req.Topics, fetch.RequestTopic{Topic: cu.topic, Partitions: []fetch.RequestPartition{part}})
	}
	return req
}

// fetchError tells a topic that does not exist from one that is not routable
// at the moment; kafka-go reports both the same way.
func (c *Client) fetchError(ctx context.Context, cursors []*cursor, err error) error {
	if errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) {
		if gone := c.unknown(ctx, cursors); gone != nil {
			return gone
		}
	}
	return fmt.Errorf("broker: fetch: %w", explain(err))
}

// unknown names the first cursor whose partition does not exist, after looking
// anew.
func (c *Client) unknown(ctx context.Context, cursors []*cursor) error {
	c.refresh(c.generation())
	names := make([]string, len(cursors))
	for i, cu := range cursors {
		names[i] = cu.topic
	}
	layout, err := c.layout(ctx, names...)
	if err != nil {
		return err
	}
	for _, cu := range cursors {
		t, ok := layout[cu.topic]
		if !ok {
			return &UnknownTopicError{cu.topic, -1}
		}
		if cu.partition < 0 || cu.partition >= len(t.Partitions) {
			return &UnknownTopicError{cu.topic, cu.partition}
		}
	}
	return nil
}

// deliver hands an answer to fn. A partition's failure does not keep the others'
// records back; the first such failure is returned at the end.
func (c *Client) deliver(ctx context.Context, cursors []*cursor, parts []fetched, fn func(Message) error) error {
	var failed error
	for _, p := range parts {
		for _, cu := range cursors {
			if cu.topic != p.topic || cu.partition != int(p.Partition) {
				continue
			}
			err := c.partError(ctx, cu, kafka.Error(p.ErrorCode))
			if err == nil {
				err = cu.deliver(&p, fn)
			}
			if _, ok := errors.AsType[*callbackError](err); ok {
				return err
			}
			if failed == nil {
				failed = err
			}
		}
	}
	return failed
}

// partError explains a partition's error code.
func (c *Client) partError(ctx context.Context, cu *cursor, code kafka.Error) error {
	switch code {
	case 0:
		return nil
	case kafka.OffsetOutOfRange:
		ranges, err := c.Offsets(ctx, cu.topic)
		if err != nil {
			return err
		}
		log := ranges[cu.partition]
		if cu.next >= log.First && cu.next <= log.Next {
			return fmt.Errorf("broker: read %s[%d]: %w", cu.topic, cu.partition, kafka.LeaderNotAvailable) // a leader that lags behind: try again
		}
		return &OffsetGapError{Topic: cu.topic, Partition: cu.partition, Offset: cu.next, Log: log}
	case kafka.TopicAuthorizationFailed:
		return fmt.Errorf("broker: read %s: %w; grant READ on it to this account", cu.topic, code)
	default:
		return fmt.Errorf("broker: read %s[%d]: %w", cu.topic, cu.partition, code)
	}
}

// deliver hands one partition's records to fn and moves the cursor.
func (cu *cursor) deliver(p *fetched, fn func(Message) error) error {
	stream, ok := p.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		return nil // nothing new
	}
	before := cu.next
	for _, batch := range stream.Records {
		if err := cu.deliverBatch(batch, p.HighWatermark, fn); err != nil {
			return err
		}
	}
	// A batch that compaction emptied says nothing about its last offset, and
	// would be fetched for ever.
	if cu.next == before && len(stream.Records) > 0 && cu.next < p.HighWatermark {
		cu.next++
	}
	return nil
}

func (cu *cursor) deliverBatch(batch protocol.RecordReader, highWater int64, fn func(Message) error) error {
	_, control := batch.(*protocol.ControlBatch)
	for !cu.done() {
		rec, err := batch.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("broker: decode %s[%d] at offset %d: %w", cu.topic, cu.partition, cu.next, err)
		}
		msg, err := cu.message(rec, highWater)
		if err != nil {
			return err
		}
		// A broker answers with whole batches, so the first may begin earlier.
		if msg.Offset < cu.next {
			continue
		}
		if cu.reached(msg.Offset) {
			cu.next = cu.stop
			return nil
		}
		if !control {
			if err := fn(msg); err != nil {
				return &callbackError{err}
			}
		}
		cu.next = msg.Offset + 1
	}
	return nil
}

// message copies a record out of kafka-go's pages and gives them back.
func (cu *cursor) message(rec *protocol.Record, highWater int64) (Message, error) {
	key, value, err := takeBoth(rec.Key, rec.Value)
	if err != nil {
		return Message{}, fmt.Errorf("broker: read %s[%d]@%d: %w", cu.topic, cu.partition, rec.Offset, err)
	}
	headers := make([]Header, len(rec.Headers))
	for i, h := range rec.Headers {
		headers[i] = Header{Key: h.Key, Value: h.Value}
	}
	return Message{
		Topic: cu.topic, Partition: cu.partition, Offset: rec.Offset, Time: rec.Time.UTC(),
		Key: key, Value: value, Headers: headers, HighWater: highWater,
	}, nil
}

// takeBoth copies a key and a value into one piece of memory. What is absent is nil.
func takeBoth(key, value protocol.Bytes) (k, v []byte, err error) {
	n := 0
	if key != nil {
		defer key.Close()
		n = key.Len()
	}
	both := make([]byte, n, n+lenOf(value))
	if key != nil {
		if _, err := io.ReadFull(key, both); err != nil {
			return nil, nil, err
		}
		k = both[:n:n]
	}
	if value != nil {
		defer value.Close()
		v = both[n:cap(both):cap(both)]
		if _, err := io.ReadFull(value, v); err != nil {
			return nil, nil, err
		}
	}
	return k, v, nil
}

func lenOf(b protocol.Bytes) int {
	if b == nil {
		return 0
	}
	return b.Len()
}
