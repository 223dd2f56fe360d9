package spool

import (
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

var powerSeeds = flag.Int("spool.powerseeds", 300, "how many losses of power to try")

// small are options for a memory: segments of a few records.
func small() Options {
	return Options{
		Dir: "memory", MaxBytes: 1 << 30, SegmentBytes: 4 << 10, Log: zap.NewNop(),
		Now: func() time.Time { return testNow },
	}
}

// mustOpenOn opens a spool on a volume; it is closed with the test.
func mustOpenOn(t testing.TB, vol volume, opts Options) *Spool {
	t.Helper()
	s, err := open(opts, vol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// history is what a test did, to be held against what is there afterwards.
type history struct {
	n        int                      // records made
	acked    int                      // records that were promised
	tried    map[string]bool          // values that Append was called with
	promised map[uint64]broker.Record // Append returned nil, not settled
	aside    map[string]bool          // values that were settled with a cause
}

func newHistory() *history {
	return &history{
		tried: map[string]bool{}, promised: map[uint64]broker.Record{},
		aside: map[string]bool{},
	}
}

// append appends a few records; whether that succeeds is not the point.
func (h *history) append(t testing.TB, s *Spool, rnd *rand.Rand) {
	t.Helper()
	recs := make([]broker.Record, 1+rnd.IntN(4))
	for i := range recs {
		recs[i] = record(h.n, 30+rnd.IntN(1500))
		h.tried[string(recs[i].Value)] = true
		h.n++
	}
	refs, err := s.Append(t.Context(), recs)
	if err != nil {
		return
	}
	h.acked += len(refs)
	for i, ref := range refs {
		h.promised[ref.Seq] = recs[i]
	}
}

// pick returns some promised records, at most n.
func (h *history) pick(s *Spool, rnd *rand.Rand, n int) []broker.Ref {
	var refs []broker.Ref
	for _, st := range s.Pending() {
		if rnd.IntN(3) == 0 && len(refs) < n {
			refs = append(refs, st.Ref)
		}
	}
	return refs
}

// settle settles records as published.
func (h *history) settle(s *Spool, refs []broker.Ref) {
	for _, ref := range refs {
		if r, err := s.Load(ref); err == nil {
			delete(h.aside, string(r.Value)) // that did not come to pass
		}
		delete(h.promised, ref.Seq)
	}
	s.Settle(refs, nil)
}

// setAside settles records with a cause: they must be in the spool or in dead/.
func (h *history) setAside(s *Spool, refs []broker.Ref) {
	for _, ref := range refs {
		if r, ok := h.promised[ref.Seq]; ok {
			h.aside[string(r.Value)] = true
			delete(h.promised, ref.Seq)
		}
	}
	s.Settle(refs, errors.New("too large"))
}

// check holds a spool that was opened again against the history: what was
// promised is there, as it was; nothing is there that nobody appended; the
// order is kept.
func (h *history) check(t testing.TB, s *Spool) {
	t.Helper()
	pending := s.Pending()
	if !slices.IsSortedFunc(pending, func(a, b broker.Stored) int { return int(a.Seq) - int(b.Seq) }) {
		t.Errorf("not in order")
	}
	found := map[uint64]bool{}
	values := map[string]bool{}
	for _, st := range pending {
		r, err := s.Load(st.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if !h.tried[string(r.Value)] {
			t.Errorf("record %d was never appended", st.Seq)
		}
		if want, ok := h.promised[st.Seq]; ok {
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("record %d is another one:\n%s", st.Seq, diff)
			}
		}
		found[st.Seq] = true
		values[string(r.Value)] = true
	}
	for seq := range h.promised {
		if !found[seq] {
			t.Errorf("record %d was promised and is lost", seq)
		}
	}
	h.checkAside(t, s, values)
}

// checkAside wants every record that was settled with a cause in dead/ or still
// in the spool.
func (h *history) checkAside(t testing.TB, s *Spool, values map[string]bool) {
	t.Helper()
	list, err := s.vol.List(deadDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if path := deadDir + "/" + name; path[len(path)-4:] == recordExt {
			f, err := s.vol.Open(path, false, 0)
			if err != nil {
				t.Fatal(err)
			}
			data, _ := readWhole(f)
			for item, err := range items(path, data) {
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				values[string(item.Record.Value)] = true
			}
		}
	}
	for value := range h.aside {
		if !values[value] {
			t.Errorf("a record that was set aside is nowhere: %.20s", value)
		}
	}
}

// TestPowerLoss loses power at random moments, thrice in a row on one disk.
func TestPowerLoss(t *testing.T) {
	promised, seeds := 0, *powerSeeds
	if testing.Short() { // as with the race detector, which makes each ten times as long
		seeds /= 4
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		h, vol := newHistory(), newMemory()
		for range 3 {
			promised -= h.acked
			vol.mu.Lock()
			vol.ops, vol.offAt = 0, 1+rnd.IntN(150)
			vol.mu.Unlock()
			s, err := open(small(), vol)
			if err == nil {
				h.work(t, s, rnd, 40)
				s.Close()
			}
			promised += h.acked
			vol = vol.lose(rnd)
			s = mustOpenOn(t, vol.copyOf(), small())
			h.check(t, s)
			for _, d := range s.Report().Damage {
				if d.Copy == "" {
					t.Errorf("no copy of %v", d)
				}
			}
			s.Close()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
	t.Logf("%d losses of power, %d records promised, none lost", 3*seeds, promised)
}

// work does random things to a spool until the power is off or n are done.
func (h *history) work(t testing.TB, s *Spool, rnd *rand.Rand, n int) {
	t.Helper()
	for range n {
		switch rnd.IntN(8) {
		case 0, 1, 2, 3:
			h.append(t, s, rnd)
		case 4, 5:
			h.settle(s, h.pick(s, rnd, 8))
		case 6:
			h.setAside(s, h.pick(s, rnd, 1))
		case 7:
			if rnd.IntN(8) == 0 {
				h.settle(s, h.pick(s, rnd, 1000))
			}
		}
	}
}

// TestAnUnsyncedRemovalIsSyncedBeforeTheNext: the sync of the folder fails after
// a segment was removed, and again after the younger one was that holds the
// notes about it. Whichever of the two names a loss of power brings back, what
// was settled stays settled.
func TestAnUnsyncedRemovalIsSyncedBeforeTheNext(t *testing.T) {
	for seed := range uint64(64) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		oldest := mustAppend(t, s, records(0, 2)...)
		younger := mustAppend(t, s, record(2, 3900)) // fills the next segment
		s.Settle(oldest[:1], nil)                    // noted beside it
		mustAppend(t, s, record(3, 3000))
		vol.breakOn("syncdir", syscall.EIO)
		s.Settle(oldest[1:], nil)
		s.Settle(younger, nil)
		s.Close() // looks once more at what can be removed
		after := mustOpenOn(t, vol.lose(rand.New(rand.NewPCG(seed, 4))), small())
		for _, st := range after.Pending() {
			if st.Seq == oldest[0].Seq {
				t.Fatalf("seed %d: record %d was settled and noted, and is there again", seed, st.Seq)
			}
		}
		after.Close()
	}
}
