package dedupe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// remembered is an id as it is kept in the topic.
type remembered struct {
	id      [16]byte
	content [8]byte   // the head of the content's hash
	at      time.Time // when it was accepted, by the receiver's clock; milliseconds
}

// Format of a record's value, numbers in big-endian order:
//
//	version   1 byte, 1
//	instance  1 byte length, then the writer's name
//	base      8 bytes, Unix time in milliseconds
//	entries   28 bytes each: id 16, content 8, milliseconds after base 4
//
// A later version may say anything behind the first byte: records that are not
// understood are passed over, and cost duplicates.
const (
	formatVersion = 1
	entryBytes    = 16 + 8 + 4
	maxInstance   = math.MaxUint8
)

// errFormat says that a record is none of ours, or damaged.
var errFormat = errors.New("dedupe: the record is damaged")

// appendRecord appends the value of a record that holds entries, in any order. One
// that is more than 49 days after the first is written as if it were 49. Times
// before 1970 are written as 1970.
func appendRecord(dst []byte, instance string, entries []remembered) []byte {
	instance = instance[:min(len(instance), maxInstance)]
	base := int64(latest)
	for i := range entries {
		base = min(base, max(entries[i].at.UnixMilli(), 0))
	}
	dst = append(dst, formatVersion, byte(len(instance))) //nolint:gosec // bounded above
	dst = append(dst, instance...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(base))
	for i := range entries {
		e := &entries[i]
		after := min(max(e.at.UnixMilli()-base, 0), math.MaxUint32)
		dst = append(append(dst, e.id[:]...), e.content[:]...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(after))
	}
	return dst
}

// record is one that was read.
type record struct {
	instance string // who wrote it
	base     int64
	entries  []byte
}

// parseRecord reads a record's value, which stays in use. The error says that it
// is of another version, or damaged.
func parseRecord(value []byte) (record, error) {
	if len(value) < 2 {
		return record{}, errFormat
	}
	if value[0] != formatVersion {
		return record{}, fmt.Errorf("dedupe: the record has version %d, this receiver reads %d", value[0], formatVersion)
	}
	n, rest := int(value[1]), value[2:]
	if len(rest) < n+8 || (len(rest)-n-8)%entryBytes != 0 {
		return record{}, errFormat
	}
	base := int64(binary.BigEndian.Uint64(rest[n:])) //nolint:gosec // written in the same way
	if base < 0 || base > latest {
		return record{}, errFormat
	}
	return record{instance: string(rest[:n]), base: base, entries: rest[n+8:]}, nil
}

// latest is the last moment that a record may begin at, in the year 9999.
const latest = 253_402_300_799_000

// len is how many entries the record has.
func (r *record) len() int { return len(r.entries) / entryBytes }

// entry is one of them.
func (r *record) entry(i int) remembered {
	b := r.entries[i*entryBytes:][:entryBytes]
	after := int64(binary.BigEndian.Uint32(b[24:]))
	return remembered{id: [16]byte(b), content: [8]byte(b[16:]), at: time.UnixMilli(r.base + after)}
}
