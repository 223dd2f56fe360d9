package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// mostPlain bounds what a compressed batch may become.
	mostPlain = 256 << 20
	// keepPlain is the largest buffer for it that is kept.
	keepPlain = 8 << 20
	// slabBytes and slabHeaders are how much memory records share: who keeps one record
	// keeps as much. A record that takes a good part of it has its own.
	slabBytes   = 32 << 10
	slabHeaders = 256
	// mostCounted bounds what is believed of the number of records beforehand.
	mostCounted = 1 << 16
	// logAppendTime is the attribute of a batch whose records have the time at which
	// the broker took it.
	logAppendTime = 1 << 3
)

var errBatch = errors.New("the batch contradicts itself")

// rawBatch is a record batch of version 2 as brokers keep it: batch without the
// length before it.
type rawBatch []byte

func (b rawBatch) int64(at int) int64 { return int64(binary.BigEndian.Uint64(b[at-sizePrefix:])) } //nolint:gosec // signed on the wire
func (b rawBatch) int32(at int) int32 { return int32(binary.BigEndian.Uint32(b[at-sizePrefix:])) } //nolint:gosec // signed on the wire

// base is the offset that its records' offsets count from.
func (b rawBatch) base() int64 { return b.int64(sizePrefix) }

// end is the offset behind it; compaction leaves it as it was.
func (b rawBatch) end() int64 { return b.base() + int64(b.int32(atLastDelta)) + 1 }

// marker reports whether it is one of a transaction, and compaction left it.
func (b rawBatch) marker() bool { return b.attributes().Control() && b.int32(atRecordCount) > 0 }

func (b rawBatch) attributes() protocol.Attributes {
	return protocol.Attributes(binary.BigEndian.Uint16(b[atAttributes-sizePrefix:])) //nolint:gosec // bits
}

// cutBatch takes the first batch off. ok is false where there is none, or not all of
// it, as brokers may cut an answer anywhere. An error means that it is none of ours.
func cutBatch(raw []byte) (b rawBatch, rest []byte, ok bool, err error) {
	const magicEnd = atMagic - sizePrefix + 1
	if len(raw) < magicEnd {
		return nil, nil, false, nil
	}
	size := int64(binary.BigEndian.Uint32(raw[atBatchLength-sizePrefix:])) + atLeaderEpoch - sizePrefix
	switch magic := raw[magicEnd-1]; {
	case magic != 2:
		return nil, nil, false, fmt.Errorf("it has the format %d of brokers before 0.11, which is not read", magic)
	case size < BatchOverhead:
		return nil, nil, false, errBatch
	case size > int64(len(raw)):
		return nil, nil, false, nil
	}
	return raw[:size], raw[size:], true, nil
}

// whole is the batches without one that was cut off, and the offset behind them. What
// is no batch is left to fail when it is decoded.
func whole(batches []byte, next int64) (all []byte, behind int64) {
	for rest := batches; ; {
		b, more, ok, err := cutBatch(rest)
		if err != nil {
			return batches, next + 1
		}
		if !ok {
			return batches[:len(batches)-len(rest)], next
		}
		next, rest = max(next, b.end()), more
	}
}

// decoder makes records of batches, with few pieces of memory for many of them. It is
// for one goroutine.
type decoder struct {
	room int // for so many more headers behind each record's

	cu      cursor // what was asked for, and
	high    int64  // where its log ends
	plain   bytes.Buffer
	slab    []byte
	headers []Header
	names   []string // of the last record's headers: most records have the same
}

// batches decodes batches of the cursor's partition, whose log ends at high, from the
// cursor's offset to where it stops. With an error comes what is before the batch that is
// at fault.
func (d *decoder) batches(cu *cursor, high int64, batches []byte) (Chunk, error) {
	d.cu, d.high = *cu, high
	out := Chunk{Next: cu.next, Messages: make([]Message, 0, counted(batches))}
	for rest := batches; len(rest) > 0 && !cu.reached(out.Next); {
		b, more, ok, err := cutBatch(rest)
		if err == nil && !ok {
			err = errBatch
		}
		if err != nil {
			return out, err
		}
		before := len(out.Messages)
		if err := d.batch(&out, b); err != nil {
			out.Messages = out.Messages[:before]
			return out, err
		}
		d.pass(&out, b, before)
		rest = more
	}
	return out, nil
}

// pass moves the chunk's end behind a batch, whose messages begin at a place. What is not
// among them is a gap, but for what a marker takes.
func (d *decoder) pass(c *Chunk, b rawBatch, first int) {
	end, msgs := d.cu.atMost(b.end()), c.Messages[first:]
	switch {
	case b.marker():
		c.gap(d.cu.atMost(b.base()))
		c.Next = max(c.Next, end)
	case int64(len(msgs)) == end-c.Next:
		c.Next = end
	default:
		for i := range msgs {
			c.gap(msgs[i].Offset)
			c.Next = msgs[i].Offset + 1
		}
		c.gap(end)
	}
}

// gap notes that there is nothing before an offset.
func (c *Chunk) gap(to int64) {
	if to <= c.Next {
		return
	}
	if n := len(c.Gaps); n > 0 && c.Gaps[n-1].To == c.Next {
		c.Gaps[n-1].To = to
	} else {
		c.Gaps = append(c.Gaps, OffsetGap{From: c.Next, To: to})
	}
	c.Next = to
}

// counted is about how many records there are.
func counted(batches []byte) int {
	n := 0
	for rest := batches; ; {
		b, more, ok, _ := cutBatch(rest)
		if !ok {
			return n
		}
		n, rest = min(n+max(0, int(b.int32(atRecordCount))), mostCounted), more
	}
}

// batch decodes one batch.
func (d *decoder) batch(out *Chunk, b rawBatch) error {
	if sum := crc32.Checksum(b[atAttributes-sizePrefix:], castagnoli); sum != uint32(b.int32(atCRC)) { //nolint:gosec // bits
		return fmt.Errorf("crc32 checksum mismatch (%08x, and it says %08x)", sum, uint32(b.int32(atCRC))) //nolint:gosec // bits
	}
	if b.attributes().Control() {
		return nil
	}
	rest, err := d.records(b)
	if err != nil {
		return err
	}
	for range b.int32(atRecordCount) {
		size, n := binary.Varint(rest)
		if n <= 0 || size < 1 || size > int64(len(rest)-n) {
			return errBatch
		}
		if err := d.record(out, b, rest[n:n+int(size)]); err != nil {
			return err
		}
		rest = rest[n+int(size):]
	}
	if len(rest) > 0 {
		return errBatch
	}
	return nil
}

// records are a batch's records, decompressed into memory that the next ones reuse.
func (d *decoder) records(b rawBatch) ([]byte, error) {
	packed := b[BatchOverhead:]
	compression := b.attributes().Compression()
	if compression == 0 {
		return packed, nil
	}
	codec := compression.Codec()
	if codec == nil {
		return nil, fmt.Errorf("unsupported compression codec (%d)", compression)
	}
	if d.plain.Cap() > keepPlain {
		d.plain = bytes.Buffer{}
	}
	d.plain.Reset()
	r := codec.NewReader(bytes.NewReader(packed))
	defer r.Close()
	n, err := io.Copy(&d.plain, io.LimitReader(r, mostPlain+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress: %w", err)
	case n > mostPlain:
		return nil, fmt.Errorf("decompress: it is larger than %d bytes", mostPlain)
	}
	return d.plain.Bytes(), nil
}

// record decodes one record: https://kafka.apache.org/documentation/#record. A broker
// answers with whole batches, so some may not be asked for.
func (d *decoder) record(out *Chunk, b rawBatch, body []byte) error {
	r := fields{rest: body[1:]} // behind the attributes, of which there are none
	at, offset := r.varint(), b.base()+r.varint()
	n := len(out.Messages)
	switch {
	case r.broken || offset < b.base() || offset >= b.end():
		return errBatch
	case offset < out.Next || d.cu.reached(offset):
		return nil
	case n > 0 && offset <= out.Messages[n-1].Offset:
		return errBatch
	}
	r.rest = d.own(r.rest)
	m := Message{Topic: d.cu.topic, Partition: d.cu.partition, Offset: offset, HighWater: d.high}
	m.Key, m.Value = r.bytes(), r.bytes()
	m.Headers = d.read(&r)
	if b.attributes()&logAppendTime != 0 {
		m.Time = time.UnixMilli(b.int64(atMaxTimestamp)).UTC()
	} else {
		m.Time = time.UnixMilli(b.int64(atBaseTimestamp) + at).UTC()
	}
	if r.broken || len(r.rest) > 0 {
		return errBatch
	}
	out.Messages = append(out.Messages, m)
	return nil
}

// read reads a record's headers.
func (d *decoder) read(r *fields) []Header {
	n := r.varint()
	if n < 0 || n > int64(len(r.rest)/2) {
		r.broken = true
	}
	most := int(n) + d.room
	if r.broken || most == 0 {
		return nil
	}
	if most > cap(d.headers)-len(d.headers) {
		d.headers = make([]Header, 0, max(most, slabHeaders))
	}
	start := len(d.headers)
	for i := range int(n) {
		d.headers = append(d.headers, Header{Key: d.name(i, r.bytes()), Value: r.bytes()})
	}
	end := len(d.headers)
	d.headers = d.headers[:start+most]
	return d.headers[start : end : start+most]
}

// name is the name of a record's i-th header.
func (d *decoder) name(i int, raw []byte) string {
	switch {
	case i >= len(d.names):
		d.names = append(d.names, string(raw))
		return d.names[len(d.names)-1]
	case d.names[i] != string(raw):
		d.names[i] = string(raw)
	}
	return d.names[i]
}

// own copies bytes into memory that the receiver may keep.
func (d *decoder) own(b []byte) []byte {
	if len(b) > slabBytes/8 {
		return bytes.Clone(b)
	}
	if len(b) > cap(d.slab)-len(d.slab) {
		d.slab = make([]byte, 0, slabBytes)
	}
	start := len(d.slab)
	d.slab = append(d.slab, b...)
	return d.slab[start:len(d.slab):len(d.slab)]
}

// fields reads a record's fields.
type fields struct {
	rest   []byte
	broken bool
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.broken, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

// bytes reads bytes behind their length; -1 is nil.
func (f *fields) bytes() []byte {
	n := f.varint()
	switch {
	case n == -1:
		return nil
	case n < 0 || n > int64(len(f.rest)):
		f.broken, f.rest = true, nil
		return nil
	}
	v := f.rest[:n:n]
	f.rest = f.rest[n:]
	return v
}
