package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// recordVersion is the first byte of a record's payload.
const recordVersion = 1

// errShort is the error of a reader that ran out of bytes.
var errShort = errors.New("segment: cut off")

// Record is a finished Kafka record and when it was stored.
type Record struct {
	broker.Record
	StoredAt time.Time // milliseconds
}

// AppendRecord appends the payload of a KindRecord frame to b: version, stored
// time, record time, topic, key, value, headers. Keys and values that are nil
// stay nil, empty ones stay empty. Times are kept in milliseconds, as Kafka
// keeps them.
func AppendRecord(b []byte, r *broker.Record, storedAt time.Time) []byte {
	b = append(b, recordVersion)
	b = binary.AppendVarint(b, storedAt.UnixMilli())
	b = appendTime(b, r.Time)
	b = appendBytes(b, []byte(r.Topic))
	b = appendNullable(b, r.Key)
	b = appendNullable(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for i := range r.Headers {
		b = appendBytes(b, []byte(r.Headers[i].Key))
		b = appendNullable(b, r.Headers[i].Value)
	}
	return b
}

// RecordSize returns at least as many bytes as AppendRecord will append.
func RecordSize(r *broker.Record) int {
	n := 64 + len(r.Topic) + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += 2*binary.MaxVarintLen32 + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// ParseRecord reads the payload of a KindRecord frame, all of it: what is left
// over is an error. Key, value and header values are parts of b.
func ParseRecord(b []byte) (Record, error) {
	d := decoder{b: b}
	if v := d.byte(); d.err == nil && v != recordVersion {
		return Record{}, fmt.Errorf("segment: record version %d, this program knows %d: %w", v, recordVersion, ErrVersion)
	}
	var r Record
	r.StoredAt = time.UnixMilli(d.varint()).UTC()
	r.Time = d.time()
	r.Topic = string(d.bytes())
	r.Key = d.nullable()
	r.Value = d.nullable()
	if n := d.count(2); n > 0 {
		r.Headers = make([]broker.Header, n)
	}
	for i := range r.Headers {
		r.Headers[i] = broker.Header{Key: string(d.bytes()), Value: d.nullable()}
	}
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("segment: %d bytes left over behind a record", len(d.b))
	}
	if d.err != nil {
		return Record{}, d.err
	}
	return r, nil
}

// AppendDead appends the payload of a KindDead frame to b: the cause and the
// payload of the record's own frame.
func AppendDead(b []byte, cause string, record []byte) []byte {
	return append(appendBytes(b, []byte(cause)), record...)
}

// ParseDead reads the payload of a KindDead frame.
func ParseDead(b []byte) (cause string, r Record, err error) {
	d := decoder{b: b}
	cause = string(d.bytes())
	if d.err != nil {
		return "", Record{}, d.err
	}
	r, err = ParseRecord(d.b)
	return cause, r, err
}

// Run is a row of sequence numbers without a gap.
type Run struct {
	First uint64
	Count uint64 // at least 1
}

// Runs sorts sequence numbers and returns them as runs. It changes the slice.
func Runs(seqs []uint64) []Run {
	slices.Sort(seqs)
	var runs []Run
	for _, seq := range seqs {
		last := len(runs) - 1
		switch {
		case last >= 0 && seq < runs[last].First+runs[last].Count: // named twice
		case last >= 0 && seq == runs[last].First+runs[last].Count:
			runs[last].Count++
		default:
			runs = append(runs, Run{First: seq, Count: 1})
		}
	}
	return runs
}

// AppendRuns appends the payload of a KindSettled frame to b: the runs, each as
// its distance from the end of the one before and its length. They ascend.
func AppendRuns(b []byte, runs []Run) []byte {
	next := uint64(0)
	for _, r := range runs {
		b = binary.AppendUvarint(b, r.First-next)
		b = binary.AppendUvarint(b, r.Count)
		next = r.First + r.Count
	}
	return b
}

// ParseRuns reads the payload of a KindSettled frame.
func ParseRuns(b []byte) ([]Run, error) {
	d := decoder{b: b}
	var runs []Run
	next := uint64(0)
	for len(d.b) > 0 && d.err == nil {
		r := Run{First: next + d.uvarint(), Count: d.uvarint()}
		if r.First < next || r.Count == 0 || r.Count > math.MaxUint64-r.First {
			return nil, errors.New("segment: settled records that cannot be")
		}
		next = r.First + r.Count
		runs = append(runs, r)
	}
	if d.err != nil {
		return nil, d.err
	}
	return runs, nil
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendNullable writes the length plus one, and nothing else for nil.
func appendNullable(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(v))+1), v...)
}

// appendTime writes whether there is a time, and it.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), t.UnixMilli())
}

// decoder takes values off the front of b until one is not there.
type decoder struct {
	b   []byte
	err error
}

// take returns the next n bytes; nil once there are not as many.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errShort
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 { // a longer spelling than needed is none of ours
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) time() time.Time {
	switch d.byte() {
	case 0:
		return time.Time{}
	case 1:
		if t := time.UnixMilli(d.varint()).UTC(); !t.IsZero() {
			return t
		}
	}
	d.fail()
	return time.Time{}
}

func (d *decoder) bytes() []byte { return d.take(d.uvarint()) }

func (d *decoder) nullable() []byte {
	n := d.uvarint()
	if n == 0 {
		return nil
	}
	return d.take(n - 1)
}

// count reads how many things follow, of which each takes at least size bytes.
func (d *decoder) count(size uint64) int {
	n := d.uvarint()
	if n > uint64(len(d.b))/size {
		d.fail()
		return 0
	}
	return int(n) //nolint:gosec // at most len(b)
}
