package dedupe_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/internal/dedupe"
)

// hand is a clock that is moved by hand.
type hand struct{ at time.Time }

func (h *hand) now() time.Time { return h.at }

// window makes a Window of an hour whose clock is h.
func window(h *hand) *dedupe.Window {
	if h.at.IsZero() {
		h.at = time.Unix(1e9, 0)
	}
	return dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 100, Now: h.now})
}

// claim claims one event and tells the verdict.
func claim(t testing.TB, w *dedupe.Window, e dedupe.Event) (*dedupe.Claim, dedupe.Verdict) {
	t.Helper()
	c, err := w.Claim(t.Context(), []dedupe.Event{e}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c, c.Verdict(0)
}

// accept claims and commits one event and tells the verdict.
func accept(t testing.TB, w *dedupe.Window, e dedupe.Event) dedupe.Verdict {
	t.Helper()
	c, v := claim(t, w, e)
	c.Commit()
	return v
}

func wantVerdict(t testing.TB, got, want dedupe.Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("verdict %d, want %d", got, want)
	}
}

func TestOnlyWhatWasCommittedIsKnown(t *testing.T) {
	w := window(&hand{})
	c, v := claim(t, w, event(1, 1))
	wantVerdict(t, v, dedupe.Fresh)
	c.Abort()
	c.Commit() // too late
	wantVerdict(t, accept(t, w, event(1, 1)), dedupe.Fresh)
	wantVerdict(t, accept(t, w, event(1, 1)), dedupe.Repeat)
	wantVerdict(t, accept(t, w, event(1, 2)), dedupe.Conflict)
	wantVerdict(t, accept(t, w, event(1, 2)), dedupe.Repeat)
}

func TestIDsAreForgottenAfterTheWindow(t *testing.T) {
	h := &hand{}
	w := window(h)
	accept(t, w, event(1, 1))
	h.at = h.at.Add(time.Hour - tick)
	wantVerdict(t, accept(t, w, event(1, 1)), dedupe.Repeat)
	h.at = h.at.Add(tick)
	wantVerdict(t, accept(t, w, event(1, 1)), dedupe.Fresh)
}

// A source with a window of its own lets older repeats through, and what must
// not be forgotten goes by the whole window.
func TestWindowOfASource(t *testing.T) {
	h := &hand{}
	w := window(h)
	nonce := event(2, 1)
	nonce.Whole = true
	both := func() *dedupe.Claim {
		c, err := w.Claim(t.Context(), []dedupe.Event{event(1, 1), nonce}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	both().Commit()
	h.at = h.at.Add(2 * time.Minute)
	c := both()
	wantVerdict(t, c.Verdict(0), dedupe.Fresh)
	wantVerdict(t, c.Verdict(1), dedupe.Repeat)
	c.Commit()
	h.at = h.at.Add(time.Minute - tick)
	wantVerdict(t, both().Verdict(0), dedupe.Repeat)
}

// A clock that is set, as one without a monotonic reading can be, makes nothing
// known that is not, and nothing known for longer than the time that went by.
func TestClockThatIsSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{"back": -10 * 365 * 24 * time.Hour, "ahead": 10 * 365 * 24 * time.Hour, "little": -time.Minute} {
		h := &hand{}
		w := window(h)
		accept(t, w, event(1, 1))
		h.at = h.at.Add(jump)
		wantVerdict(t, accept(t, w, event(2, 1)), dedupe.Fresh)
		wantVerdict(t, accept(t, w, event(2, 1)), dedupe.Repeat)
		h.at = h.at.Add(time.Hour)
		wantVerdict(t, accept(t, w, event(1, 1)), dedupe.Fresh)
		if got := w.IDs(); got != 1 {
			t.Errorf("%s: %d ids after the window, want 1", name, got)
		}
	}
}

// Beyond the bound exactly the oldest are forgotten, however often the tables
// grow and shrink.
func TestOldestAreForgottenBeyondTheBound(t *testing.T) {
	const most, all = 10_000, 45_000
	h := &hand{at: time.Unix(1e9, 0)}
	w := dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: most, Now: h.now})
	numbered := func(n int) (e dedupe.Event) {
		binary.BigEndian.PutUint64(e.ID[3:], uint64(n))
		return e
	}
	fill := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			if v := accept(t, w, numbered(n)); v != dedupe.Fresh {
				t.Fatalf("%d of %d ids: verdict %d, want fresh", n, to, v)
			}
		}
	}
	fill(0, all)
	if got := w.IDs(); got != most {
		t.Errorf("%d ids, want %d", got, most)
	}
	for n := range all {
		want := dedupe.Fresh
		if n >= all-most {
			want = dedupe.Repeat
		}
		c, v := claim(t, w, numbered(n))
		if v != want {
			t.Fatalf("id %d of %d: verdict %d, want %d", n, all, v, want)
		}
		c.Abort()
	}
	h.at = h.at.Add(time.Hour)
	for range most / 100 { // each look forgets some
		w.IDs()
	}
	if got := w.IDs(); got != 0 {
		t.Errorf("%d ids after the window, want none", got)
	}
	fill(0, most)
	for n := range most {
		wantVerdict(t, accept(t, w, numbered(n)), dedupe.Repeat)
	}
}

// A million ids cost what the package says, tables at their emptiest included.
func TestMemoryOfAMillionIDs(t *testing.T) {
	const million, perID = 1_000_000, 60
	w := dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 2 * million, Now: (&hand{at: time.Unix(1e9, 0)}).now})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	batch := make([]dedupe.Event, 1000)
	for n := 0; n < million; n += len(batch) {
		for i := range batch {
			binary.BigEndian.PutUint64(batch[i].ID[:], uint64(n+i))
		}
		c, err := w.Claim(t.Context(), batch, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Commit()
	}
	each := float64(heap()-before) / million
	t.Logf("%.1f bytes an id, %.1f MB for a million", each, each)
	if each > perID || w.IDs() != million {
		t.Errorf("%.1f bytes for each of %d ids, want at most %d", each, w.IDs(), perID)
	}
}

// The second of two like requests waits for the first, and is a repeat, or, if
// the first failed, goes on itself.
func TestTwinWaits(t *testing.T) {
	for name, failed := range map[string]bool{"accepted": false, "failed": true} {
		synctest.Test(t, func(t *testing.T) {
			w := window(&hand{})
			first, _ := claim(t, w, event(1, 1))
			var verdicts [2]dedupe.Verdict
			var done atomic.Int32
			for i := range verdicts {
				go func() {
					verdicts[i] = accept(t, w, event(1, 1))
					done.Add(1)
				}()
			}
			synctest.Wait()
			if done.Load() != 0 {
				t.Fatalf("%s: a twin did not wait", name)
			}
			wantVerdict(t, accept(t, w, event(2, 1)), dedupe.Fresh) // nobody else waits
			want := 2
			if failed {
				first.Abort()
				want = 1
			} else {
				first.Commit()
			}
			synctest.Wait()
			repeats := 0
			for _, v := range verdicts {
				if v == dedupe.Repeat {
					repeats++
				}
			}
			if done.Load() != 2 || repeats != want {
				t.Errorf("%s: %d twins went on, %d as repeats, want 2 and %d", name, done.Load(), repeats, want)
			}
		})
	}
}

// A claim that waits holds nothing, and ends with its context.
func TestWaitingClaimHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := window(&hand{})
		first, _ := claim(t, w, event(1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := w.Claim(ctx, []dedupe.Event{event(2, 1), event(3, 1), event(1, 1)}, 0)
			ended <- err
		}()
		synctest.Wait()
		wantVerdict(t, accept(t, w, event(2, 1)), dedupe.Fresh)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the end of its time", err)
		}
		wantVerdict(t, accept(t, w, event(3, 1)), dedupe.Fresh)
		first.Abort()
	})
}

// Batches that overlap in every order never wait in a circle, and each id is
// accepted once.
func TestOverlappingBatchesEnd(t *testing.T) {
	const batches, ids = 64, 24
	w := window(&hand{})
	var fresh [ids]atomic.Int32
	var wg sync.WaitGroup
	for b := range batches {
		wg.Go(func() {
			var events []dedupe.Event
			for i := range ids / 2 {
				events = append(events, event(byte((b*7+i*(1+b%5))%ids), 1))
			}
			for try := range 3 {
				c, err := w.Claim(t.Context(), events, 0)
				if err != nil {
					t.Error(err)
					return
				}
				if runtime.Gosched(); try < 2 && b%2 == 0 {
					c.Abort()
					continue
				}
				for i, e := range events {
					if c.Verdict(i) == dedupe.Fresh {
						fresh[e.ID[0]].Add(1)
					}
				}
				c.Commit()
			}
		})
	}
	wg.Wait()
	for id := range fresh {
		if n := fresh[id].Load(); n != 1 {
			t.Errorf("id %d was accepted %d times", id, n)
		}
	}
}

func TestModeNames(t *testing.T) {
	for _, m := range []dedupe.Mode{dedupe.Drop, dedupe.Mark, dedupe.Off} {
		if got, ok := dedupe.ParseMode(m.String()); !ok || got != m {
			t.Errorf("%s: got %v %v", m, got, ok)
		}
	}
	if m, ok := dedupe.ParseMode(""); !ok || m != dedupe.Drop {
		t.Errorf("no name: got %v %v, want drop", m, ok)
	}
	if _, ok := dedupe.ParseMode("keep"); ok {
		t.Error("keep is no mode")
	}
}

// BenchmarkClaim is one event that is new, in a window of two million.
func BenchmarkClaim(b *testing.B) {
	w := dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: 2_000_000, Now: time.Now})
	events := make([]dedupe.Event, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(events[0].ID[:], uint64(i))
		c, err := w.Claim(b.Context(), events, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.Commit()
	}
}

// BenchmarkClaimBatch measures claims of 1,000 new ids, with few and with millions of
// them known; a figure is that of one id.
func BenchmarkClaimBatch(b *testing.B) {
	for _, known := range []int{0, 1_000_000, 8_000_000} {
		b.Run(strconv.Itoa(known), func(b *testing.B) {
			const batch = 1000
			w := dedupe.New(dedupe.Options{Window: time.Hour, MaxIDs: max(known, batch), Now: time.Now})
			events := make([]dedupe.Event, batch)
			next := uint64(0)
			claim := func() {
				for i := range events {
					next++
					binary.BigEndian.PutUint64(events[i].ID[:], next)
				}
				c, err := w.Claim(b.Context(), events, 0)
				if err != nil {
					b.Fatal(err)
				}
				c.Commit()
			}
			for range known / batch {
				claim()
			}
			b.ReportAllocs()
			for b.Loop() {
				claim()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/id")
		})
	}
}
