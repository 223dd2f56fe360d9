package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// trippedAfter is how many deadlines in a row have to be missed, with nothing
// acknowledged in between, until records are stored without trying the broker
// first. What is stored is tried all the time, and the first acknowledgement
// ends it.
const trippedAfter = 3

func (p *GroupCommitter) tripped() bool { return p.misses.Load() >= trippedAfter }

// Suspect says that Kafka was just seen not to answer: records are stored without
// trying the broker first, until something is acknowledged.
func (p *GroupCommitter) Suspect() { p.misses.Store(trippedAfter) }

// unjam says that a lane's group was acknowledged.
func (p *GroupCommitter) unjam(l *lane) {
	if l.stuck.Load() {
		l.stuck.Store(false)
	}
	if l.topic.stuck.Load() {
		l.topic.stuck.Store(false)
	}
	if p.misses.Load() != 0 {
		p.misses.Store(0)
	}
	p.troubles.end(l.topic.name)
}

// Deliver publishes recs as Publish does, but a record that Kafka does not take
// in time goes to the Store, as far as d allows, and counts as safe from then on:
// spooled tells which did (nil: none). The very same record stays in line for its
// partition, so that no second sender ever exists and order is kept. It blocks
// until every record is safe or refused, at most until ctx ends and the
// StoreTimeout after it.
func (p *GroupCommitter) Deliver(ctx context.Context, recs []Record, d Durability) (spooled []bool, err error) {
	if p.opts.Store == nil || d == BrokerOnly || len(recs) == 0 {
		return nil, p.Publish(ctx, recs)
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.opts.Budget)
		defer cancel()
	}
	w := p.newWaiter(recs, p.opts.Now().Add(patience))
	if p.closed.Load() {
		return nil, w.refuse(ErrClosed)
	}
	h := handOver{p: p, w: w}
	h.line(ctx)
	if d == SpoolFirst && h.failed == nil {
		h.store(ctx, h.unsettled())
	}
	h.wait(ctx)
	return h.finish(ctx)
}

// handOver takes one Deliver from the lanes to the store. Entries are named by
// their places in the waiter.
type handOver struct {
	p       *GroupCommitter
	w       *waiter
	spooled []bool
	failed  error // of the store
	handed  bool  // lanes hold entries that the store has too
}

// line puts the records in line: in memory, or, where that is no use, in the
// store at once.
func (h *handOver) line(ctx context.Context) {
	size := h.w.admit(h.p)
	full := !h.p.reserve(size)
	all := full || h.p.tripped()
	var stored []*topic
	if !all {
		stored = h.blocked()
	}
	var park []int
	var f fleet
	for i := range h.w.entries {
		e := &h.w.entries[i]
		if e.state.Load() != stateQueued {
			continue
		}
		e.patient = true
		if all || slices.Contains(stored, e.topic) {
			park = append(park, i)
			continue
		}
		e.topic.enqueue(inMemory(e), &f)
	}
	f.launch()
	if len(park) > 0 {
		h.park(ctx, park, full)
	}
}

// blocked lists the topics whose records wait where memory is no use. Of each the
// store gets all that the call has, and is asked before the first is put in line: what
// follows a stored record must not overtake it, and what comes before it must not be
// in memory only. A kill would leave the stored one, which the provider's next try
// would bring the others behind.
func (h *handOver) blocked() []*topic {
	var topics []*topic
	for i := range h.w.entries {
		e := &h.w.entries[i]
		if e.state.Load() == stateQueued && !slices.Contains(topics, e.topic) && e.topic.blocked(e.slot) {
			topics = append(topics, e.topic)
		}
	}
	return topics
}

// park stores records that are in no line yet, and puts them in line behind what
// is there. If the store does not take them they go in line in memory, as far as
// there is room: the broker may be better than its reputation.
func (h *handOver) park(ctx context.Context, park []int, full bool) {
	refs := h.append(ctx, park)
	var f fleet
	defer f.launch()
	for n, i := range park {
		e := &h.w.entries[i]
		if h.failed != nil && !full {
			e.topic.enqueue(inMemory(e), &f)
			continue
		}
		if !full {
			h.p.release(int64(e.size))
		}
		if h.failed != nil {
			e.err = notStored(ErrOverloaded, h.failed)
		} else {
			next := Stored{Ref: refs[n], Topic: e.rec.Topic, Slot: e.slot, Size: e.size}
			e.topic.enqueue(inStore(&next), &f)
			h.mark(i)
		}
		e.state.Store(stateSettled)
		h.w.finish()
	}
	if !full {
		h.failed = nil // nothing has failed yet
	}
}

// append stores entries' records, all or none; then failed says why.
func (h *handOver) append(ctx context.Context, which []int) []Ref {
	recs := make([]Record, len(which))
	for n, i := range which {
		recs[n] = *h.w.entries[i].rec
	}
	refs, err := h.p.opts.Store.Append(ctx, recs)
	h.failed = err
	return refs
}

// notStored is the outcome of a record that neither Kafka nor the store took.
// Whatever the store has against it, Kafka does not refuse it for what it is.
func notStored(cause, storage error) error {
	if errors.Is(storage, ErrTooLarge) || errors.Is(storage, ErrInvalid) {
		storage = errors.New(storage.Error())
	}
	return fmt.Errorf("%w, and the store did not take it: %w", cause, storage)
}

// mark notes that a record is safe in the store.
func (h *handOver) mark(i int) {
	if h.spooled == nil {
		h.spooled = make([]bool, len(h.w.entries))
	}
	h.spooled[i] = true
}

// safe says that a record is in the store.
func (h *handOver) safe(i int) bool { return h.spooled != nil && h.spooled[i] }

// wait waits for the lanes, and stores what they have not settled when ctx ends.
// A request of which a part has failed waits for the rest too: what is published
// then is known to be.
func (h *handOver) wait(ctx context.Context) {
	if h.handed {
		return // everything is safe
	}
	select {
	case <-h.w.done:
		h.w.done <- struct{}{} // for finish
		return
	case <-ctx.Done():
	}
	open := h.unsettled()
	if len(open) == 0 || h.failed != nil {
		return
	}
	late, cancel := h.late(ctx)
	defer cancel()
	if h.store(late, open); h.failed == nil {
		h.miss(open)
	}
}

// miss notes that a deadline was missed, by those entries that were handed over:
// others were settled while they were being stored.
func (h *handOver) miss(open []int) {
	missed := false
	for _, i := range open {
		if e := &h.w.entries[i]; e.stored.Load() != nil {
			e.topic.jam(e.slot)
			missed = true
		}
	}
	if missed {
		h.p.misses.Add(1)
	}
}

// late is the time that is left when the broker's is over.
func (h *handOver) late(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), h.p.opts.StoreTimeout)
}

// unsettled lists the entries that lanes have in line or in flight.
func (h *handOver) unsettled() []int {
	var open []int
	for i := range h.w.entries {
		if h.w.entries[i].state.Load() != stateSettled {
			open = append(open, i)
		}
	}
	return open
}

// store hands entries over to the store: they keep their place in line, and their
// lane tells the store what becomes of them.
func (h *handOver) store(ctx context.Context, open []int) {
	if len(open) == 0 {
		return
	}
	refs := h.append(ctx, open)
	if h.failed != nil {
		return
	}
	h.handed = true
	for n, i := range open {
		e := &h.w.entries[i]
		e.stored.Store(&refs[n])
		if e.state.Load() == stateSettled && e.stored.Swap(nil) != nil {
			h.p.opts.Store.Settle(refs[n:n+1], nil) // settled meanwhile: the caller hears of it
			continue
		}
		h.mark(i)
	}
}

// finish returns what became of the records.
func (h *handOver) finish(ctx context.Context) ([]bool, error) {
	left := h.handed
	if !h.handed {
		if h.failed != nil {
			left = h.w.leave(h.p)
		}
		<-h.w.done
	}
	h.keepPassed(ctx)
	err := h.outcome()
	if !left {
		clear(h.w.entries) // no lane knows of it any more
		h.p.waiters.Put(h.w)
	}
	return h.spooled, err
}

// keepPassed stores records that a lane gave up for a reason that has nothing to
// do with them: the publisher was closed. The next process sends them.
func (h *handOver) keepPassed(ctx context.Context) {
	if h.failed != nil {
		return
	}
	var passed []int
	for i := range h.w.entries {
		e := &h.w.entries[i]
		if h.safe(i) || e.state.Load() != stateSettled || e.err == nil || errors.Is(e.err, ErrTooLarge) || errors.Is(e.err, ErrInvalid) {
			continue
		}
		passed = append(passed, i)
	}
	if len(passed) == 0 {
		return
	}
	late, cancel := h.late(ctx)
	defer cancel()
	if h.append(late, passed); h.failed == nil {
		for _, i := range passed {
			h.mark(i)
		}
	}
}

// outcome is nil when every record is acknowledged or stored, else a
// *PublishError. What a lane still holds is safe in the store and not looked at.
func (h *handOver) outcome() error {
	var errs []error
	for i := range h.w.entries {
		if e := &h.w.entries[i]; !h.safe(i) && e.err != nil {
			if errs == nil {
				errs = make([]error, len(h.w.entries))
			}
			errs[i] = e.err
			if h.failed != nil && !errors.Is(e.err, h.failed) {
				errs[i] = notStored(e.err, h.failed)
			}
		}
	}
	if errs == nil {
		return nil
	}
	return &PublishError{Errs: errs}
}
