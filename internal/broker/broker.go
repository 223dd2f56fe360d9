// Package broker is the only door to Kafka: connections, the idempotent
// publisher, topics and bounded reads. Every caller sees records and errors of
// this package, never kafka-go's.
package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// Header is one record header.
type Header = event.Header

// Record is one Kafka record to publish. The publisher does not change it and
// does not keep it after Publish returned.
type Record struct {
	Topic   string
	Key     []byte // partitions by murmur2 as Java clients do; nil spreads
	Value   []byte
	Headers []Header
	Time    time.Time // record timestamp (CreateTime), milliseconds
}

// Position is where a record is.
type Position struct {
	Topic     string
	Partition int
	Offset    int64
}

// Publisher publishes records durably.
type Publisher interface {
	// Publish returns nil only when every record is acknowledged by all in-sync
	// replicas. Otherwise the error is a *PublishError with one entry a record.
	// It blocks until every outcome is known or ctx ends, whichever is first;
	// a record that was not sent by then is never sent. One record's failure
	// fails no other. Records of one partition keep their order. Safe for
	// concurrent use.
	Publish(ctx context.Context, recs []Record) error
}

// Durability says what has to have happened to a record before its sender is
// told that it is safe.
type Durability uint8

const (
	// BrokerOnly means acknowledged by all in-sync replicas; a record that is not in
	// time has failed.
	BrokerOnly Durability = iota
	// BrokerThenSpool means acknowledged in time or else kept in the Store, from where
	// it is published as soon as Kafka takes it.
	BrokerThenSpool
	// SpoolFirst means kept in the Store at once, published from there.
	SpoolFirst
)

// Ref names a record in a Store. It is small: there may be millions.
type Ref struct {
	Seq     uint64 // grows with every record; decides about the order
	Segment uint32 // the rest is where to find it
	Offset  uint32
}

// Stored is what the publisher has to know of a stored record to put it in line.
type Stored struct {
	Ref
	Topic string
	Slot  uint32 // decides about the partition
	Size  int32  // upper bound of the encoded size, bytes
}

// Describe returns what Resume needs to know of a record.
func Describe(ref Ref, r *Record) Stored {
	s := Stored{Ref: ref, Topic: r.Topic, Size: int32(RecordBytes(r) + sizeSlack)} //nolint:gosec // a record is far below 2 GiB
	if r.Key == nil {
		s.Slot = uint32(ref.Seq & math.MaxInt32)
	} else {
		s.Slot = keySlot(r.Key)
	}
	return s
}

// Store keeps records where they outlive the process, until Kafka has them
// (package spool). Safe for concurrent use.
type Store interface {
	// Append makes the records durable, all or none, in order and behind all
	// earlier ones; when it returns nil they survive a loss of power. An error
	// means that none is kept, or, when it is ctx's, that nobody knows yet: the
	// store then forgets them itself.
	Append(ctx context.Context, recs []Record) ([]Ref, error)
	// Load reads a record back. An error means that it is damaged for good.
	Load(ref Ref) (Record, error)
	// Settle ends the store's care for records: they are in Kafka (cause nil), or
	// never will be: then they are set aside with the cause for a person to look
	// at. Settling one again does nothing.
	Settle(refs []Ref, cause error)
}

// Errors that a record's outcome wraps. Everything else is trouble of ours or
// the cluster's that may pass: the caller's peer should try again.
var (
	// ErrTooLarge: the record is over the topic's or the broker's limit.
	ErrTooLarge = errors.New("record too large")
	// ErrInvalid: the broker refuses the record for what it is.
	ErrInvalid = errors.New("record refused by the broker")
	// ErrOverloaded: the publisher's byte budget is used up.
	ErrOverloaded = errors.New("publisher overloaded")
	// ErrDeadline: not acknowledged in time. The outcome is unknown if it was sent.
	ErrDeadline = errors.New("not acknowledged in time")
	// ErrClosed: the publisher is closed.
	ErrClosed = errors.New("publisher closed")
)

// PublishError is the outcome of a Publish in which not every record was
// acknowledged.
type PublishError struct {
	// Errs has one entry a record, in the order given; nil was acknowledged.
	Errs []error
}

// Error implements error; it names the first failure and counts them.
func (e *PublishError) Error() string {
	var first error
	failed := 0
	for _, err := range e.Errs {
		if err == nil {
			continue
		}
		failed++
		if first == nil {
			first = err
		}
	}
	if failed == 1 {
		return fmt.Sprintf("broker: %v", first)
	}
	return fmt.Sprintf("broker: %d of %d records: %v", failed, len(e.Errs), first)
}

// Unwrap returns the records' errors.
func (e *PublishError) Unwrap() []error { return e.Errs }
