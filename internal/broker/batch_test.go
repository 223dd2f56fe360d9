package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func encode(id identity, sequence int32, recs []Record) *batch {
	return encodeAs(Uncompressed, id, sequence, recs)
}

func encodeAs(c Compression, id identity, sequence int32, recs []Record) *batch {
	b := (&batches{codec: c.codec()}).get()
	b.reset()
	for i := range recs {
		b.add(&recs[i], time.UnixMilli(1))
	}
	b.seal(id, sequence)
	return b
}

// genRecord draws nil and empty fields, long fields (several varint bytes) and
// times in any order.
func genRecord(t *rapid.T) Record {
	long := rapid.Custom(func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.SampledFrom([]int{63, 64, 65, 8191, 8192, 8193}).Draw(t, "length"))
	})
	field := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 20), long)
	r := Record{
		Topic: "t", Key: field.Draw(t, "key"), Value: field.Draw(t, "value"),
		Time: time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "time")),
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, Header{Key: rapid.StringN(0, 10, 200).Draw(t, "header"), Value: field.Draw(t, "header value")})
	}
	return r
}

// wholeBytes compares byte slices at once and tells nil from empty.
var wholeBytes = cmp.Comparer(func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) })

var compressions = []Compression{"", Uncompressed, Gzip, Snappy, LZ4, Zstd}

// Two decoders that are not ours read what was encoded.
func TestBatchReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		recs := rapid.SliceOfN(rapid.Custom(genRecord), 1, 20).Draw(rt, "records")
		id := identity{producer: rapid.Int64Min(0).Draw(rt, "producer"), epoch: rapid.Int16Min(0).Draw(rt, "epoch")}
		sequence := rapid.Int32Min(0).Draw(rt, "sequence")
		b := encodeAs(rapid.SampledFrom(compressions).Draw(rt, "compression"), id, sequence, recs)
		if d := cmp.Diff(recs, decodeKafkaGo(t, b.buf), wholeBytes); d != "" {
			rt.Errorf("kafka-go reads something else:\n%s", d)
		}
		if d := cmp.Diff(recs, decodeFranz(rt, b.buf[sizePrefix:], id, sequence, b.codec), wholeBytes); d != "" {
			rt.Errorf("franz-go reads something else:\n%s", d)
		}
		if len(recs) == 1 && b.codec == 0 && len(b.buf) != sizePrefix+BatchOverhead+RecordBytes(&recs[0]) {
			rt.Errorf("batch of %d bytes, but RecordBytes says %d", len(b.buf), RecordBytes(&recs[0]))
		}
		bound := sizePrefix + BatchOverhead
		for i := range recs {
			bound += RecordBytes(&recs[i]) + sizeSlack
		}
		if len(b.buf) > bound {
			rt.Errorf("batch of %d bytes is over the bound %d that was reserved", len(b.buf), bound)
		}
	})
}

func decodeKafkaGo(t testing.TB, raw []byte) []Record {
	t.Helper()
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(raw)); err != nil {
		t.Fatalf("kafka-go: %v", err)
	}
	var recs []Record
	for {
		rec, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return recs
		}
		if err != nil {
			t.Fatalf("kafka-go: %v", err)
		}
		r := decoded(t, "t", rec)
		recs = append(recs, r)
	}
}

func decodeFranz(t *rapid.T, raw []byte, id identity, sequence int32, codec int8) []Record {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatalf("franz-go: %v", err)
	}
	if b.ProducerID != id.producer || b.ProducerEpoch != id.epoch || b.FirstSequence != sequence {
		t.Errorf("batch is of producer %d epoch %d sequence %d", b.ProducerID, b.ProducerEpoch, b.FirstSequence)
	}
	if int(b.Length) != len(raw)-12 || b.Magic != 2 || b.Attributes != int16(codec) || b.LastOffsetDelta != b.NumRecords-1 {
		t.Errorf("header is off: %+v", b)
	}
	inner, err := kfake.BatchRecords(b)
	if err != nil {
		t.Fatalf("franz-go: %v", err)
	}
	recs, latest := []Record(nil), b.FirstTimestamp
	for i, rec := range inner {
		if int(rec.OffsetDelta) != i {
			t.Errorf("record %d has offset delta %d", i, rec.OffsetDelta)
		}
		ms := b.FirstTimestamp + rec.TimestampDelta64
		latest = max(latest, ms)
		r := Record{Topic: "t", Key: rec.Key, Value: rec.Value, Time: time.UnixMilli(ms)}
		for _, h := range rec.Headers {
			r.Headers = append(r.Headers, Header{Key: h.Key, Value: h.Value})
		}
		recs = append(recs, r)
	}
	if b.MaxTimestamp != latest {
		t.Errorf("max timestamp is %d, want %d", b.MaxTimestamp, latest)
	}
	return recs
}

func TestBatchSealedAgainKeepsItsRecords(t *testing.T) {
	recs := []Record{record("a"), record(strings.Repeat("b", 500))}
	for _, c := range compressions {
		b := encodeAs(c, identity{producer: 1}, 7, recs)
		b.seal(identity{producer: 2, epoch: 3}, 0)
		want := encodeAs(c, identity{producer: 2, epoch: 3}, 0, recs)
		if !bytes.Equal(b.buf, want.buf) {
			t.Errorf("compression %q: sealing again differs from encoding for the new producer", c)
		}
	}
}

// Attributes name the codec as Kafka numbers them, and what would grow goes as it is.
func TestBatchIsCompressedWhereThatMakesItSmaller(t *testing.T) {
	long, short := []Record{record(strings.Repeat("event ", 500))}, []Record{{Value: []byte("x")}}
	plain := len(encode(identity{}, 0, long).buf)
	for c, code := range map[Compression]uint16{Uncompressed: 0, "unheard-of": 0, Gzip: 1, Snappy: 2, LZ4: 3, Zstd: 4} {
		b := encodeAs(c, identity{}, 0, long)
		if got := binary.BigEndian.Uint16(b.buf[atAttributes:]); got != code {
			t.Errorf("compression %q: attributes are %d, want %d", c, got, code)
		}
		if small := len(b.buf) < plain/4; small != (code != 0) {
			t.Errorf("compression %q: %d bytes of %d", c, len(b.buf), plain)
		}
		b = encodeAs(c, identity{}, 0, short)
		if got := binary.BigEndian.Uint16(b.buf[atAttributes:]); got != 0 || len(b.buf) != sizePrefix+BatchOverhead+RecordBytes(&short[0]) {
			t.Errorf("compression %q: one byte became %d, with attributes %d", c, len(b.buf), got)
		}
	}
}

// A batch that was compressed is used again for records that are not to be found in it.
func TestBatchStartsAnewAfterCompression(t *testing.T) {
	b := encodeAs(Snappy, identity{}, 0, []Record{record(strings.Repeat("old ", 300))})
	b.reset()
	next := record("new")
	b.add(&next, time.UnixMilli(1))
	b.seal(identity{producer: 1}, 0)
	if got := decodeKafkaGo(t, b.buf); len(got) != 1 || string(got[0].Value) != "new" {
		t.Errorf("read %v", got)
	}
}

func TestBatchZeroTimeIsNow(t *testing.T) {
	b := encode(identity{}, 0, []Record{{Value: []byte("x")}})
	if got := binary.BigEndian.Uint64(b.buf[atBaseTimestamp:]); got != 1 {
		t.Errorf("timestamp is %d, want the publisher's clock (1)", got)
	}
}

func TestVarintSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		if got, want := varintSize(v), len(binary.AppendVarint(nil, v)); got != want {
			t.Errorf("varintSize(%d) = %d, want %d", v, got, want)
		}
	})
}

func TestHandoverIsReadOnceOrWithdrawn(t *testing.T) {
	var out bytes.Buffer
	h := &handover{data: []byte("batch")}
	if _, err := io.Copy(&out, h); err != nil || out.String() != "batch" {
		t.Errorf("copied %q, %v", out.String(), err)
	}
	if taken, busy := h.revoke(); !taken || busy {
		t.Errorf("revoke after copying: taken %v busy %v, want true false", taken, busy)
	}
	h = &handover{data: []byte("batch")}
	if taken, _ := h.revoke(); taken {
		t.Error("revoke before copying says the bytes were taken")
	}
	out.Reset()
	if _, err := io.Copy(&out, h); !errors.Is(err, errRevoked) || out.Len() != 0 {
		t.Errorf("a withdrawn batch was copied: %q, %v", out.String(), err)
	}
}

func TestBufferThatIsStillReadIsNotUsedAgain(t *testing.T) {
	b := encode(identity{}, 0, records("a"))
	h := &handover{data: b.buf}
	started, goOn := make(chan struct{}), make(chan struct{})
	copied := make(chan []byte)
	go func() {
		var got []byte
		_, _ = h.WriteTo(writerFunc(func(p []byte) (int, error) {
			close(started)
			<-goOn
			got = bytes.Clone(p)
			return len(p), nil
		}))
		copied <- got
	}()
	<-started
	want := bytes.Clone(b.buf)
	if taken, busy := h.revoke(); !taken || !busy {
		t.Fatalf("revoke while copying: taken %v busy %v, want both", taken, busy)
	}
	b.shared = true
	b.reset()
	b.add(&Record{Value: []byte("something else")}, time.UnixMilli(2))
	b.seal(identity{}, 1)
	close(goOn)
	if got := <-copied; !bytes.Equal(got, want) {
		t.Error("the connection saw the next batch's bytes")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
