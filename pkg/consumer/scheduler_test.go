package consumer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
)

// testConfig is a complete Config.
func testConfig() Config {
	return withDefaults(Config{Group: "g", Topics: []string{"t"}, Kafka: Kafka{Brokers: []string{"b:1"}}})
}

func testScheduler(cfg Config) *scheduler { return newScheduler(&cfg, newBreaker(cfg.Breaker)) }

// read makes tasks of a partition as a session does.
func read(p *partition, from int64, keys ...string) []task {
	tasks := make([]task, len(keys))
	for i, k := range keys {
		tasks[i] = task{part: p, size: 100, m: Message{Topic: p.topic, Partition: p.number, Offset: from + int64(i), Key: []byte(k), Value: []byte("v")}}
	}
	return tasks
}

// TestKeysKeepTheirOrder: whatever workers do, records of one key run one after the
// other in the order read, each once, and positions never pass one that is not finished.
func TestKeysKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := testScheduler(testConfig())
		p := &partition{topic: "t", room: 1 << 20}
		var mu sync.Mutex
		lastOf, ran, busy := map[string]int64{}, map[int64]int{}, map[string]bool{}
		unfinished := map[int64]bool{}
		n := rapid.IntRange(1, 200).Draw(t, "records")
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "key"))
			unfinished[int64(i)] = true
		}
		seed := rapid.Uint64().Draw(t, "seed")
		var workers sync.WaitGroup
		finished := make(chan struct{}, n)
		for w := range rapid.IntRange(1, 8).Draw(t, "workers") {
			rnd := rand.New(rand.NewPCG(seed, uint64(w)))
			workers.Go(func() {
				for {
					taken, _ := s.take(nil, 1+rnd.IntN(8))
					if len(taken) == 0 {
						return
					}
					for _, tk := range taken {
						key := string(tk.m.Key)
						mu.Lock()
						if busy[key] {
							t.Errorf("two records of key %s at once", key)
						}
						if last, ok := lastOf[key]; ok && last >= tk.m.Offset {
							t.Errorf("key %s: %d after %d", key, tk.m.Offset, last)
						}
						busy[key] = true
						mu.Unlock()
						if rnd.IntN(4) == 0 { // fails, and comes again
							mu.Lock()
							busy[key] = false
							mu.Unlock()
							s.again(tk, time.Duration(rnd.IntN(2))*time.Microsecond)
							continue
						}
						mu.Lock()
						lastOf[key], busy[key] = tk.m.Offset, false
						ran[tk.m.Offset]++
						delete(unfinished, tk.m.Offset)
						s.mu.Lock()
						if at := p.position(); unfinished[at-1] {
							t.Errorf("position %d passes a record", at)
						}
						s.mu.Unlock()
						mu.Unlock()
						s.done([]*task{tk})
						finished <- struct{}{}
					}
				}
			})
		}
		for from := 0; from < n; {
			to := min(n, from+rapid.IntRange(1, 50).Draw(t, "batch"))
			s.add(p, read(p, int64(from), keys[from:to]...), int64(to), int64(n))
			from = to
		}
		for range n {
			<-finished
		}
		s.close()
		workers.Wait()
		for i := range int64(n) {
			if ran[i] != 1 {
				t.Errorf("record %d was finished %d times", i, ran[i])
			}
		}
		if p.position() != int64(n) || p.bytes != 0 || len(s.chains) != 0 {
			t.Errorf("position %d of %d, %d bytes, %d keys left", p.position(), n, p.bytes, len(s.chains))
		}
	})
}

// TestAKeyThatWaitsHoldsUpNobodyElse: its retry occupies no worker.
func TestAKeyThatWaitsHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testScheduler(testConfig())
		defer s.close()
		p := &partition{topic: "t", room: 1 << 20}
		s.add(p, read(p, 0, "a", "b", "a"), 3, 3)
		first, _ := s.take(nil, 1)
		s.again(first[0], time.Hour)
		second, _ := s.take(nil, 8)
		if len(second) != 1 || second[0].m.Offset != 1 {
			t.Fatalf("want the record of key b alone, got %d", len(second))
		}
		s.done(second)
		if got := p.position(); got != 0 {
			t.Errorf("position %d: the first record is not finished", got)
		}
		began := time.Now()
		again, _ := s.take(nil, 8)
		if time.Since(began) != time.Hour || len(again) != 1 || again[0].m.Offset != 0 {
			t.Errorf("after %s: %d tasks", time.Since(began), len(again))
		}
		s.done(again)
		last, _ := s.take(nil, 8)
		s.done(last)
		if got := p.position(); got != 3 {
			t.Errorf("position %d, want 3", got)
		}
	})
}

// TestRecordsOfARetryTopicWaitForTheirTime: and do not hold up their key meanwhile.
func TestRecordsOfARetryTopicWaitForTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testScheduler(testConfig())
		defer s.close()
		late := &partition{topic: "g.retry.1m", room: 1 << 20, delay: time.Minute, stage: 1}
		tasks := read(late, 0, "a", "a")
		tasks[0].m.Headers = notBefore(time.Now().Add(40 * time.Second))
		tasks[1].m.Headers = notBefore(time.Now().AddDate(100, 0, 0)) // cannot be meant
		s.add(late, tasks, 2, 2)
		p := &partition{topic: "t", room: 1 << 20}
		s.add(p, read(p, 7, "a"), 8, 8)
		began := time.Now()
		var order []string
		for range 3 {
			taken, _ := s.take(nil, 1)
			order = append(order, fmt.Sprintf("%s/%d %s", taken[0].m.Topic, taken[0].m.Offset, time.Since(began)))
			s.done(taken)
		}
		want := fmt.Sprint([]string{"t/7 0s", "g.retry.1m/0 40s", "g.retry.1m/1 1h0m0s"})
		if fmt.Sprint(order) != want {
			t.Errorf("got  %s\nwant %s", order, want)
		}
	})
}

func notBefore(at time.Time) []event.Header {
	return []event.Header{{Key: HeaderNotBefore, Value: []byte(at.UTC().Format(stamp))}}
}

// TestBreaker: different records that fail open it; one is tried from time to time, at
// growing distance; a success closes it.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Breaker = Breaker{Failures: 3, MinWait: time.Second, MaxWait: 3 * time.Second}
		s := testScheduler(cfg)
		defer s.close()
		p := &partition{topic: "t", room: 1 << 20}
		s.add(p, read(p, 0, "a", "b", "c", "d"), 4, 4)
		fail := func(t *task, probe bool) bool {
			opened := s.judge(func(b *breaker) bool { return b.failure(t.m.Origin(), probe, time.Now(), "down") })
			s.again(t, 0)
			return opened
		}
		one := func() *task {
			taken, _ := s.take(nil, 1)
			return taken[0]
		}
		first := one()
		for range 5 { // one record that fails is no trouble, however often
			if s.judge(func(b *breaker) bool { return b.failure(first.m.Origin(), false, time.Now(), "bad") }) {
				t.Fatal("one record opened it")
			}
		}
		opened := fail(first, false)
		second, third := one(), one()
		if opened || fail(second, false) || !fail(third, false) {
			t.Error("want the third record to open it")
		}
		if s.breaker.state != BreakerOpen || s.breaker.reason != "down" {
			t.Fatalf("state %s (%s)", s.breaker.state, s.breaker.reason)
		}
		began, seen := time.Now(), map[int64]bool{}
		for _, want := range []time.Duration{1 * time.Second, 3 * time.Second, 6 * time.Second, 9 * time.Second} { // 1, 2, 3, 3 s between
			taken, probe := s.take(nil, 8)
			if len(taken) != 1 || !probe || time.Since(began) != want {
				t.Errorf("after %s: %d tasks, probe %t; want one after %s", time.Since(began), len(taken), probe, want)
			}
			seen[taken[0].m.Offset] = true
			fail(taken[0], probe)
		}
		if len(seen) < 3 {
			t.Errorf("only %d different records were tried", len(seen))
		}
		taken, probe := s.take(nil, 8)
		if !probe || !s.succeed() {
			t.Error("a success closes it")
		}
		s.done(taken)
		rest, probe := s.take(nil, 8)
		if len(rest) != 3 || probe {
			t.Errorf("%d tasks, probe %t", len(rest), probe)
		}
	})
}

// TestRoom: a reader is told that there is none, and when there is some again.
func TestRoom(t *testing.T) {
	s := testScheduler(testConfig())
	defer s.close()
	p := &partition{topic: "t", room: 1000}
	s.add(p, read(p, 0, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"), 10, 10)
	if got := p.ask(); got != 0 {
		t.Errorf("room for %d bytes, want none", got)
	}
	for i := range 10 {
		select {
		case <-s.room:
			if i != 5 {
				t.Errorf("told after %d records that there is room", i)
			}
		default:
			if i == 5 {
				t.Error("half of the room is free, and nobody was told")
			}
		}
		taken, _ := s.take(nil, 1)
		s.done(taken)
	}
}

func TestClassify(t *testing.T) {
	err := errors.New("x")
	for _, tc := range []struct {
		err   error
		want  action
		after time.Duration
	}{
		{err, retry, 0},
		{Permanent(err), permanent, 0},
		{Later(err), later, 0},
		{RetryAfter(err, time.Second), retry, time.Second},
		{Unavailable(err), unavailable, 0},
		{Stop(err), stop, 0},
		{fmt.Errorf("outer: %w", Permanent(err)), permanent, 0},
	} {
		if got, after := classify(tc.err); got != tc.want || after != tc.after || !errors.Is(tc.err, err) {
			t.Errorf("%v: %d %s", tc.err, got, after)
		}
	}
	if Permanent(nil) != nil || RetryAfter(nil, 1) != nil {
		t.Error("nil is no error")
	}
}

// TestAStampIsNeverEarly: a stamp is coarser than the clock, and a delay is the least wait.
func TestAStampIsNeverEarly(t *testing.T) {
	whole := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, beyond := range []time.Duration{0, 1, 999_999, time.Millisecond, time.Millisecond + 1, time.Second - 1} {
		at := whole.Add(beyond)
		said, err := time.Parse(time.RFC3339, stampAfter(at))
		if late := said.Sub(at); err != nil || late < 0 || late >= time.Millisecond {
			t.Errorf("%s is stamped %s (%v), want it on time or within a millisecond after", at, said, err)
		}
	}
}
