package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
)

// sample is a record as a person would meet it.
func sample() Record {
	return Record{
		Topic: "email.bounced", Partition: 3, Offset: 1207, Time: time.UnixMilli(1763776321123).UTC(),
		Key: []byte("<id@example.com>"), Value: []byte(`{"id":"a", "n":1.50}`),
		Headers: []event.Header{
			{Key: "provider", Value: []byte("acme")},
			{Key: "provider", Value: []byte{}},
			{Key: "signature", Value: []byte{0xFF, 0x00}},
			{Key: "none"},
			{Key: "\xC3", Value: []byte("x")},
		},
	}
}

func write(t testing.TB, compress bool, records ...Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, compress)
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	if got, want := w.Size(), int64(b.Len()); got != want {
		t.Fatalf("Size = %d, want %d", got, want)
	}
	return b.Bytes()
}

// read returns the records of an archive up to its end or first error.
func read(t testing.TB, archive io.Reader) ([]Record, error) {
	t.Helper()
	r := NewReader(archive)
	defer r.Close()
	var records []Record
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			if _, again := r.Next(); !errors.Is(again, err) {
				t.Errorf("Next after an error = %v, want %v", again, err)
			}
			return records, err
		}
		records = append(records, rec)
	}
}

func TestLineIsReadable(t *testing.T) {
	got := string(write(t, false, sample()))
	want := `{"v":1,"topic":"email.bounced","partition":3,"offset":1207,"timestamp":"2025-11-22T01:52:01.123Z",` +
		`"key":"<id@example.com>","headers":[{"key":"provider","value":"acme"},{"key":"provider","value":""},` +
		`{"key":"signature","value_base64":"/wA="},{"key":"none","value":null},{"key_base64":"ww==","value":"x"}],` +
		`"value":{"id":"a", "n":1.50}}` + "\n"
	if got != want {
		t.Errorf("line:\n got %s\nwant %s", got, want)
	}
}

// TestForms: each kind of value has its form, and none is taken for another.
func TestForms(t *testing.T) {
	for _, tt := range []struct {
		value []byte
		want  string
	}{
		{nil, `"value":null}`},
		{[]byte{}, `"value":""}`},
		{[]byte("null"), `"value":"null"}`},
		{[]byte(`"text"`), `"value":"\"text\""}`},
		{[]byte("plain\ttext\x00"), `"value":"plain\ttext\u0000"}`},
		{[]byte(`[1, 2]`), `"value":[1, 2]}`},
		{[]byte(`{} `), `"value":"{} "}`},
		{[]byte("{\n}"), `"value":"{\n}"}`},
		{[]byte(`{"a":1,"a":2}`), `"value":"{\"a\":1,\"a\":2}"}`},
		{[]byte(`{"a":1},"value_base64":{}`), `"value":"{\"a\":1},\"value_base64\":{}"}`},
		{[]byte(`{"a":"` + "\xFF" + `"}`), `"value_base64":"eyJhIjoi/yJ9"}`},
		{[]byte(`{"a":"\ud800"}`), `"value":"{\"a\":\"\\ud800\"}"}`},
		{[]byte(`[]]`), `"value":"[]]"}`},
		{[]byte(strings.Repeat("[", 1e4) + strings.Repeat("]", 1e4)), `"value":"[[`},
	} {
		rec := Record{Topic: "t", Time: time.UnixMilli(0).UTC(), Value: tt.value}
		line := write(t, false, rec)
		if !strings.Contains(string(line), tt.want) {
			t.Errorf("value %.40q: line %.200s does not contain %s", tt.value, line, tt.want)
		}
		got, err := read(t, bytes.NewReader(line))
		if diff := cmp.Diff([]Record{rec}, got); err != nil || diff != "" {
			t.Errorf("value %.40q: %v, read back (-want +got):\n%s", tt.value, err, diff)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, ms := range []int64{
		0, -1, 1, 1763776321123, math.MaxInt64, math.MinInt64,
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1, time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli(),
		time.Time{}.UnixMilli(),
	} {
		rec := Record{Topic: "t", Time: time.UnixMilli(ms).UTC()}
		got, err := read(t, bytes.NewReader(write(t, false, rec)))
		if err != nil || len(got) != 1 || got[0].Time.UnixMilli() != ms {
			t.Errorf("%d ms: read back %v, %v", ms, got, err)
		}
	}
}

// anyBytes are nil, empty, text, JSON or no UTF-8.
func anyBytes() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.Just([]byte(nil)), rapid.Just([]byte{}),
		rapid.SliceOfN(rapid.Byte(), 0, 40),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
		rapid.SampledFrom([][]byte{[]byte(`{"a":{"b":[1e400,"\u0000"]}}`), []byte(`{ }`), []byte("{\r\n}"), []byte(`[{]}`), []byte("\xEF\xBB\xBF{}")}),
	)
}

func anyRecord() *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		r := Record{
			Topic:     rapid.StringN(1, 20, -1).Draw(t, "topic"),
			Partition: rapid.IntRange(0, math.MaxInt32).Draw(t, "partition"),
			Offset:    rapid.Int64Min(0).Draw(t, "offset"),
			Time:      time.UnixMilli(rapid.Int64().Draw(t, "time")).UTC(),
			Key:       anyBytes().Draw(t, "key"),
			Value:     anyBytes().Draw(t, "value"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			r.Headers = append(r.Headers, event.Header{
				Key:   string(anyBytes().Draw(t, "name")),
				Value: anyBytes().Draw(t, "header"),
			})
		}
		return r
	})
}

// TestRoundTrip: any records come back identical, whatever is flushed when, and the
// same records make the same bytes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(anyRecord(), 1, 5).Draw(t, "records")
		compress := rapid.Bool().Draw(t, "compress")
		flush := rapid.SliceOfN(rapid.Bool(), len(want), len(want)).Draw(t, "flush")
		once, again := flushed(t, want, flush, compress), flushed(t, want, flush, compress)
		if !bytes.Equal(once, again) {
			t.Fatal("the same records made other bytes")
		}
		r := NewReader(bytes.NewReader(once))
		defer r.Close()
		for i := range want {
			got, err := r.Next()
			if err != nil {
				t.Fatalf("record %d: %v", i, err)
			}
			if !cmp.Equal(got, want[i]) {
				t.Fatalf("record %d (-want +got):\n%s", i, cmp.Diff(want[i], got))
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v, want EOF", err)
		}
	})
}

// flushed writes records and flushes after some.
func flushed(t *rapid.T, records []Record, flush []bool, compress bool) []byte {
	var b bytes.Buffer
	w := NewWriter(&b, compress)
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatal(err)
		}
		if flush[i] || i == len(records)-1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.Bytes()
}

// TestCutAndJoined: an archive that is cut where it was flushed is whole, and two
// archives end to end are one.
func TestCutAndJoined(t *testing.T) {
	for _, compress := range []bool{false, true} {
		first, second := sample(), sample()
		second.Offset++
		var b bytes.Buffer
		w := NewWriter(&b, compress)
		for _, step := range []func() error{
			func() error { return w.Write(&first) }, w.Flush, w.Flush, func() error { return w.Write(&second) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		cut := w.Size()
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		joined := append(bytes.Clone(b.Bytes()[:cut]), write(t, compress, second, first)...)
		got, err := read(t, bytes.NewReader(joined))
		if diff := cmp.Diff([]Record{first, second, first}, got); err != nil || diff != "" {
			t.Errorf("compress %t: %v (-want +got):\n%s", compress, err, diff)
		}
	}
}

// TestTruncated: wherever a file is cut, what is whole is read and the rest is told.
func TestTruncated(t *testing.T) {
	first, second := sample(), sample()
	second.Value = []byte("ünïcödé\U0001F600 \" \\")
	for _, compress := range []bool{false, true} {
		archive := write(t, compress, first)
		whole := len(archive)
		archive = append(archive, write(t, compress, second)...)
		for cut := whole + 1; cut < len(archive); cut++ {
			got, err := read(t, bytes.NewReader(archive[:cut]))
			if complete := !compress && cut == len(archive)-1; complete {
				if err != nil || len(got) != 2 {
					t.Errorf("only the last line's end is missing: %d records, %v, want 2", len(got), err)
				}
				continue
			}
			if e := (*LineError)(nil); !errors.As(err, &e) || !errors.Is(err, ErrTruncated) || e.Line != 2 {
				t.Errorf("compress %t, cut at %d of %d: error %v, want line 2 truncated", compress, cut, len(archive), err)
			}
			if len(got) != 1 || !cmp.Equal(got[0], first) {
				t.Errorf("compress %t, cut at %d of %d: %d records before the cut, want the first", compress, cut, len(archive), len(got))
			}
		}
	}
}

func TestDamage(t *testing.T) {
	const good = `{"v":1,"topic":"t","partition":0,"offset":0,"timestamp":"2025-11-22T01:52:01.123Z","key":null,"value":null}`
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, tt := range []struct{ line, want string }{
		{"", "there is no record on it"},
		{"null", "want an object"},
		{"nonsense", "no valid JSON"},
		{good[:len(good)-1], "the object is not closed"},
		{good + "{}", "something follows the record"},
		{with(`"v":1,`, ``), "the field v is missing"},
		{with(`"v":1,`, `"v":2,"new":1,`), "it is of version 2 of the format, this program reads version 1"},
		{with(`"v":1,`, `"v":1,"new":1,`), `the field "new" is unknown`},
		{with(`"topic"`, `"Topic"`), `the field "Topic" is unknown`},
		{with(`"topic":"t",`, ``), "the field topic is missing"},
		{with(`"topic":"t"`, `"topic":""`), "topic is empty"},
		{with(`"topic":"t"`, `"topic":7`), "want topic as a string"},
		{with(`"topic":"t"`, `"topic":"t","topic":"t"`), "duplicate object member name"},
		{with(`"topic":"t"`, "\"topic\":\"t\xFF\""), "invalid UTF-8"},
		{with(`"partition":0`, `"partition":-1`), "partition is no whole number from 0"},
		{with(`"partition":0`, `"partition":2147483648`), "partition is no whole number"},
		{with(`"offset":0`, `"offset":1.5`), "offset is no whole number"},
		{with(`"offset":0`, `"offset":"1"`), "want offset as a number"},
		{with(`"2025-11-22T01:52:01.123Z"`, `"2025-11-22T01:52:01Z"`), "timestamp is no time such as 2006"},
		{with(`"2025-11-22T01:52:01.123Z"`, `"2025-11-22T01:52:01.1234Z"`), "timestamp is no time such as 2006"},
		{with(`"2025-11-22T01:52:01.123Z"`, `"2025-11-22T01:52:01.123+01:00"`), "timestamp is no time such as 2006"},
		{with(`"key":null,`, ``), "the field key is missing"},
		{with(`"key":null`, `"key":{}`), "want key as a string"},
		{with(`"key":null`, `"key":null,"key_base64":"AA=="`), "there is a second key"},
		{with(`"value":null`, `"value_base64":null`), "want value_base64 as a string"},
		{with(`"value":null`, `"value_base64":"AB=="`), "value_base64 is no base64"},
		{with(`"value":null`, `"value_base64":"","value":{}`), "there is a second value"},
		{with(`"value":null`, `"value":true`), "want value as a string"},
		{with(`"value":null`, `"value":"\ud800"`), "no valid JSON"},
		{with(`"key":null`, `"key":null,"headers":{}`), "want headers as an array"},
		{with(`"key":null`, `"key":null,"headers":[1]`), "want an object"},
		{with(`"key":null`, `"key":null,"headers":[{"key":null,"value":""}]`), "a header's key is null"},
		{with(`"key":null`, `"key":null,"headers":[{"key":""}]`), "the field value is missing"},
		{with(`"key":null`, `"key":null,"headers":[{"name":""}]`), `the field "name" is unknown`},
	} {
		got, err := read(t, strings.NewReader(good+"\n"+tt.line+"\n"+good+"\n"))
		e, ok := errors.AsType[*LineError](err)
		if !ok || e.Line != 2 || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrTruncated) {
			t.Errorf("line %s: error %v, want line 2: %s", tt.line, err, tt.want)
		}
		if len(got) != 1 {
			t.Errorf("line %s: %d records before it, want 1", tt.line, len(got))
		}
	}
}

// TestErrorsHoldNoContent: what a record holds is nobody's business.
func TestErrorsHoldNoContent(t *testing.T) {
	const secret = "someone@example.com"
	line := string(write(t, false, Record{Topic: "t", Value: []byte(`{"` + secret + `":{"x":"` + secret + `"}}`)}))
	for cut := strings.Index(line, secret); cut < len(line)-1; cut++ {
		for _, damaged := range []string{line[:cut] + "\n", line[:cut] + "\x01" + line[cut:], line[:cut] + "\"" + line[cut:], line[:cut] + "{" + line[cut:]} {
			if _, err := read(t, strings.NewReader(damaged)); err != nil && (strings.Contains(err.Error(), "some") || strings.Contains(err.Error(), "exam")) {
				t.Fatalf("cut at %d: the error tells the record: %v", cut, err)
			}
		}
	}
}

func TestSkip(t *testing.T) {
	one, two, three := sample(), sample(), sample()
	two.Offset, three.Offset = 2, 3
	for _, compress := range []bool{false, true} {
		r := NewReader(bytes.NewReader(write(t, compress, one, two, three)))
		defer r.Close()
		if err := r.Skip(2); err != nil || r.Line() != 2 {
			t.Errorf("Skip: %v, line %d, want 2", err, r.Line())
		}
		if got, err := r.Next(); err != nil || !cmp.Equal(got, three) || r.Line() != 3 {
			t.Errorf("after Skip: offset %d on line %d, %v; want 3", got.Offset, r.Line(), err)
		}
		if err := r.Skip(1); !errors.Is(err, io.EOF) {
			t.Errorf("Skip past the end: %v, want EOF", err)
		}
	}
}

// endless is text without a line feed.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestLongLines(t *testing.T) {
	r := NewReader(endless{})
	r.most = 1 << 20
	if _, err := r.Next(); !errors.Is(err, ErrTooLong) || r.Line() != 1 {
		t.Errorf("a line without an end: %v, want line 1 too long", err)
	}
	w := NewWriter(io.Discard, false)
	for _, size := range []int{1 << 20, 1 << 19} { // the line, and what it is of
		w.most = size
		if err := w.Write(&Record{Topic: "t", Value: bytes.Repeat([]byte{0xFF}, 1<<20*3/4)}); !errors.Is(err, ErrTooLong) {
			t.Errorf("Write of a long record: %v, want too long", err)
		}
	}
	w.most = MaxLine
	large := Record{Topic: "t", Time: time.UnixMilli(0).UTC(), Value: bytes.Repeat([]byte{0xFF}, 3<<20)}
	got, err := read(t, bytes.NewReader(write(t, true, large, large)))
	if err != nil || len(got) != 2 || !bytes.Equal(got[1].Value, large.Value) {
		t.Errorf("two large records: %d read back, %v", len(got), err)
	}
	if err := w.Write(&large); err != nil || w.Flush() != nil {
		t.Errorf("the next record after one that was too long: %v", err)
	}
}

// TestRefusedRecords: what is no record is not written, and spoils nothing.
func TestRefusedRecords(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, false)
	for _, r := range []Record{{}, {Topic: "t", Partition: -1}, {Topic: "t", Partition: 1 << 31}, {Topic: "t", Offset: -1}, {Topic: "\xFF"}} {
		if err := w.Write(&r); err == nil {
			t.Errorf("Write(%v) = nil, want an error", r)
		}
	}
	if err := w.Flush(); err != nil || b.Len() != 0 {
		t.Errorf("Flush: %v, %d bytes written, want none", err, b.Len())
	}
}

// full takes a number of bytes, and then says why not.
type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return f.left, os.ErrDeadlineExceeded
	}
	f.left -= len(b)
	return len(b), nil
}

func TestWriterFails(t *testing.T) {
	for _, compress := range []bool{false, true} {
		w := NewWriter(&full{10}, compress)
		r := sample()
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Flush: %v, want the writer's error", err)
		}
		if err := w.Write(&r); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write after it: %v, want the same", err)
		}
	}
}

// TestWideWindow: a frame that wants much memory is refused before it gets any.
func TestWideWindow(t *testing.T) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		fmt.Fprintln(z, strings.Repeat(" ", 1<<20))
	}
	z.Close()
	if _, err := read(t, &b); err == nil || !strings.Contains(err.Error(), "at most 32 MiB") {
		t.Errorf("a window of 64 MiB: %v, want it refused with the bound", err)
	}
}

// TestForeignCompression: archives that another program compressed, at another level
// and with its content's size in front, or that begin with a skippable frame.
func TestForeignCompression(t *testing.T) {
	plain := write(t, false, sample())
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	archive := z.EncodeAll(plain, []byte{0x5A, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 'h', 'i'})
	got, err := read(t, bytes.NewReader(archive))
	if diff := cmp.Diff([]Record{sample()}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := read(t, bytes.NewReader(append(archive, "garbage"...))); err == nil {
		t.Error("what follows a frame and is none: no error")
	}
}

func TestEmpty(t *testing.T) {
	for _, compress := range []bool{false, true} {
		archive := write(t, compress)
		if got, err := read(t, bytes.NewReader(archive)); err != nil || len(got) != 0 || len(archive) != 0 {
			t.Errorf("compress %t: %d records, %v, %d bytes; want none", compress, len(got), err, len(archive))
		}
	}
}

// FuzzReader: nothing makes the reader panic, and what it takes is written again to
// the same records.
func FuzzReader(f *testing.F) {
	f.Add(write(f, false, sample()))
	f.Add(write(f, true, sample(), sample()))
	f.Add([]byte(`{"v":1,"topic":"t","partition":0,"offset":0,"timestamp":-1,"key":"\ud83d\ude00","value":{ "a" : [] } }`))
	f.Fuzz(func(t *testing.T, archive []byte) {
		got, _ := read(t, bytes.NewReader(archive))
		again, err := read(t, bytes.NewReader(write(t, false, got...)))
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("%v (-read +written and read):\n%s", err, diff)
		}
	})
}

func BenchmarkArchive(b *testing.B) {
	r := sample()
	r.Value = append(append([]byte(`{"id":"`), bytes.Repeat([]byte("x"), 900)...), `"}`...)
	line := write(b, false, r)
	b.Run("write", func(b *testing.B) {
		w := NewWriter(io.Discard, false)
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if err := w.Write(&r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		a := NewReader(&repeat{line: line})
		b.SetBytes(int64(len(line)))
		for b.Loop() {
			if _, err := a.Next(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// repeat is one line for ever.
type repeat struct {
	line []byte
	at   int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := copy(b, r.line[r.at:])
	r.at = (r.at + n) % len(r.line)
	return n, nil
}
