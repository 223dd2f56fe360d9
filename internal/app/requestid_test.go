package app

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
)

func TestRequestsOfOneMomentShareAPartition(t *testing.T) {
	at := time.UnixMilli(1_764_000_000_000)
	ids := &requestIDs{now: func() time.Time { return at }}
	ids.partitions.Store(6)
	used := map[int]bool{}
	for range 6 {
		seen, partition := map[string]bool{}, -1
		for range 500 {
			id := ids.next("jetemail")
			if u, err := uuid.Parse(id); err != nil || u.Version() != 7 || seen[id] {
				t.Fatalf("%q: version %v, error %v, seen before: %v", id, u.Version(), err, seen[id])
			}
			seen[id] = true
			p := broker.PartitionFor([]byte("jetemail/"+id), 6)
			if partition >= 0 && p != partition {
				t.Fatalf("partitions %d and %d in one moment", partition, p)
			}
			partition = p
		}
		used[partition] = true
		at = at.Add(togetherFor)
	}
	if len(used) != 6 {
		t.Errorf("%d partitions had their turn, want 6", len(used))
	}
}

func TestRequestIDsBeforeTheTopicIsKnown(t *testing.T) {
	ids := &requestIDs{now: time.Now}
	if _, err := uuid.Parse(ids.next("jetemail")); err != nil {
		t.Error(err)
	}
}

func TestRequestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_999_000, time.UTC)
	ids := &requestIDs{now: func() time.Time { return at }}
	ids.partitions.Store(6)
	last := ""
	for range 20_000 {
		id := ids.next("jetemail")
		u, err := uuid.Parse(id)
		if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%q: version %v, variant %v, error %v", id, u.Version(), u.Variant(), err)
		}
		if milli := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5]); milli != at.UnixMilli() {
			t.Fatalf("%q is of %d, want %d", id, milli, at.UnixMilli())
		}
		if id <= last {
			t.Fatalf("%q of %v is not behind %q", id, at, last)
		}
		last, at = id, at.Add(245*time.Nanosecond)
	}
}

func BenchmarkRequestID(b *testing.B) {
	ids := &requestIDs{now: time.Now}
	ids.partitions.Store(6)
	b.ReportAllocs()
	for b.Loop() {
		ids.next("jetemail")
	}
}
