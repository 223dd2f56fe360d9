package dedupe

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The format of version 1, byte for byte: other receivers read it.
func TestRecordFormat(t *testing.T) {
	value := appendRecord(nil, "ab", []remembered{
		{id: [16]byte{1}, content: [8]byte{2}, at: time.UnixMilli(1_700_000_000_500)},
		{id: [16]byte{3}, content: [8]byte{4}, at: time.UnixMilli(1_700_000_000_000)},
	})
	want := "01" + "02" + "6162" + "0000018bcfe56800" +
		"01000000000000000000000000000000" + "0200000000000000" + "000001f4" +
		"03000000000000000000000000000000" + "0400000000000000" + "00000000"
	if got := hex.EncodeToString(value); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []remembered
		base := rapid.Int64Range(0, latest-1<<32).Draw(t, "base")
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			e := remembered{at: time.UnixMilli(base + rapid.Int64Range(0, 1<<32-1).Draw(t, "after"))}
			copy(e.id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			copy(e.content[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "content"))
			entries = append(entries, e)
		}
		instance := rapid.StringN(0, 300, 600).Draw(t, "instance")
		value := appendRecord([]byte("before"), instance, entries)[len("before"):]
		r, err := parseRecord(value)
		if err != nil || r.instance != instance[:min(len(instance), 255)] {
			t.Fatalf("instance %q, %v; want %q", r.instance, err, instance)
		}
		var got []remembered
		for i := range r.len() {
			got = append(got, r.entry(i))
		}
		if diff := cmp.Diff(entries, got, cmp.AllowUnexported(remembered{})); diff != "" {
			t.Fatalf("entries (-want +got):\n%s", diff)
		}
	})
}

// No text is read beyond its end, and what is read is written as it was.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add([]byte{2, 0, 0})
	f.Add(appendRecord(nil, "instance", []remembered{{id: [16]byte{1}, at: time.UnixMilli(1e12)}}))
	f.Add(append(appendRecord(nil, "", make([]remembered, 2)), 0))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := parseRecord(value)
		if err != nil {
			return
		}
		var entries []remembered
		first := false
		for i := range r.len() {
			e := r.entry(i)
			first = first || e.at.UnixMilli() == r.base
			entries = append(entries, e)
		}
		if again := appendRecord(nil, r.instance, entries); first && !bytes.Equal(again, value) {
			t.Errorf("read %x, written %x", value, again)
		}
	})
}
