package broker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// States of an entry. Exactly one party moves an entry out of queued and
// exactly one settles it, by compare-and-swap:
//
//	queued ─► claimed ─► settling ─► settled     the lane
//	   └► expired  └► abandoned                  the caller, whose time is over
//
// An entry's error is written between settling and settled.
//
// The bytes of an entry are given back by whoever moves it out of queued or,
// once it is claimed, by the lane.
const (
	stateQueued uint32 = iota
	stateClaimed
	stateSettling
	stateSettled
	stateExpired
	stateAbandoned
)

// sizeSlack is more than the deltas of an offset and a timestamp add to a
// record's size inside a group.
const sizeSlack = 16

// entry is one record on its way. It belongs to its waiter; a lane holds a
// pointer until it settles it or drops it. The lane reads rec only while it
// holds lane.encoding and the entry is claimed, so that a caller that leaves
// can take its memory back.
//
// An abandoned entry stays with its lane until its outcome is known: frozen
// bytes may have to be sent again for a neighbour. A patient one is never
// abandoned while the store takes it: it waits in its lane for as long as it
// takes, and stored says where the store keeps it meanwhile.
type entry struct {
	state atomic.Uint32
	// stored is set by the caller that handed the entry over, or from the start
	// for what was read back from the store. Whoever takes it out (Swap) tells
	// the store what became of the record.
	stored atomic.Pointer[Ref]
	size   int32  // bound of the encoded size
	slot   uint32 // decides about the partition
	rec    *Record
	topic  *topic
	lane   *lane
	w      *waiter
	err    error // written by the party that settled it, before w.finish; w outlives every open entry

	patient bool // waits for as long as it takes
}

// waiter is one Publish call: one wake-up for all of its records.
type waiter struct {
	entries  []entry
	deadline time.Time // when the caller leaves
	sendBy   time.Time // a record that was not sent by then never is
	left     atomic.Int32
	done     chan struct{} // one token when left reaches 0
}

func (p *GroupCommitter) newWaiter(recs []Record, deadline time.Time) *waiter {
	w, ok := p.waiters.Get().(*waiter)
	if !ok {
		w = &waiter{done: make(chan struct{}, 1)}
	}
	if cap(w.entries) < len(recs) {
		w.entries = make([]entry, len(recs))
	}
	w.entries = w.entries[:len(recs)]
	for i := range recs {
		e := &w.entries[i]
		e.state.Store(stateQueued)
		e.stored.Store(nil)
		e.rec, e.w, e.err, e.lane, e.patient = &recs[i], w, nil, nil, false
	}
	w.deadline = deadline
	w.sendBy = deadline.Add(-deadline.Sub(p.opts.Now()) / 8)
	w.left.Store(int32(len(recs))) //nolint:gosec // a request has far fewer records
	return w
}

// admit finds the records' topics, settles what is too large for them, and
// returns the bytes of the rest.
func (w *waiter) admit(p *GroupCommitter) (total int64) {
	var last *topic // most records of a call go where the one before goes
	for i := range w.entries {
		e := &w.entries[i]
		if last == nil || last.name != e.rec.Topic {
			last = p.topic(e.rec.Topic)
		}
		e.topic = last
		size := RecordBytes(e.rec)
		if limit := int(e.topic.limit.Load()); size+BatchOverhead > limit {
			e.err = fmt.Errorf("topic %s: %w: %d bytes in a batch, the limit is %d (max.message.bytes)",
				e.rec.Topic, ErrTooLarge, size+BatchOverhead, limit)
			e.state.Store(stateSettled)
			w.finish()
			continue
		}
		e.size = int32(size + sizeSlack) //nolint:gosec // below the topic's limit
		e.slot = e.topic.slot(e.rec)
		total += int64(e.size)
	}
	return total
}

// refuse ends a Publish of which nothing was queued.
func (w *waiter) refuse(err error) error {
	for i := range w.entries {
		if e := &w.entries[i]; e.err == nil {
			e.err = err
		}
	}
	return w.outcome()
}

// wait blocks until every entry is settled, settling the open ones itself when
// ctx ends.
func (w *waiter) wait(ctx context.Context, p *GroupCommitter) error {
	left := false
	select {
	case <-w.done:
	case <-ctx.Done():
		left = w.leave(p)
		<-w.done
	}
	err := w.outcome()
	if !left {
		// No lane knows of it any more.
		clear(w.entries)
		p.waiters.Put(w)
	}
	return err
}

// leave settles what is open. It reports whether a lane may still hold entries.
func (w *waiter) leave(p *GroupCommitter) (left bool) {
	for i := range w.entries {
		e := &w.entries[i]
		if !e.leave(p) {
			continue
		}
		left = true
		e.rec = nil
		w.finish()
	}
	return left
}

// leave settles the entry for a caller whose time is over; false if it is settled,
// or about to be.
func (e *entry) leave(p *GroupCommitter) bool {
	if e.state.CompareAndSwap(stateQueued, stateExpired) {
		p.release(int64(e.size))
		e.err = expired(nil)
		return true
	}
	if e.state.Load() != stateClaimed {
		return false
	}
	left, err := e.lane.leave(e)
	if left {
		e.err = err
	}
	return left
}

func (w *waiter) outcome() error {
	for i := range w.entries {
		if w.entries[i].err != nil {
			return w.failure()
		}
	}
	return nil
}

func (w *waiter) failure() error {
	errs := make([]error, len(w.entries))
	for i := range w.entries {
		errs[i] = w.entries[i].err
	}
	return &PublishError{Errs: errs}
}

// finish counts one settled entry. It must not be touched afterwards.
func (w *waiter) finish() {
	if w.left.Add(-1) == 0 {
		w.done <- struct{}{}
	}
}

// settle gives a claimed entry its outcome. When the caller left before, the
// outcome is nobody's. It returns where the store keeps the record, if it is the
// lane that has to tell the store.
func (e *entry) settle(err error) *Ref {
	if !e.state.CompareAndSwap(stateClaimed, stateSettling) {
		return nil
	}
	return e.end(err)
}

// drop settles an entry that no lane has claimed, unless its caller has left. The
// store, if it has the record, keeps it.
func (e *entry) drop(err error) {
	if e.state.CompareAndSwap(stateQueued, stateSettling) {
		e.topic.p.release(int64(e.size))
		e.end(err)
	}
}

func (e *entry) end(err error) (ref *Ref) {
	e.err = err
	e.state.Store(stateSettled)
	if e.stored.Load() != nil { // else who hands it over from now on sees that it is settled
		ref = e.stored.Swap(nil)
	}
	e.w.finish()
	return ref
}
