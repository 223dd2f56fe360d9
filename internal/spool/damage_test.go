package spool

import (
	"flag"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

var rotCases = flag.Int("spool.rotcases", 1000, "how many damaged logs to try")

// place is where a record's frame is.
type place struct {
	rec      broker.Record
	file     string
	from, to int
}

// filled returns a log of a few segments and where its records are.
func filled(t testing.TB, n, size int) (*memory, map[uint64]place) {
	t.Helper()
	vol := newMemory()
	opts := small()
	opts.SegmentBytes = 1500
	s, err := open(opts, vol)
	if err != nil {
		t.Fatal(err)
	}
	places := map[uint64]place{}
	for i := range n {
		ref := mustAppend(t, s, record(i, size))[0]
		seg := s.byNumber[ref.Segment]
		payload := segment.AppendRecord(nil, new(record(i, size)), testNow)
		places[ref.Seq] = place{record(i, size), seg.name, int(ref.Offset), int(ref.Offset) + segment.FrameHead + len(payload)}
	}
	s.Close()
	return vol, places
}

// checkPlaces wants every record but the lost ones, and nothing else, in order.
func checkPlaces(t *testing.T, s *Spool, places map[uint64]place, lost func(uint64, place) bool) (missing int) {
	t.Helper()
	got := map[uint64]broker.Record{}
	last := uint64(0)
	for _, st := range s.Pending() {
		r, err := s.Load(st.Ref)
		if err != nil || st.Seq <= last {
			t.Fatalf("record %d after %d: %v", st.Seq, last, err)
		}
		last, got[st.Seq] = st.Seq, r
	}
	for _, seq := range slices.Sorted(maps.Keys(places)) {
		p := places[seq]
		r, ok := got[seq]
		delete(got, seq)
		if !ok {
			missing++
			if !lost(seq, p) {
				t.Errorf("record %d (%s, %d to %d) is lost", seq, p.file, p.from, p.to)
			}
			continue
		}
		if !reflect.DeepEqual(p.rec, r) {
			t.Errorf("record %d:\n%s", seq, cmp.Diff(p.rec, r))
		}
	}
	if len(got) > 0 {
		t.Errorf("%d records too many", len(got))
	}
	return missing
}

// segmentsOf returns the names of a volume's segments in order.
func segmentsOf(t testing.TB, vol *memory) []string {
	t.Helper()
	list, err := vol.List(".")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(name string) bool { return parseSegmentName(name) == nil })
}

func TestEveryTruncation(t *testing.T) {
	vol, places := filled(t, 20, 150)
	names := segmentsOf(t, vol)
	if len(names) < 3 {
		t.Fatalf("%d segments", len(names))
	}
	points := 0
	for i, name := range names {
		for at := range len(vol.names[name].data) + 1 {
			cut := vol.copyOf()
			cut.names[name].data = cut.names[name].data[:at]
			s, err := open(small(), cut)
			if err != nil {
				t.Fatalf("%s cut at %d: %v", name, at, err)
			}
			missing := checkPlaces(t, s, places, func(_ uint64, p place) bool { return p.file == name && p.to > at })
			r := s.Report()
			switch last := i == len(names)-1; {
			case last && len(r.Damage) > 0:
				t.Errorf("%s cut at %d: a torn end is no damage: %v", name, at, r.Damage)
			case !last && r.Lost() != missing:
				t.Errorf("%s cut at %d: %d records reported, %d missing: %v", name, at, r.Lost(), missing, r.Damage)
			}
			s.Close()
			points++
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d truncation points", points)
}

// TestTornEndIsCutOff: a write that was not finished is reported once, quietly,
// and not as damage in the middle of the log by the process after the next.
func TestTornEndIsCutOff(t *testing.T) {
	vol, places := filled(t, 9, 150)
	names := segmentsOf(t, vol)
	last := vol.names[names[len(names)-1]]
	last.data = last.data[:len(last.data)-7]
	lost := func(seq uint64, _ place) bool { return seq == 9 }
	for round, want := range []bool{true, false, false} {
		s := mustOpenOn(t, vol, small())
		r := s.Report()
		if torn := r.Torn.Bytes > 0 && r.Torn.Copy != ""; torn != want || len(r.Damage) > 0 {
			t.Errorf("round %d: %+v", round, r)
		}
		checkPlaces(t, s, places, lost)
		s.Settle(mustAppend(t, s, record(99, 10)), nil)
		s.Close()
	}
}

// rot damages a file and returns what it touched.
func rot(rnd *rand.Rand, data []byte) (from, to int) {
	from = rnd.IntN(len(data))
	switch rnd.IntN(4) {
	case 0: // one bit
		data[from] ^= 1 << rnd.IntN(8)
		return from, from + 1
	case 1: // some bytes
		to = min(from+1+rnd.IntN(16), len(data))
		for i := from; i < to; i++ {
			data[i] = byte(rnd.Uint32())
		}
	case 2: // a block of zeros
		from -= from % sector
		to = min(from+sector, len(data))
		clear(data[from:to])
	case 3: // a block of another place
		from -= from % sector
		to = min(from+sector, len(data))
		copy(data[from:to], slices.Clone(data[rnd.IntN(len(data)):]))
	}
	return from, to
}

func TestBitRot(t *testing.T) {
	vol, places := filled(t, 40, 200)
	names := segmentsOf(t, vol)
	missing := 0
	for seed := range *rotCases {
		rnd := rand.New(rand.NewPCG(uint64(seed), 2))
		rotten := vol.copyOf()
		name := names[rnd.IntN(len(names))]
		from, to := rot(rnd, rotten.names[name].data)
		s := mustOpenOn(t, rotten, small())
		n := checkPlaces(t, s, places, func(_ uint64, p place) bool { return p.file == name && p.from < to && from < p.to })
		missing += n
		r := s.Report()
		if reported := r.Lost(); name != names[len(names)-1] && reported != n {
			t.Errorf("%d records reported, %d missing: %v", reported, n, r.Damage)
		}
		if n > 0 && len(r.Damage) == 0 && r.Torn.Bytes == 0 {
			t.Errorf("%d missing, nothing reported", n)
		}
		for _, d := range r.Damage {
			if d.File != name || d.Copy == "" || d.Offset > int64(to) || d.Offset+d.Bytes < int64(from) {
				t.Errorf("reported %+v, touched %s %d to %d", d, name, from, to)
			}
		}
		s.Close()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d damaged logs, %d records touched, no other lost", *rotCases, missing)
}
