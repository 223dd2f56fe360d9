// Package segment is the format of the spool's files, as functions over bytes:
// a file is a header and then frames, one behind the other. Every frame says
// how long it is and carries two checksums, one over its own head and one over
// everything, so that whatever happened to a file, what is still whole in it is
// found and nothing else is taken for a record.
//
//	header  "PSTSPL" | version u16 | number u32 | salt u32 | base u64 | created i64 | reserved u32 | crc32c u32
//	frame   magic u32 | len u32 | crc32c u32 | kind u8, head check u24 | seq u64 | payload
//
// All numbers are little-endian. The frame's crc32c (Castagnoli, RFC 3720
// appendix B.4) covers len, kind, seq and payload; the head check is the upper
// part of the same sum over len, kind and seq. Both start from where the frame is
// (Place): the file's salt, a random number, and the offset. A payload that holds
// what looks like a frame is not taken for one when the search for the next frame
// runs over it, nor is a block that a disk has put in another place.
package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

const (
	// HeaderSize is the length of a file's header, bytes.
	HeaderSize = 40
	// FrameHead is the length of a frame without its payload, bytes.
	FrameHead = 24
	// MaxPayload is the longest payload of a frame, bytes. What claims to be
	// longer is damage.
	MaxPayload = 64 << 20

	version = 1
	magic   = "PSTSPL"
	// frameMagic is 0xD1 'P' 'S' 0xF7 in the file: no UTF-8, so that text does
	// not hold it.
	frameMagic = 0xF753_50D1
)

// Kind says what a frame holds.
type Kind uint8

const (
	// KindRecord is a record (Record) that is to be published; seq is its own.
	KindRecord Kind = 1
	// KindSettled is a list of sequence numbers (AppendRuns) whose records need
	// no more care; seq is the next one that was free when it was written.
	KindSettled Kind = 2
	// KindDead is a record that was set aside, with the cause (Dead).
	KindDead Kind = 3
)

// ErrVersion is wrapped by the error about a file of a newer format.
var ErrVersion = errors.New("written by a newer version")

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the head of a file.
type Header struct {
	Number  uint32 // of the segment, from 1
	Salt    uint32 // start of every checksum in the file
	Base    uint64 // no record of the file has a lower sequence number
	Created time.Time
	// Reserved is the length the file got when it was made, bytes. Zeros at the
	// end of a file of another length are no unused space.
	Reserved uint32
}

// AppendHeader appends the header of a new file to b.
func AppendHeader(b []byte, h Header) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint32(b, h.Number)
	b = binary.LittleEndian.AppendUint32(b, h.Salt)
	b = binary.LittleEndian.AppendUint64(b, h.Base)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Created.UnixMilli()))
	b = binary.LittleEndian.AppendUint32(b, h.Reserved)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// ParseHeader reads the header at the start of a file. The error wraps
// ErrVersion when the header is whole and of a newer format: then nothing else
// in the file may be interpreted, nor written.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || string(b[:len(magic)]) != magic {
		return Header{}, errors.New("segment: no header")
	}
	if binary.LittleEndian.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli) {
		return Header{}, errors.New("segment: header damaged")
	}
	if v := binary.LittleEndian.Uint16(b[6:]); v != version {
		return Header{}, fmt.Errorf("segment: format version %d, this program knows %d: %w", v, version, ErrVersion)
	}
	return Header{
		Number:  binary.LittleEndian.Uint32(b[8:]),
		Salt:    binary.LittleEndian.Uint32(b[12:]),
		Base:    binary.LittleEndian.Uint64(b[16:]),
		Created: time.UnixMilli(int64(binary.LittleEndian.Uint64(b[24:]))).UTC(), //nolint:gosec // bits, not a number

		Reserved: binary.LittleEndian.Uint32(b[32:]),
	}, nil
}

// Salt returns the salt that a header says, also one that is damaged: whether it
// is right the checksums of the frames tell. ok is false if there is none.
func Salt(b []byte) (salt uint32, ok bool) {
	if len(b) < HeaderSize {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b[12:]), true
}

// Frame is one whole frame of a file.
type Frame struct {
	Kind    Kind
	Seq     uint64
	Offset  int // of its head in the file
	Payload []byte
}

// Size returns the length of the frame in the file, bytes.
func (f *Frame) Size() int { return FrameHead + len(f.Payload) }

// Place is where a frame is. It is part of the frame's checksums.
type Place struct {
	Salt   uint32 // of the file
	Offset uint32 // in the file, bytes
}

// StartFrame appends an empty head to b, behind which the payload belongs.
// SealFrame fills it in.
func StartFrame(b []byte) []byte { return append(b, make([]byte, FrameHead)...) }

// SealFrame fills in the head of the frame that b is, from its first byte to
// the last of its payload. The payload is at most MaxPayload long.
func SealFrame(b []byte, at Place, kind Kind, seq uint64) {
	binary.LittleEndian.PutUint32(b, frameMagic)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-FrameHead)) //nolint:gosec // at most MaxPayload
	binary.LittleEndian.PutUint64(b[16:], seq)
	b[12] = byte(kind)
	head := headSum(b, at)
	b[13], b[14], b[15] = byte(head>>8), byte(head>>16), byte(head>>24) //nolint:gosec // byte by byte
	binary.LittleEndian.PutUint32(b[8:], crc32.Update(head, castagnoli, b[FrameHead:]))
}

// AppendFrame appends a frame with a copy of the payload to the bytes of a file.
func AppendFrame(b []byte, salt uint32, kind Kind, seq uint64, payload []byte) []byte {
	start := len(b)
	b = append(StartFrame(b), payload...)
	SealFrame(b[start:], Place{salt, uint32(start)}, kind, seq) //nolint:gosec // files are below 4 GiB
	return b
}

// headSum is the checksum over len, kind and seq of a frame's head.
func headSum(b []byte, at Place) uint32 {
	sum := crc32.Update(at.Salt+at.Offset, castagnoli, b[4:8])
	sum = crc32.Update(sum, castagnoli, b[12:13])
	return crc32.Update(sum, castagnoli, b[16:24])
}

// head is what a frame's head says of itself; ok means that it says so itself
// and was not changed since.
type head struct {
	kind   Kind
	length int
	seq    uint64
	sum    uint32
	ok     bool
}

// parseHead reads the head at the start of b.
func parseHead(b []byte, at Place) head {
	if len(b) < FrameHead || binary.LittleEndian.Uint32(b) != frameMagic {
		return head{}
	}
	length := binary.LittleEndian.Uint32(b[4:])
	h := head{kind: Kind(b[12]), length: int(length), seq: binary.LittleEndian.Uint64(b[16:]), sum: headSum(b, at)}
	check := uint32(b[13])<<8 | uint32(b[14])<<16 | uint32(b[15])<<24
	h.ok = h.sum&^0xFF == check && length <= MaxPayload && h.kind >= KindRecord && h.kind <= KindDead
	return h
}

// ParseFrame reads the frame at the start of b, which may be longer. The error
// says what is wrong with it. The payload is part of b.
func ParseFrame(b []byte, at Place) (Frame, error) {
	h := parseHead(b, at)
	switch {
	case !h.ok:
		return Frame{}, errors.New("segment: no frame here, or its head is damaged")
	case len(b) < FrameHead+h.length:
		return Frame{}, fmt.Errorf("segment: the frame of record %d is cut off", h.seq)
	}
	payload := b[FrameHead : FrameHead+h.length : FrameHead+h.length]
	if crc32.Update(h.sum, castagnoli, payload) != binary.LittleEndian.Uint32(b[8:]) {
		return Frame{}, fmt.Errorf("segment: the checksum of record %d does not hold", h.seq)
	}
	return Frame{Kind: h.kind, Seq: h.seq, Offset: int(at.Offset), Payload: payload}, nil
}

// FrameSize returns the length of the frame whose head is at the start of b.
func FrameSize(b []byte, at Place) (int, bool) {
	h := parseHead(b, at)
	return FrameHead + h.length, h.ok
}

// Scanner finds the whole frames of a file, from its header on.
type Scanner struct {
	data []byte
	salt uint32
	pos  int
	end  int // behind it are only zeros: space that was reserved and not used
	// known: a frame was begun at pos, whatever is there now.
	known bool
}

// NewScanner returns a scanner over a file's bytes. The salt is the header's, or
// else the one in the file's name.
func NewScanner(data []byte, salt uint32) *Scanner {
	end := len(bytes.TrimRight(data, "\x00"))
	return &Scanner{data: data, salt: salt, pos: min(HeaderSize, len(data)), end: end, known: true}
}

// Next returns the next whole frame and how many bytes before it are damaged.
// At the end ok is false, and skipped is the length of what could not be read
// behind the last whole frame.
func (s *Scanner) Next() (f Frame, skipped int, ok bool) {
	start := s.pos
	for s.pos < s.end {
		f, err := ParseFrame(s.data[s.pos:], s.here())
		if err == nil {
			s.pos += f.Size()
			s.known = true
			return f, f.Offset - start, true
		}
		s.skip()
	}
	return Frame{}, max(s.end-start, 0), false
}

// here is the place of a frame that begins at pos.
func (s *Scanner) here() Place {
	return Place{s.salt, uint32(s.pos)} //nolint:gosec // files are below 4 GiB
}

// skip moves to where to look next when there is no whole frame at pos.
func (s *Scanner) skip() {
	// A head that holds, where one must be, is true in what it says of its
	// length: nothing inside its damaged payload is looked at.
	if size, ok := FrameSize(s.data[s.pos:], s.here()); ok && s.known && s.pos+size <= s.end {
		s.pos += size
		return
	}
	s.known = false
	for s.pos++; s.pos < s.end; s.pos++ {
		i := bytes.Index(s.data[s.pos:s.end], []byte{0xD1, 0x50, 0x53, 0xF7})
		if i < 0 {
			s.pos = s.end
			return
		}
		if s.pos += i; parseHead(s.data[s.pos:], s.here()).ok {
			return
		}
	}
}
