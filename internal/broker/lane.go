package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// lane publishes to one partition: a queue, and a goroutine that lives while
// the queue has something. At most one produce request is in flight, so that
// retries can't reorder, and the broker's memory of the last five batches of a
// producer always covers ours.
type lane struct {
	topic     *topic
	p         *GroupCommitter
	partition int32

	mu      sync.Mutex
	queue   []place
	head    int // queue[:head] is taken
	running bool

	parked atomic.Int64 // places in the queue whose record is in the store
	// stuck: a record of this lane was handed over to the store, and nothing was
	// acknowledged since. New ones are stored at once then.
	stuck atomic.Bool

	// The rest belongs to the running goroutine, except where noted.

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

	// encoding is held while records' memory is read, and to look at exposed.
	encoding sync.Mutex
	// exposed: the claimed entries may be with the broker. Guarded by encoding.
	exposed bool
}

// enqueue appends a place and wakes the lane.
func (l *lane) enqueue(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running && !l.p.start() {
		at.drop(ErrClosed)
		return
	}
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
	if !l.running {
		l.running = true
		go l.run()
	}
}

// run sends group after group until nothing is pending.
func (l *lane) run() {
	defer l.p.done()
	b := l.p.batches.get()
	var group []*entry
	var parked []place
	for {
		group, parked = l.take(group[:0], parked[:0])
		if len(group)+len(parked) == 0 {
			l.p.batches.put(b)
			return
		}
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
// next in line, places of stored ones. Nothing means that the lane rests.
func (l *lane) take(group []*entry, parked []place) ([]*entry, []place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause := context.Cause(l.p.root); cause != nil {
		l.abandon(cause)
	}
	limit := l.batchLimit()
	for size := 0; l.head < len(l.queue); l.head++ {
		at := l.queue[l.head]
		n := at.bytes()
		if at.e == nil {
			limit = min(limit, loadBytes)
		}
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
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	}
	l.parked.Add(-int64(len(parked)))
	l.running = len(group)+len(parked) > 0
	return group, parked
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

// leave is called by a caller whose time is over, after it abandoned an entry
// that this lane had claimed. When it returns, the lane does not read the
// entry's record any more. The error says whether the broker may have it: the
// lane looks for abandoned entries each time before it exposes a group.
func (l *lane) leave() error {
	l.encoding.Lock()
	defer l.encoding.Unlock()
	if l.exposed {
		return unknown(ErrDeadline, nil)
	}
	return expired(nil)
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
