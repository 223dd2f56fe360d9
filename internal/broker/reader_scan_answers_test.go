package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever the batches are like, each offset is a message, in a gap, or a marker.
func TestScanTellsOfEachOffset(t *testing.T) {
	t.Parallel()
	type gaps = []OffsetGap
	for name, tt := range map[string]struct {
		raw      []byte
		from, to int64
		values   string
		gaps     gaps
	}{
		"a marker":               {slices.Concat(rawRecords(0, "a", "b"), markerAt(2), rawRecords(3, "c", "d")), 0, 5, "a b c d", nil},
		"a marker that is last":  {slices.Concat(rawRecords(0, "a", "b", "c", "d"), markerAt(4)), 0, 5, "a b c d", nil},
		"a hole before a marker": {slices.Concat(rawRecords(0, "a"), markerAt(3), rawRecords(4, "e")), 0, 5, "a e", gaps{{From: 1, To: 3}}},
		"a marker that is gone":  {slices.Concat(rawRecords(0, "a"), emptied(markerAt(1)), rawRecords(2, "c", "d", "e")), 0, 5, "a c d e", gaps{{From: 1, To: 2}}},
		"a marker at the stop":   {slices.Concat(rawRecords(0, "a"), markerAt(4)), 0, 3, "a", gaps{{From: 1, To: 3}}},
		"holes in a batch":       {thinned(0, "c", 4, 2), 0, 5, "c", gaps{{From: 0, To: 2}, {From: 3, To: 5}}},
		"holes that meet":        {slices.Concat(thinned(0, "a", 2, 0), thinned(3, "e", 1, 1)), 0, 5, "a e", gaps{{From: 1, To: 4}}},
		"a hole between batches": {slices.Concat(rawRecords(0, "a"), rawRecords(3, "d", "e")), 0, 5, "a d e", gaps{{From: 1, To: 3}}},
		"a batch that is empty":  {slices.Concat(emptied(rawRecords(0, "a", "b")), rawRecords(2, "c", "d", "e")), 0, 5, "c d e", gaps{{From: 0, To: 2}}},
		"all empty":              {slices.Concat(emptied(rawRecords(0, "a", "b")), emptied(rawRecords(2, "c", "d", "e"))), 0, 5, "", gaps{{From: 0, To: 5}}},
		"a part of a batch":      {rawRecords(0, "a", "b", "c", "d", "e"), 1, 3, "b c", nil},
		"a part of a hole":       {emptied(rawRecords(0, "a", "b", "c", "d", "e")), 1, 3, "", gaps{{From: 1, To: 3}}},
		"a hole at the stop":     {thinned(0, "b", 4, 1), 1, 4, "b", gaps{{From: 2, To: 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, PublisherOptions{})
			fetchAnswers(r, func(int64) []byte { return tt.raw })
			var got scanned
			err := r.client.Scan(t.Context(), testTopic, 0, tt.from, tt.to, ScanOptions{}, got.take)
			if err != nil || strings.Join(got.values, " ") != tt.values || got.next != tt.to || cmp.Diff(tt.gaps, got.gaps) != "" {
				t.Errorf("Scan = %+v, %v; want %q, %v, next %d", got, err, tt.values, tt.gaps, tt.to)
			}
		})
	}
}

// What is before a broken batch is told, once, and the error names the batch.
func TestScanEndsAtDamageBehindWhatIsWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	broken := rawRecords(2, "c", "d", "e")
	broken[len(broken)-3] ^= 1
	asked := 0
	fetchAnswers(r, func(offset int64) []byte {
		if asked++; offset == 2 {
			return broken
		}
		return slices.Concat(rawRecords(0, "a", "b"), broken)
	})
	var got scanned
	err := r.client.Scan(t.Context(), testTopic, 0, 0, 5, ScanOptions{}, got.take)
	if _, ok := errors.AsType[*decodeError](err); !ok || !strings.Contains(err.Error(), "decode "+testTopic+"[0] at offset 2: crc32") {
		t.Errorf("Scan = %v", err)
	}
	if strings.Join(got.values, " ") != "a b" || got.gaps != nil || got.next != 2 || asked != 1+scanDecode {
		t.Errorf("Scan told %+v after %d requests", got, asked)
	}
}

func TestScanLeavesRoomForHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, PublisherOptions{})
	const n, room = 600, 3
	recs := make([]Record, n)
	for i := range recs {
		recs[i] = record(strconv.Itoa(i))
		for h := range i % 3 {
			recs[i].Headers = append(recs[i].Headers, Header{Key: fmt.Sprint("h", h), Value: fmt.Append(nil, i)})
		}
	}
	r.mustPublish(recs...)
	var got []Message
	err := r.client.Scan(t.Context(), testTopic, 0, 0, n, ScanOptions{HeaderRoom: room}, func(c Chunk) error {
		got = append(got, c.Messages...)
		return nil
	})
	if err != nil || len(got) != n {
		t.Fatalf("Scan = %d records, %v", len(got), err)
	}
	for i := range got {
		h := got[i].Headers
		if cap(h)-len(h) != room {
			t.Fatalf("record %d has %d headers and room for %d more", i, len(h), cap(h)-len(h))
		}
		got[i].Headers = append(h, Header{Key: "mark", Value: []byte("m")}, Header{Key: "mark"}, Header{Key: "mark"})
	}
	for i := range got {
		if d := cmp.Diff(recs[i].Headers, got[i].Headers[:i%3:i%3]); d != "" && i%3 > 0 {
			t.Fatalf("record %d's headers are others by now: %s", i, d)
		}
	}
}
