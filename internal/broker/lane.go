package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lane publishes to one partition: a queue, and somebody who works on it while it
// has something. That is the driver of the leader's convoy as long as all goes
// well (lane_trip.go), else a goroutine of the lane's own. At most one produce
// request is in flight, so that retries can't reorder, and the broker's memory of
// the last five batches of a producer always covers ours.
type lane struct {
	topic     *topic
	p         *GroupCommitter
	partition int32

	mu      sync.Mutex
	queue   []place
	head    int  // queue[:head] is taken
	running bool // somebody works on the lane

	parked atomic.Int64 // places in the queue whose record is in the store
	// stuck: a record of this lane was handed over to the store, and nothing was
	// acknowledged since. New ones are stored at once then.
	stuck atomic.Bool

	// The rest belongs to whoever works on the lane, except where noted. It changes
	// hands under mu, with running, or with the convoy's lock.

	id       identity
	left     uint64 // generation of the last identity left behind
	sequence int32  // of the next record
	// doubt: an attempt with this identity has an unknown outcome, and nothing
	// was accepted since.
	doubt bool
	// slow: the last attempt failed or took long.
	slow  bool
	seat  *seat       // of the last attempt, if it was answered
	timer *time.Timer // see ride
	group []*entry    // claimed; its memory is used again
	trip  delivery    // of the group, while it is with a convoy's driver

	// encoding is held while records' memory is read, and to look at exposed.
	encoding sync.Mutex
	// exposed: the claimed entries may be with the broker. Guarded by encoding.
	exposed bool
}

// enqueue appends a place and wakes the lane. A lane that goes with a convoy is
// told to the fleet, which the caller launches when all that it has is in line: then
// it travels together.
func (l *lane) enqueue(at place, f *fleet) {
	if v := l.append(at); v != nil {
		v.admit(l)
		f.add(v)
	}
}

// append appends a place. It returns the convoy that the lane has to be admitted
// to; nil if somebody works on the lane.
func (l *lane) append(at place) *convoy {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		l.push(at)
		return nil
	}
	var v *convoy
	if at.e != nil {
		v = l.fit()
	}
	if v == nil && !l.p.start() {
		at.drop(ErrClosed)
		return nil
	}
	l.push(at)
	l.running = true
	if v == nil {
		go l.run()
	}
	return v
}

func (l *lane) push(at place) {
	if at.e != nil {
		at.e.lane = l
	} else {
		l.parked.Add(1)
	}
	if l.head > 0 && len(l.queue) == cap(l.queue) {
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, at)
}

// run is the lane's own goroutine.
func (l *lane) run() {
	defer l.p.done()
	l.work(l.p.batches.get())
}

// work sends group after group until nothing is pending or the rest goes with the
// convoy.
func (l *lane) work(b *batch) {
	defer func() { l.p.batches.put(b) }()
	var parked []place
	for {
		if v := l.aboard(); v != nil {
			v.admit(l)
			v.launch()
			return
		}
		group, stored, idle := l.take(l.group[:0], parked[:0], true)
		if idle {
			return // somebody else may be at work already
		}
		l.group, parked = group, stored
		if len(parked) > 0 {
			group = l.load(group, parked)
		}
		if len(group) > 0 {
			l.deliver(group, b, 0)
		}
		if l.doubt {
			l.forget()
		}
		clear(group) // nothing here keeps a settled record's memory
	}
}

// take claims what fits into one batch: records in memory or, when those are
// next in line and stored says so, places of stored ones. idle means that there was
// nothing: the lane rests.
func (l *lane) take(group []*entry, parked []place, stored bool) (_ []*entry, _ []place, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause := context.Cause(l.p.root); cause != nil {
		l.abandon(cause)
	}
	limit := l.batchLimit()
	for size := 0; l.head < len(l.queue); l.head++ {
		at := l.queue[l.head]
		if at.e == nil {
			if !stored {
				break
			}
			limit = min(limit, loadBytes)
		}
		n := at.bytes()
		taken := len(group) + len(parked)
		if size += n; taken > 0 && (size > limit || (at.e == nil) != (len(parked) > 0)) {
			break
		}
		l.queue[l.head] = place{}
		switch {
		case at.e == nil:
			parked = append(parked, at)
		case at.e.state.CompareAndSwap(stateQueued, stateClaimed):
			group = append(group, at.e)
		default:
			size -= n // its caller left
		}
	}
	l.parked.Add(-int64(len(parked)))
	return group, parked, l.rest(len(group)+len(parked) > 0)
}

// rest lets the lane rest if it has nothing any more. The caller holds mu.
func (l *lane) rest(busy bool) bool {
	left := l.head < len(l.queue)
	if !left {
		l.queue, l.head = l.queue[:0], 0
	}
	l.running = busy || left
	return !l.running
}

// batchLimit is what the records of one batch may take, in bytes.
func (l *lane) batchLimit() int {
	return min(l.p.opts.MaxBatchBytes, int(l.topic.limit.Load())) - BatchOverhead
}

// abandon empties the queue of a publisher that was closed: what the store has
// stays there.
func (l *lane) abandon(cause error) {
	for ; l.head < len(l.queue); l.head++ {
		l.queue[l.head].drop(cause)
		l.queue[l.head] = place{}
	}
	l.parked.Store(0)
}

// leave abandons an entry that this lane has claimed, for a caller whose time is
// over; false if the lane was quicker to settle it. When it returns, the lane does
// not read the entry's record any more. The error says whether the broker may have
// it: the lane looks for abandoned entries each time before it exposes a group, and
// covers a group again only after it has settled it.
func (l *lane) leave(e *entry) (left bool, err error) {
	l.encoding.Lock()
	defer l.encoding.Unlock()
	if !e.state.CompareAndSwap(stateClaimed, stateAbandoned) {
		return false, nil
	}
	if l.exposed {
		return true, unknown(ErrDeadline, nil)
	}
	return true, expired(nil)
}

// forget leaves the identity behind: the next group starts with a newer one
// and sequence 0, which no earlier attempt of ours can disturb.
func (l *lane) forget() {
	if l.id.generation == 0 {
		return
	}
	l.left, l.id, l.sequence, l.doubt = l.id.generation, identity{}, 0, false
}

// expose sets whether the claimed entries may be with the broker.
func (l *lane) expose(v bool) {
	l.encoding.Lock()
	l.exposed = v
	l.encoding.Unlock()
}
