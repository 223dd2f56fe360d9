package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

var when = time.UnixMilli(1_790_000_000_123).UTC()

// sample are records with everything that may be nil or empty.
func sample() []broker.Record {
	return []broker.Record{
		{},
		{Topic: "email.delivered", Key: []byte("k"), Value: []byte("v"), Time: when},
		{Topic: "t", Key: []byte{}, Value: []byte{}, Headers: []broker.Header{{}, {Key: "a", Value: []byte{}}, {Key: "a", Value: []byte("b")}}},
		{Topic: "t", Value: bytes.Repeat([]byte("x"), 70_000), Time: time.UnixMilli(-5).UTC()},
	}
}

// sampleFile is a file with those records and a note.
func sampleFile(salt uint32, recs []broker.Record) []byte {
	b := AppendHeader(nil, Header{Number: 1, Salt: salt, Base: 1, Created: when, Reserved: 99})
	seq := uint64(1)
	for _, r := range recs {
		b = AppendFrame(b, salt, KindRecord, seq, AppendRecord(nil, &r, when))
		seq++
	}
	return AppendFrame(b, salt, KindSettled, seq, AppendRuns(nil, []Run{{First: 1, Count: 2}}))
}

func TestHeader(t *testing.T) {
	want := Header{Number: 7, Salt: 8, Base: 9, Created: when, Reserved: 10}
	b := AppendHeader(nil, want)
	got, err := ParseHeader(b)
	if err != nil || got != want || len(b) != HeaderSize {
		t.Errorf("%+v %v", got, err)
	}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 4
		if _, err := ParseHeader(c); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
		if _, err := ParseHeader(b[:i]); err == nil {
			t.Errorf("cut at %d: no error", i)
		}
	}
	b[6] = 2
	binary.LittleEndian.PutUint32(b[36:], crc32.Checksum(b[:36], castagnoli))
	if _, err := ParseHeader(b); !errors.Is(err, ErrVersion) {
		t.Errorf("newer: %v", err)
	}
}

func TestRecord(t *testing.T) {
	for i, want := range sample() {
		b := AppendRecord(nil, &want, when)
		got, err := ParseRecord(b)
		if err != nil || !got.StoredAt.Equal(when) {
			t.Errorf("%d: %v", i, err)
		}
		if diff := cmp.Diff(want, got.Record); diff != "" {
			t.Errorf("%d:\n%s", i, diff)
		}
		if len(b) > RecordSize(&want) {
			t.Errorf("%d: %d bytes, said at most %d", i, len(b), RecordSize(&want))
		}
		for at := range min(len(b), 100) {
			if _, err := ParseRecord(b[:at]); err == nil {
				t.Errorf("%d: cut at %d: no error", i, at)
			}
		}
		if _, err := ParseRecord(append(b, 0)); err == nil {
			t.Errorf("%d: a byte too many: no error", i)
		}
		cause, dead, err := ParseDead(AppendDead(nil, "why", b))
		if err != nil || cause != "why" || cmp.Diff(got, dead) != "" {
			t.Errorf("%d: dead: %q %v", i, cause, err)
		}
	}
	if _, err := ParseRecord([]byte{2}); !errors.Is(err, ErrVersion) {
		t.Errorf("newer: %v", err)
	}
}

func TestRuns(t *testing.T) {
	want := []Run{{1, 3}, {7, 1}, {1 << 40, 2}}
	got := Runs([]uint64{2, 1<<40 + 1, 7, 1, 3, 1 << 40, 2})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err := ParseRuns(AppendRuns(nil, want))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, b := range [][]byte{{1}, {1, 0}, binary.AppendUvarint([]byte{9}, 1<<64-5)} {
		if _, err := ParseRuns(b); err == nil {
			t.Errorf("%v: no error", b)
		}
	}
}

func TestScannerFindsAll(t *testing.T) {
	b := sampleFile(5, sample())
	scan := NewScanner(append(b, make([]byte, 1000)...), 5)
	var kinds []Kind
	for {
		f, skipped, ok := scan.Next()
		if skipped != 0 {
			t.Errorf("%d bytes skipped", skipped)
		}
		if !ok {
			break
		}
		kinds = append(kinds, f.Kind)
	}
	if diff := cmp.Diff([]Kind{1, 1, 1, 1, 2}, kinds); diff != "" {
		t.Error(diff)
	}
}

// TestFrameInAFrame: what looks like a frame in a damaged record's payload is
// none, whoever wrote it there, and however much of it there is.
func TestFrameInAFrame(t *testing.T) {
	for _, damage := range []int{HeaderSize, HeaderSize + FrameHead + 1} {
		forged := AppendFrame(nil, 0, KindRecord, 2, AppendRecord(nil, &broker.Record{Topic: "forged"}, when))
		payload := AppendRecord(nil, &broker.Record{Topic: "t", Value: bytes.Repeat(forged, 1000)}, when)
		b := AppendHeader(nil, Header{Number: 1, Salt: 0xABCD, Base: 1, Created: when})
		b = AppendFrame(b, 0xABCD, KindRecord, 1, payload)
		b = AppendFrame(b, 0xABCD, KindRecord, 2, AppendRecord(nil, &broker.Record{Topic: "true"}, when))
		b[damage] ^= 1
		f, skipped, ok := NewScanner(b, 0xABCD).Next()
		if !ok || f.Seq != 2 || skipped != FrameHead+len(payload) {
			t.Fatalf("found %d after %d bytes, want 2 after %d", f.Seq, skipped, FrameHead+len(payload))
		}
		if r, err := ParseRecord(f.Payload); err != nil || r.Topic != "true" {
			t.Errorf("%+v %v", r, err)
		}
	}
}

// TestFrameInAnotherPlace: a block that was written to the wrong place does not
// bring a frame there.
func TestFrameInAnotherPlace(t *testing.T) {
	b := AppendHeader(nil, Header{Number: 1, Salt: 3, Base: 1, Created: when})
	for seq := range uint64(3) {
		b = AppendFrame(b, 3, KindRecord, seq+1, AppendRecord(nil, &broker.Record{Topic: "t"}, when))
	}
	size := (len(b) - HeaderSize) / 3
	copy(b[HeaderSize:], b[HeaderSize+2*size:])
	f, skipped, ok := NewScanner(b, 3).Next()
	if !ok || f.Seq != 2 || skipped != size {
		t.Errorf("found %d after %d bytes, want 2 after %d", f.Seq, skipped, size)
	}
}

// holds says by other means than the scanner's whether a frame is whole: the
// sum over len, kind, seq and payload, from the salt and the place on.
func holds(data []byte, salt uint32, f Frame) bool {
	b := data[f.Offset : f.Offset+f.Size()]
	sum := crc32.Update(salt+uint32(f.Offset), crc32.MakeTable(crc32.Castagnoli),
		bytes.Join([][]byte{b[4:8], b[12:13], b[16:24], b[24:]}, nil))
	return sum == binary.LittleEndian.Uint32(b[8:]) && bytes.Equal(b[24:], f.Payload) && f.Seq == binary.LittleEndian.Uint64(b[16:])
}

func FuzzScanner(f *testing.F) {
	f.Add(sampleFile(5, sample()[:3]), uint32(5)) // short ones: what is found must be found often
	f.Add(sampleFile(5, sample()[:2]), uint32(6))
	f.Add(bytes.Repeat([]byte{0xD1, 0x50, 0x53, 0xF7}, 200), uint32(0))
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, salt uint32) {
		if h, err := ParseHeader(data); err == nil {
			salt = h.Salt
		}
		scan := NewScanner(data, salt)
		end := min(HeaderSize, len(data))
		for {
			fr, skipped, ok := scan.Next()
			if !ok {
				if end+skipped > len(data) {
					t.Fatalf("%d bytes skipped behind %d of %d", skipped, end, len(data))
				}
				return
			}
			if fr.Offset != end+skipped || !holds(data, salt, fr) {
				t.Fatalf("frame at %d after %d and %d skipped bytes; holds: %v", fr.Offset, end, skipped, holds(data, salt, fr))
			}
			end = fr.Offset + fr.Size()
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, r := range sample() {
		f.Add(AppendRecord(nil, &r, when))
	}
	f.Add([]byte{1, 0, 0, 0, 0, 0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			return
		}
		if again := AppendRecord(nil, &r.Record, r.StoredAt); !bytes.Equal(again, data) {
			t.Errorf("another encoding\n%x\n%x", data, again)
		}
	})
}

func FuzzRuns(f *testing.F) {
	f.Add(AppendRuns(nil, []Run{{1, 2}, {9, 1}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		runs, err := ParseRuns(data)
		if err != nil {
			return
		}
		next := uint64(0)
		for _, r := range runs {
			if r.First < next || r.Count == 0 || r.First+r.Count < r.First {
				t.Fatalf("runs %v", runs)
			}
			next = r.First + r.Count
		}
	})
}
