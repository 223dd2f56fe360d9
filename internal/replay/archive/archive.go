// Package archive writes records of Kafka topics to a file and reads them back
// identical: JSON Lines, optionally compressed by zstd (RFC 8878). It sees readers
// and writers only; files are opened by who calls it.
//
// A line is one JSON object (RFC 8259, I-JSON: no name twice, valid UTF-8), ended by
// a line feed:
//
//	{"v":1,"topic":"email.bounced","partition":3,"offset":1207,
//	 "timestamp":"2026-11-22T01:52:01.123Z","key":"<id@example.com>",
//	 "headers":[{"key":"provider","value":"acme"}],"value":{"id":"…"}}
//
// (here broken for reading). The fields:
//
//	v          1, the version of the format; anything else is refused
//	topic      where the record was: name, partition, offset
//	partition
//	offset
//	timestamp  of the record, RFC 3339 in UTC with exactly three decimals; a
//	           number of milliseconds since 1970 where RFC 3339 has no such year
//	key        a string is the key's text, null is no key; "" is an empty key
//	headers    in their order, names may repeat; each has a key, a string, and a
//	           value: a string is its text, null is none. Left out if there are none
//	value      null is no value, a tombstone; a string is the value's text; an
//	           object or array is the value itself, byte for byte
//
// What is no valid UTF-8 stands in base64 (RFC 4648 section 4) under another name:
// key_base64, value_base64, in a header too. Each line has exactly one of each
// pair, and no other field.
//
// A value is written as an object or array where it is one, on one line and without
// a repeated name: most are, and then people and jq can read them. Tools that write
// JSON anew may change such a value's spacing and numbers; nothing here does.
//
// Files can be joined end to end, compressed ones as well, and cut after any line,
// compressed ones after any Flush. The same records make the same bytes.
package archive

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// MaxLine bounds a line, in bytes with its end: far beyond what brokers take.
const MaxLine = 64 << 20

// version is what this package writes and reads.
const version = 1

// layout is RFC 3339 with milliseconds, in UTC.
const layout = "2006-01-02T15:04:05.000Z"

// Record is one record. Nil and empty keys, values and values of headers differ.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time // UTC, in milliseconds; what is finer is cut off
	Key       []byte    // nil: none
	Value     []byte    // nil: a tombstone
	Headers   []event.Header
}

// ErrTooLong says that a record's line would be over MaxLine; it cannot be archived.
var ErrTooLong = fmt.Errorf("the record's line is over %d MiB", MaxLine>>20)

// ErrTruncated says that an archive ends within a record: it was cut off. Every
// record before it was read whole.
var ErrTruncated = errors.New("the archive ends in the middle of a record: the file was cut off, everything above this line is whole")

// LineError says where an archive is damaged, and how.
type LineError struct {
	Line int64 // counted from 1, as it was before compression
	Err  error
}

// Error implements error. It tells nothing of what the records hold.
func (e *LineError) Error() string { return fmt.Sprintf("archive: line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// check says why a record has no line.
func (r *Record) check() error {
	switch {
	case r.Topic == "":
		return errors.New("archive: a record without a topic")
	case r.Partition < 0 || r.Partition > math.MaxInt32:
		return fmt.Errorf("archive: partition %d is none", r.Partition)
	case r.Offset < 0:
		return fmt.Errorf("archive: offset %d is none", r.Offset)
	}
	return nil
}
