package broker

import (
	"bytes"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// decode decodes what a broker gave from an offset on.
func decode(raw []byte, from int64) (Chunk, error) {
	var d decoder
	batches, _ := whole(raw, from)
	return d.batches(&cursor{topic: testTopic, next: from, stop: -1}, 0, batches)
}

// change alters a batch and makes its checksum right again.
func change(b rawBatch, f func(rawBatch)) rawBatch {
	f(b)
	put32(b[atCRC-sizePrefix:], int(crc32.Checksum(b[atAttributes-sizePrefix:], castagnoli)))
	return b
}

// markerAt is what a transaction leaves at its end.
func markerAt(offset int64) rawBatch {
	return change(rawRecords(offset, "end"), func(b rawBatch) { b[atAttributes-sizePrefix+1] |= 1<<5 | 1<<4 })
}

// emptied is what compaction may leave of a batch.
func emptied(b rawBatch) rawBatch {
	return change(b[:BatchOverhead], func(b rawBatch) {
		put32(b[atBatchLength-sizePrefix:], len(b)-12)
		put32(b[atRecordCount-sizePrefix:], 0)
	})
}

// thinned is a batch of which compaction took all but one record.
func thinned(base int64, value string, last int, delta byte) rawBatch {
	return change(rawRecords(base, value), func(b rawBatch) {
		put32(b[atLastDelta-sizePrefix:], last)
		b[BatchOverhead+3] = delta << 1 // behind length, attributes and time
	})
}

func valuesOf(c Chunk) string {
	var vs []string
	for _, m := range c.Messages {
		vs = append(vs, string(m.Value))
	}
	return strings.Join(vs, " ")
}

func TestDecodeBatches(t *testing.T) {
	t.Parallel()
	whole := rawRecords(4, "a", "b", "c")
	for name, tt := range map[string]struct {
		raw    []byte
		from   int64
		values string
		next   int64
	}{
		"from its beginning":       {whole, 4, "a b c", 7},
		"from within":              {whole, 6, "c", 7},
		"two":                      {slices.Concat(whole, rawRecords(9, "d")), 4, "a b c d", 10},
		"a second that is cut off": {slices.Concat(whole, rawRecords(9, "d")[:65]), 4, "a b c", 7},
		"a second without a head":  {slices.Concat(whole, rawRecords(9, "d")[:15]), 4, "a b c", 7},
		"a marker":                 {markerAt(4), 4, "", 5},
		"emptied by compaction":    {emptied(rawRecords(4, "a", "b")), 4, "", 6},
		"nothing":                  {nil, 4, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(tt.raw, tt.from)
			if err != nil || valuesOf(got) != tt.values || got.Next != tt.next {
				t.Errorf("got %q, next %d, %v; want %q, %d", valuesOf(got), got.Next, err, tt.values, tt.next)
			}
		})
	}
}

func TestDecodeTakesTheBrokersTimeWhereItIsTold(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1800000000123).UTC()
	raw := change(rawRecords(0, "a"), func(b rawBatch) {
		b[atAttributes-sizePrefix+1] |= logAppendTime
		put64(b[atMaxTimestamp-sizePrefix:], at.UnixMilli())
	})
	if got, err := decode(raw, 0); err != nil || !got.Messages[0].Time.Equal(at) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// packed is a batch, compressed.
func packed(t *testing.T, b rawBatch, codec compress.Compression) rawBatch {
	t.Helper()
	var out bytes.Buffer
	w := codec.Codec().NewWriter(&out)
	if _, err := w.Write(b[BatchOverhead:]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return change(append(slices.Clone(b[:BatchOverhead]), out.Bytes()...), func(b rawBatch) {
		b[atAttributes-sizePrefix+1] |= byte(codec)
		put32(b[atBatchLength-sizePrefix:], len(b)-12)
	})
}

// Records that are kept stay what they are while further ones are decoded.
func TestDecodedRecordsAreTheReceivers(t *testing.T) {
	t.Parallel()
	var d decoder
	var kept []Message
	var want []string
	for i := range 100 {
		v := strings.Repeat(string(rune('a'+i%26)), i*99)
		want = append(want, v)
		raw := packed(t, rawRecords(int64(i), v), compress.Compression(1+i%4))
		got, err := d.batches(&cursor{topic: testTopic, next: int64(i), stop: -1}, 0, raw)
		if err != nil || len(got.Messages) != 1 {
			t.Fatalf("%d: %v, %v", i, got, err)
		}
		kept = append(kept, got.Messages...)
		clear(raw)
		_ = append(got.Messages[0].Key, "overwrites what is behind it"...)
	}
	for i, m := range kept {
		if string(m.Value) != want[i] || string(m.Key) != "k" {
			t.Fatalf("record %d is %.20q by now, with key %q", i, m.Value, m.Key)
		}
	}
}

func TestDecodeRefusesWhatContradictsItself(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(rawBatch){
		"a count too high":         func(b rawBatch) { put32(b[atRecordCount-sizePrefix:], 3) },
		"a count too low":          func(b rawBatch) { put32(b[atRecordCount-sizePrefix:], 1) },
		"a record's length":        func(b rawBatch) { b[BatchOverhead] = 0xff },
		"a key's length":           func(b rawBatch) { b[BatchOverhead+4] = 0x7f },
		"an unknown codec":         func(b rawBatch) { b[atAttributes-sizePrefix+1] |= 7 },
		"a codec that it was not":  func(b rawBatch) { b[atAttributes-sizePrefix+1] |= 1 },
		"an offset behind its end": func(b rawBatch) { put32(b[atLastDelta-sizePrefix:], 0) },
		"offsets out of order":     func(b rawBatch) { b[BatchOverhead+3] = 1 << 1 },
		"headers that are not":     func(b rawBatch) { b[len(b)-1] = 0x7e },
		"a negative header number": func(b rawBatch) { b[len(b)-1] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := slices.Concat(rawRecords(0, "x"), change(rawRecords(1, "a", "b"), f))
			if got, err := decode(raw, 0); err == nil || valuesOf(got) != "x" || got.Next != 1 {
				t.Errorf("got %q, next %d, %v; want x and an error", valuesOf(got), got.Next, err)
			}
		})
	}
	short := rawRecords(1, "a")
	put32(short[atBatchLength-sizePrefix:], 20)
	if _, err := decode(short, 0); !errors.Is(err, errBatch) {
		t.Errorf("a batch shorter than its head: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(slices.Concat(rawRecords(0, "a", "b"), rawRecords(2, "c"))), int64(1))
	f.Add([]byte(rawRecords(0, "a")[:BatchOverhead]), int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, from int64) {
		if len(raw) > BatchOverhead {
			put32(raw[atCRC-sizePrefix:], int(crc32.Checksum(raw[atAttributes-sizePrefix:], castagnoli)))
		}
		got, _ := decode(raw, from)
		for _, m := range got.Messages {
			if m.Offset < from {
				t.Errorf("offset %d was not asked for", m.Offset)
			}
		}
	})
}

func FuzzFetchAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x06orders\x00\x00\x00\x01"), int16(11))
	f.Fuzz(func(_ *testing.T, raw []byte, version int16) {
		a := rawAnswer{version: version, buf: raw}
		if a.parse() == nil {
			_ = a.of(0, &cursor{topic: testTopic})
		}
	})
}
