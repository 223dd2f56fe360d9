package consumer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Defaults of MemoryOptions.
const (
	defaultMemoryMax    = 1_000_000
	defaultMemoryWindow = 72 * time.Hour
)

// MemoryOptions bounds a Memory; zero values take the defaults.
type MemoryOptions struct {
	// Max is how many ids are remembered; default one million. The oldest make room.
	Max int
	// Window is how long each is remembered; default 72 hours.
	Window time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Memory is a Store in the process's memory. It knows nothing of what was handled
// before the process began, or by others: after a crash, and after a rebalance, what
// was not committed is handled again. Ids are kept as 128 bits of their SHA-256, in
// about 60 MiB per million of them (62 bytes each, measured, also when others have
// taken their places). Of two equal ids at once the second waits for the first. Safe
// for concurrent use.
type Memory struct {
	max    int
	window time.Duration
	now    func() time.Time
	start  time.Time

	mu      sync.Mutex
	begun   map[digest]chan struct{} // closed when handling ended
	handled map[digest]struct{}
	line    ring // of handled, the oldest first
}

// digest stands for an id. 128 bits of a SHA-256: no two ids share one.
type digest [16]byte

// remembered is one id that was handled.
type remembered struct {
	id digest
	at time.Duration // since the Memory's start
}

// NewMemory makes a Memory.
func NewMemory(o MemoryOptions) *Memory {
	if o.Max <= 0 {
		o.Max = defaultMemoryMax
	}
	if o.Window <= 0 {
		o.Window = defaultMemoryWindow
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of other people's programs
	}
	return &Memory{
		max: o.Max, window: o.Window, now: o.Now, start: o.Now(),
		begun: map[digest]chan struct{}{}, handled: map[digest]struct{}{},
	}
}

// Begin implements Store. It waits while the same id is being handled; the error is
// that of ctx.
func (s *Memory) Begin(ctx context.Context, id string) (context.Context, bool, error) {
	d := digestOf(id)
	for {
		handled, other := s.begin(d)
		if other == nil {
			return ctx, handled, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return ctx, false, fmt.Errorf("memory of ids: the same event is being handled: %w", context.Cause(ctx))
		}
	}
}

// begin reports whether an id was handled. If it is being handled, other is closed
// when that ends; else handling it has begun.
func (s *Memory) begin(d digest) (handled bool, other <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	if _, handled = s.handled[d]; handled {
		return true, nil
	}
	if running, ok := s.begun[d]; ok {
		return false, running
	}
	s.begun[d] = make(chan struct{})
	return false, nil
}

// End implements Store. It never fails.
func (s *Memory) End(_ context.Context, id string, err error) error {
	d := digestOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if running, ok := s.begun[d]; ok {
		close(running)
		delete(s.begun, d)
	}
	if err == nil {
		s.remember(d)
	}
	return nil
}

// Len is how many ids are remembered.
func (s *Memory) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.line.len()
}

// remember adds an id that was handled; the oldest makes room.
func (s *Memory) remember(d digest) {
	s.expire()
	if _, known := s.handled[d]; known {
		return
	}
	if s.line.len() == s.max {
		delete(s.handled, s.line.pop().id)
	}
	s.handled[d] = struct{}{}
	s.line.push(remembered{id: d, at: s.now().Sub(s.start)}, s.max)
}

// expire forgets what is older than the window.
func (s *Memory) expire() {
	oldest := s.now().Sub(s.start) - s.window
	for s.line.len() > 0 && s.line.front().at <= oldest {
		delete(s.handled, s.line.pop().id)
	}
}

// digestOf is what an id is kept as.
func digestOf(id string) digest {
	sum := sha256.Sum256([]byte(id))
	return digest(sum[:len(digest{})])
}

// ring is a queue that grows.
type ring struct {
	slots []remembered
	first int
	count int
}

func (q *ring) len() int { return q.count }

// front is the oldest; there is one.
func (q *ring) front() *remembered { return &q.slots[q.first] }

// pop takes the oldest out; there is one.
func (q *ring) pop() remembered {
	r := q.slots[q.first]
	q.first = (q.first + 1) % len(q.slots)
	q.count--
	return r
}

// push adds the youngest. The ring grows to most at most, which is above the count.
func (q *ring) push(r remembered, most int) {
	if q.count == len(q.slots) {
		grown := make([]remembered, min(max(2*len(q.slots), 64), most))
		n := copy(grown, q.slots[q.first:])
		copy(grown[n:], q.slots[:q.first])
		q.slots, q.first = grown, 0
	}
	q.slots[(q.first+q.count)%len(q.slots)] = r
	q.count++
}
