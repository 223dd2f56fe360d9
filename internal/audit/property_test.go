package audit_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/audit"
)

// requests draws whole requests of two sources; no two have an event or a body
// in common.
func requests(t *rapid.T) []*made {
	list := make([]*made, rapid.IntRange(1, 12).Draw(t, "requests"))
	for n := range list {
		m := &made{
			n: n + 1, source: rapid.SampledFrom([]string{"vfs", "jet"}).Draw(t, "source"), body: fmt.Sprintf("body %d", n),
			at: midnight.Add(time.Duration(rapid.IntRange(0, 86_399_999).Draw(t, "ms")) * time.Millisecond), repeats: rapid.IntRange(0, 3).Draw(t, "repeats"),
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "events") {
			m.events = append(m.events, fmt.Sprintf("%d/%d", n, i))
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "dead letters") {
			m.dead = append(m.dead, fmt.Sprintf("%d/%d", n, i))
		}
		list[n] = m
	}
	return list
}

// stream draws an order of all their records.
func stream(t *rapid.T, list []*made) []audit.Record {
	var records []audit.Record
	for _, m := range list {
		records = append(records, m.records()...)
	}
	return rapid.Permutation(records).Draw(t, "order")
}

// judge audits a stream.
func judge(records []audit.Record) *audit.Report {
	a := audit.New(day)
	for i := range records {
		a.Add(&records[i])
	}
	return a.Report()
}

// TestWholeStreams: whole requests give no finding in any order, also where some
// records are in the spool still, or there a second time.
func TestWholeStreams(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := stream(t, requests(t))
		for i := range records {
			switch rapid.IntRange(0, 9).Draw(t, "spool") {
			case 0:
				records[i] = spooled(records[i])
			case 1:
				records = append(records, spooled(records[i]))
			}
		}
		if got := judge(records); len(got.Findings) != 0 {
			t.Fatalf("%+v", got.Findings)
		}
	})
}

// TestOneRecordLess: a stream that lacks one record gives one finding, which names
// the request.
func TestOneRecordLess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := requests(t)
		records := stream(t, list)
		victim := rapid.IntRange(0, len(records)-1).Draw(t, "missing")
		got := judge(without(records, victim))
		lost := owner(list, &records[victim])
		if records[victim].Kind == audit.Raw && len(lost.events)+len(lost.dead) == 0 {
			if len(got.Findings) != 0 { // nobody can know of it
				t.Fatalf("%+v", got.Findings)
			}
			return
		}
		want := audit.Incomplete
		if records[victim].Kind == audit.Raw {
			want = audit.Orphaned
		}
		if len(got.Findings) != 1 || got.Missing() != 1 || got.Findings[0].Kind != want || got.Findings[0].RawID != lost.rawID() {
			t.Fatalf("%d missing, want one %s of %s: %+v", got.Missing(), want, lost.rawID(), got.Findings)
		}
	})
}

// owner is the request of a record.
func owner(list []*made, r *audit.Record) *made { return list[r.Offset-1] }

// TestOneEventMore: a record that is there once more gives one finding if it is an
// event, and never hides that another is missing.
func TestOneEventMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := stream(t, requests(t))
		twice := rapid.SampledFrom(records).Draw(t, "twice")
		want := 0
		if twice.Kind == audit.Typed {
			want = 1
		}
		got := judge(append(records, twice))
		if len(got.Findings) != want || got.Total.Duplicates != want || got.Missing() != 0 {
			t.Fatalf("%+v", got.Findings)
		}
	})
}

// TestMemoryIsBounded holds the figures of the package's comment.
func TestMemoryIsBounded(t *testing.T) { //nolint:paralleltest // it measures the heap
	const requests, perRequest = 50_000, 3
	a := audit.New(day)
	before := heap()
	for n := range requests {
		b := batch(n + 1)
		b.events = b.events[:perRequest-1]
		for _, r := range b.records() {
			a.Add(&r)
		}
	}
	used := int64(heap()) - int64(before)
	runtime.KeepAlive(a)
	if most := int64(requests * (110 + perRequest*50) * 11 / 10); used > most {
		t.Errorf("%d requests with %d items each take %d bytes, want at most %d", requests, perRequest, used, most)
	}
	t.Logf("%d bytes a request with %d items", used/requests, perRequest)
}

// heap is what is in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
