package dedupe

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"
)

// Event is what a Window has to know of an item: who it is and what it says.
type Event struct {
	ID      [16]byte
	Content [16]byte // hash of what it says
	// Item is its place in the request, which only Recorded looks at.
	Item int
	// Whole says that the item is judged by the whole window, whatever window its
	// Claim names.
	Whole bool
}

// Verdict is what a Window says of an event.
type Verdict uint8

// The verdicts.
const (
	Fresh    Verdict = iota // not seen
	Repeat                  // seen, and it said the same
	Conflict                // seen, and it said something else
)

// Options is what a Window needs.
type Options struct {
	Window time.Duration    // how long an id is known; at most a year
	MaxIDs int              // how many ids are known at most, 2^30 at most
	Now    func() time.Time // the clock; required
}

// Window knows the events that were accepted lately. Safe for concurrent use.
type Window struct {
	now   func() time.Time
	lists sync.Pool // of *[]probe

	mu       sync.Mutex
	touched  uint64 // see set.touch
	clock    clock
	seen     *set
	inFlight map[[16]byte]holder
	journal  *Journal // nil: nothing outlives the process
}

// holder is who claimed an id, and for which of its events.
type holder struct {
	claim *Claim
	event int
}

// New makes an empty Window. A window or a bound outside of what is possible is
// brought to the nearest that is.
func New(o Options) *Window {
	window := min(max(o.Window, tick), maxWindow)
	w := &Window{now: o.Now, inFlight: make(map[[16]byte]holder), seen: newSet(min(max(o.MaxIDs, 1), 1<<30), window)}
	// What is read back is up to a window old, and no stamp is before the first.
	w.clock = clock{last: o.Now(), elapsed: window, most: window}
	return w
}

// Claim decides about the events of one request and keeps those that are no
// repeats for it until the claim is committed or aborted: exactly one of the two
// has to follow. A repeat that was accepted longer ago than window (0, or more
// than the Window's own: that) is let through as fresh. The same id twice among
// the events: the second is a repeat, or a conflict if it says something else.
//
// If another claim in progress holds one of the ids, Claim waits for its end,
// holding nothing itself, and looks again; so claims never wait for each other
// in a circle. It waits until ctx ends at most, and returns ctx's error then.
// events belongs to the claim until its end.
func (w *Window) Claim(ctx context.Context, events []Event, window time.Duration) (*Claim, error) {
	if window <= 0 || window > w.seen.window {
		window = w.seen.window
	}
	c := &Claim{w: w, events: events, window: window}
	c.verdicts = c.room[:0]
	if len(events) > len(c.room) {
		c.verdicts = make([]verdict, 0, len(events))
	}
	c.probes = w.probes(events)
	for {
		other := w.try(c)
		if other == nil {
			return c, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			w.release(c.probes)
			return nil, fmt.Errorf("dedupe: the same event is in progress in another request: %w", ctx.Err())
		}
	}
}

// try claims all events, or none and returns what to wait for.
func (w *Window) try(c *Claim) (other <-chan struct{}) {
	list := *c.probes
	w.mu.Lock()
	defer w.mu.Unlock()
	now := stampOf(w.clock.read(w.now()))
	w.seen.expire(now)
	w.touched += w.seen.touch(list)
	for i := range c.events {
		v, holding := w.judge(c, i, &list[i], now)
		if holding != nil {
			c.release()
			c.verdicts = c.verdicts[:0]
			return holding.wait()
		}
		c.verdicts = append(c.verdicts, v)
	}
	return nil
}

// judge decides about one event and claims it unless it is a repeat. If another
// claim holds it, that one is returned.
func (w *Window) judge(c *Claim, i int, p *probe, now stamp) (verdict, *Claim) {
	e := &c.events[i]
	window := c.window
	if e.Whole {
		window = w.seen.window
	}
	content, known := w.seen.seen(e.ID, p.tag, window, now)
	if known && content == head(e.Content) {
		return verdict{Verdict: Repeat}, nil
	}
	// What was published as a conflict is known by that id, also when the id that
	// it conflicted with is forgotten.
	if _, again := w.seen.seen(p.other, p.otherTag, window, now); again {
		return verdict{Verdict: Repeat, other: true}, nil
	}
	return w.hold(c, i, known, p.other)
}

// hold claims an event that was not accepted before; known says that its id was,
// and other is its id in that case.
func (w *Window) hold(c *Claim, i int, known bool, other [16]byte) (verdict, *Claim) {
	e := &c.events[i]
	first, taken := w.inFlight[e.ID]
	switch {
	case taken && first.claim != c:
		return verdict{}, first.claim
	case !taken:
		w.inFlight[e.ID] = holder{claim: c, event: i}
	case !known && c.events[first.event].Content == e.Content:
		return verdict{Verdict: Repeat}, nil // the second of two in one request
	}
	if !known && !taken {
		return verdict{Verdict: Fresh}, nil
	}
	if _, twice := w.inFlight[other]; twice {
		return verdict{Verdict: Repeat, other: true}, nil
	}
	w.inFlight[other] = holder{claim: c, event: i}
	return verdict{Verdict: Conflict, other: true}, nil
}

// ConflictID returns the id of an event whose own id was seen with another
// content: the first 128 bits of the SHA-256 over id, a NUL and content.
func ConflictID(id, content [16]byte) [16]byte {
	var text [33]byte
	copy(text[:], id[:])
	copy(text[17:], content[:])
	sum := sha256.Sum256(text[:])
	return [16]byte(sum[:16])
}

// head is the part of a content that is remembered: 64 bits.
func head(content [16]byte) [8]byte { return [8]byte(content[:8]) }

// IDs is how many ids are known.
func (w *Window) IDs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.expire(stampOf(w.clock.read(w.now())))
	return w.seen.used
}
