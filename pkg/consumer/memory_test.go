package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/consumer"
)

// noted is one id of a model of a Memory.
type noted struct {
	id string
	at time.Time
}

// model is a Memory as one would say what it is: a list.
type model struct {
	max    int
	window time.Duration
	list   []noted
}

func (m *model) knows(id string, now time.Time) bool {
	for _, n := range m.list {
		if n.id == id && now.Sub(n.at) < m.window {
			return true
		}
	}
	return false
}

func (m *model) add(id string, now time.Time) {
	m.list = append(m.list, noted{id, now})
	m.list = m.list[max(0, len(m.list)-m.max):]
}

func TestMemoryIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		m := &model{max: rapid.IntRange(1, 100).Draw(t, "max"), window: time.Hour}
		store := consumer.NewMemory(consumer.MemoryOptions{Max: m.max, Window: m.window, Now: func() time.Time { return now }})
		ids := rapid.IntRange(1, 200).Draw(t, "ids")
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "minutes")) * time.Minute)
			id := strconv.Itoa(rapid.IntRange(1, ids).Draw(t, "id"))
			_, handled, err := store.Begin(context.Background(), id)
			if want := m.knows(id, now); err != nil || handled != want {
				t.Fatalf("%s: got %v, %v, want %v", id, handled, err, want)
			}
			if handled {
				continue
			}
			var failed error
			if rapid.Bool().Draw(t, "fails") {
				failed = errors.New("no")
			} else {
				m.add(id, now)
			}
			if err := store.End(context.Background(), id, failed); err != nil {
				t.Fatal(err)
			}
			if store.Len() > m.max {
				t.Fatalf("%d ids, at most %d", store.Len(), m.max)
			}
		}
	})
}

func TestMemoryDefaults(t *testing.T) {
	now := time.Unix(0, 0)
	store := consumer.NewMemory(consumer.MemoryOptions{Now: func() time.Time { return now }})
	remember(t, store, "a")
	now = now.Add(72*time.Hour - 1)
	if _, handled, err := store.Begin(t.Context(), "a"); err != nil || !handled {
		t.Errorf("before 72 hours are over: %v, %v", handled, err)
	}
	now = now.Add(1)
	if n := store.Len(); n != 0 {
		t.Errorf("after 72 hours there are %d", n)
	}
}

// remember has an id handled.
func remember(t testing.TB, store consumer.Store, id string) {
	t.Helper()
	ctx, handled, err := store.Begin(context.Background(), id)
	if err == nil && !handled {
		err = store.End(ctx, id, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The second of two equal ids waits, and is a repeat or not as the first ends.
func TestMemoryTwinWaits(t *testing.T) {
	for name, failed := range map[string]error{"handled": nil, "failed": errors.New("no")} {
		synctest.Test(t, func(t *testing.T) {
			store := consumer.NewMemory(consumer.MemoryOptions{})
			ctx, _, err := store.Begin(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			var second atomic.Pointer[bool]
			go func() {
				if _, handled, err := store.Begin(t.Context(), "a"); err == nil {
					second.Store(&handled)
				}
			}()
			synctest.Wait()
			if second.Load() != nil {
				t.Fatalf("%s: the second did not wait", name)
			}
			if _, handled, err := store.Begin(t.Context(), "b"); err != nil || handled {
				t.Errorf("%s: another id waited", name)
			}
			if err := store.End(ctx, "a", failed); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := second.Load(); got == nil || *got != (failed == nil) {
				t.Errorf("%s: the second is told %v", name, got)
			}
		})
	}
}

func TestMemoryTwinWaitsNoLongerThanItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := consumer.NewMemory(consumer.MemoryOptions{})
		if _, _, err := store.Begin(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, handled, err := store.Begin(ctx, "a"); handled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", handled, err)
		}
		// The first goes on as if nobody had asked.
		if err := store.End(t.Context(), "a", nil); err != nil {
			t.Fatal(err)
		}
		if _, handled, err := store.Begin(t.Context(), "a"); err != nil || !handled {
			t.Errorf("after the first: %v, %v", handled, err)
		}
	})
}

// Whatever comes at once, each id is handled by one call that succeeds.
func TestOnceWithMemoryHasOneEffect(t *testing.T) {
	const ids, workers = 100, 8
	var effects [ids]atomic.Int64
	var running [ids]atomic.Int64
	var calls atomic.Int64
	h := consumer.Once(consumer.NewMemory(consumer.MemoryOptions{}))(func(_ context.Context, m *consumer.Message) error {
		i, err := strconv.Atoi(m.ID())
		if err != nil {
			return fmt.Errorf("id: %w", err)
		}
		if running[i].Add(1) > 1 {
			t.Errorf("%d is handled twice at once", i)
		}
		defer running[i].Add(-1)
		runtime.Gosched()
		if calls.Add(1)%3 == 0 {
			return errors.New("not this time")
		}
		effects[i].Add(1)
		return nil
	})
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range ids {
				for h(t.Context(), opened(strconv.Itoa(i))) != nil {
				}
			}
		})
	}
	group.Wait()
	for i := range effects {
		if n := effects[i].Load(); n != 1 {
			t.Errorf("%d has %d effects", i, n)
		}
	}
}

// BenchmarkMemory measures what an id costs: bytes/id is what a Memory holds that has
// just become full, and turnover-bytes/id after twice as many more.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		empty := held()
		store := consumer.NewMemory(consumer.MemoryOptions{Max: n})
		began := time.Now()
		for i := range n {
			remember(b, store, strconv.Itoa(i))
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/n, "ns/id")
		b.ReportMetric(float64(held()-empty)/n, "bytes/id")
		for i := range 2 * n {
			remember(b, store, strconv.Itoa(n+i))
		}
		b.ReportMetric(float64(held()-empty)/n, "turnover-bytes/id")
		runtime.KeepAlive(store)
	}
}

// held is how many bytes the heap holds.
func held() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkOnce(b *testing.B) {
	h := consumer.Once(consumer.NewMemory(consumer.MemoryOptions{}))(counting(new(int)))
	m := opened("c677cee09e04e08cc97c635766b11fb0")
	b.ReportAllocs()
	for b.Loop() {
		if err := h(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
