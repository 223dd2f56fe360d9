package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/compress/snappy"
)

// Layout of a version 2 record batch (KIP-98), behind the four-byte length
// that the produce request puts before a record set and that kafka-go expects
// the raw bytes to carry. All integers are big-endian.
const (
	sizePrefix = 4
	// BatchOverhead is what a batch takes beside its records, in bytes. A
	// topic's max.message.bytes limits the whole batch.
	BatchOverhead = 61

	atBatchLength   = sizePrefix + 8
	atLeaderEpoch   = sizePrefix + 12
	atMagic         = sizePrefix + 16
	atCRC           = sizePrefix + 17
	atAttributes    = sizePrefix + 21
	atLastDelta     = sizePrefix + 23
	atBaseTimestamp = sizePrefix + 27
	atMaxTimestamp  = sizePrefix + 35
	atProducerID    = sizePrefix + 43
	atProducerEpoch = sizePrefix + 51
	atBaseSequence  = sizePrefix + 53
	atRecordCount   = sizePrefix + 57
	atRecords       = sizePrefix + BatchOverhead
)

// keepBuffer is the largest buffer that goes back to the pool, in bytes.
const keepBuffer = 2 << 20

// Compression is how record batches are compressed, by the names of Kafka's
// compression.type. The zero value and unknown names compress nothing.
type Compression string

// Compressions. Snappy and LZ4 cost the least time, zstd gives the smallest batches.
// All clients that follow Kafka's protocol read all of them, some with a library that
// has to be added.
const (
	Uncompressed Compression = "none"
	Gzip         Compression = "gzip"
	Snappy       Compression = "snappy"
	LZ4          Compression = "lz4"
	Zstd         Compression = "zstd"
)

// codec returns kafka-go's codec; nil for none.
func (c Compression) codec() compress.Codec {
	switch c {
	case Gzip:
		return &compress.GzipCodec
	case Snappy: // kafka-go's own choice is slower by half, for batches smaller by a tenth
		return &snappy.Codec{Compression: snappy.FasterCompression}
	case LZ4:
		return &compress.Lz4Codec
	case Zstd:
		return &compress.ZstdCodec
	case Uncompressed:
	}
	return nil
}

// castagnoli is the polynomial of CRC-32C; the table is never written to.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch as it goes over the wire.
type batch struct {
	from    *batches
	buf     []byte
	packed  bool // its records are compressed, or would gain nothing by it
	codec   int8 // as the attributes name it; 0: not compressed
	records int32
	base    int64 // milliseconds; deltas of the records' timestamps count from it
	max     int64
	// shared: a connection may still be reading buf, so it can't be reused.
	shared bool
}

// batches recycles buffers between lanes.
type batches struct {
	pool    sync.Pool
	codec   compress.Codec // nil: batches are not compressed
	scratch sync.Pool      // of *bytes.Buffer, what is compressed into
}

func (p *batches) get() *batch {
	if b, ok := p.pool.Get().(*batch); ok {
		return b
	}
	return &batch{from: p, buf: make([]byte, atRecords, 4<<10)}
}

func (p *batches) put(b *batch) {
	if !b.shared && cap(b.buf) <= keepBuffer {
		p.pool.Put(b)
	}
}

// reset empties the batch. It takes a new buffer when the old one is shared.
func (b *batch) reset() {
	if b.shared {
		b.buf, b.shared = make([]byte, atRecords, cap(b.buf)), false
	}
	b.buf, b.records, b.packed, b.codec = b.buf[:atRecords], 0, false, 0
}

// add appends a record; the zero time becomes now.
func (b *batch) add(r *Record, now time.Time) {
	ms := r.Time.UnixMilli()
	if r.Time.IsZero() {
		ms = now.UnixMilli()
	}
	if b.records == 0 {
		b.base, b.max = ms, ms
	}
	b.max = max(b.max, ms)
	size := recordBodySize(r, ms-b.base, int64(b.records))
	buf := binary.AppendVarint(b.buf, int64(size)) // a local slice: its header stays in registers
	buf = append(buf, 0)                           // attributes: none are defined
	buf = binary.AppendVarint(buf, ms-b.base)
	buf = binary.AppendVarint(buf, int64(b.records))
	buf = appendBytes(buf, r.Key)
	buf = appendBytes(buf, r.Value)
	buf = binary.AppendVarint(buf, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		buf = binary.AppendVarint(buf, int64(len(h.Key)))
		buf = append(buf, h.Key...)
		buf = appendBytes(buf, h.Value)
	}
	b.buf = buf
	b.records++
}

// appendBytes appends v behind its length; nil, which Kafka tells from empty,
// has length -1.
func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

// pack compresses the records, unless that would make them longer. No record is added
// from here on.
func (b *batch) pack() {
	b.packed = true
	codec := b.from.codec
	if codec == nil {
		return
	}
	out, ok := b.from.scratch.Get().(*bytes.Buffer)
	if !ok {
		out = new(bytes.Buffer)
	}
	out.Reset()
	w := codec.NewWriter(out)
	_, err := w.Write(b.buf[atRecords:])
	// A buffer takes everything: an error is the codec's, and then they go as they are.
	if err = errors.Join(err, w.Close()); err == nil && out.Len() < len(b.buf)-atRecords {
		b.buf, b.codec = append(b.buf[:atRecords], out.Bytes()...), codec.Code()
	}
	if out.Cap() <= keepBuffer {
		b.from.scratch.Put(out)
	}
}

// seal compresses the records and writes the header for the producer and the sequence
// number of the first record. It may be called again for another producer: the records
// stay.
func (b *batch) seal(id identity, sequence int32) {
	if !b.packed {
		b.pack()
	}
	h := b.buf
	put32(h, len(h)-sizePrefix)
	put64(h[sizePrefix:], 0) // base offset: the broker's business
	put32(h[atBatchLength:], len(h)-atLeaderEpoch)
	put32(h[atLeaderEpoch:], -1)            // unknown to producers
	h[atMagic] = 2                          // record batch version
	put16(h[atAttributes:], int16(b.codec)) // CreateTime, no transaction
	put32(h[atLastDelta:], b.records-1)
	put64(h[atBaseTimestamp:], b.base)
	put64(h[atMaxTimestamp:], b.max)
	put64(h[atProducerID:], id.producer)
	put16(h[atProducerEpoch:], id.epoch)
	put32(h[atBaseSequence:], sequence)
	put32(h[atRecordCount:], b.records)
	// The checksum covers everything behind itself.
	binary.BigEndian.PutUint32(h[atCRC:], crc32.Checksum(h[atAttributes:], castagnoli))
}

// The wire format is two's complement, cut to the field's width.

func put16[T int | int16](b []byte, v T) { binary.BigEndian.PutUint16(b, uint16(v)) }
func put32[T int | int32](b []byte, v T) { binary.BigEndian.PutUint32(b, uint32(v)) }
func put64(b []byte, v int64)            { binary.BigEndian.PutUint64(b, uint64(v)) } //nolint:gosec // see above

// nextSequence is the sequence number behind n records that start at sequence.
// Numbers are non-negative int32s; 0 follows the largest.
func nextSequence(sequence, n int32) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}

// RecordBytes is the size of r encoded as the only record of a batch, without
// BatchOverhead. Compare it with (*GroupCommitter).MaxRecordBytes.
func RecordBytes(r *Record) int {
	body := recordBodySize(r, 0, 0)
	return varintSize(int64(body)) + body
}

func recordBodySize(r *Record, timeDelta, offsetDelta int64) int {
	n := 1 + varintSize(timeDelta) + varintSize(offsetDelta) + bytesSize(r.Key) + bytesSize(r.Value)
	n += varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	return n
}

func bytesSize(v []byte) int {
	if v == nil {
		return 1
	}
	return varintSize(int64(len(v))) + len(v)
}

// varintSize is the length of v as a zigzag varint (binary.AppendVarint).
func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63) //nolint:gosec // zigzag
	return (bits.Len64(u|1) + 6) / 7
}

// States of a handover.
const (
	offered uint32 = iota
	reading
	copied
	revoked
)

// handover lends sealed bytes to kafka-go for one attempt, and knows what
// became of them. A connection's goroutine copies them when it encodes the
// request; that can be long after the attempt's context ended. So the lender
// revokes the offer when an attempt fails: if nobody had begun to read, the
// batch was certainly not sent and never will be with this attempt.
type handover struct {
	data  []byte
	state atomic.Uint32
}

var errRevoked = errors.New("publish attempt was withdrawn")

// WriteTo implements io.WriterTo: one copy into kafka-go's request buffer,
// without the 32 KiB intermediate buffer of io.Copy.
func (h *handover) WriteTo(w io.Writer) (int64, error) {
	if !h.state.CompareAndSwap(offered, reading) {
		return 0, errRevoked
	}
	n, err := w.Write(h.data)
	h.state.CompareAndSwap(reading, copied)
	return int64(n), err
}

// Read implements io.Reader, which kafka-go's field asks for; io.Copy prefers
// WriteTo and never calls it.
func (h *handover) Read([]byte) (int, error) { return 0, errRevoked }

// open says that nobody took the offer yet, and that it still stands.
func (h *handover) open() bool { return h.state.Load() == offered }

// revoke ends the loan. taken: the bytes may have been sent; busy: they are
// being copied right now.
func (h *handover) revoke() (taken, busy bool) {
	state := h.state.Swap(revoked)
	return state != offered, state == reading
}
