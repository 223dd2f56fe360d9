package broker

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// troubles remembers, for each topic, why its last attempt failed, until
// something of it is acknowledged or nothing of it is pending any more.
type troubles struct {
	any atomic.Int32 // topics in trouble; spares the lock while there are none
	mu  sync.Mutex
	why map[string]*trouble
}

// trouble is one failed attempt.
type trouble struct{ err error }

func (t *troubles) begin(topic string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = map[string]*trouble{}
	}
	t.why[topic] = &trouble{err}
	t.any.Store(int32(len(t.why))) //nolint:gosec // topics are few
}

func (t *troubles) end(topic string) {
	if t.any.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(topic)
}

// endOf is end, unless another attempt has failed since was seen.
func (t *troubles) endOf(topic string, seen *trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why[topic] == seen {
		t.remove(topic)
	}
}

// remove forgets a topic's trouble; the caller holds the lock.
func (t *troubles) remove(topic string) {
	delete(t.why, topic)
	t.any.Store(int32(len(t.why))) //nolint:gosec // topics are few
}

func (t *troubles) all() map[string]*trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.why)
}

// Troubles tells, by topic, why the last attempt to publish failed, where nothing
// was acknowledged since and something is pending: what keeps records waiting.
// Safe for concurrent use.
func (p *GroupCommitter) Troubles() map[string]error {
	why := map[string]error{}
	for name, t := range p.troubles.all() {
		if p.topic(name).waits() {
			why[name] = t.err
		} else {
			p.troubles.endOf(name, t) // its callers have left
		}
	}
	return why
}

// waits says that something of the topic is in line or on its way.
func (t *topic) waits() bool {
	t.mu.Lock()
	asking := t.asking
	t.mu.Unlock()
	if lanes := t.lanes.Load(); !asking && lanes != nil {
		return slices.ContainsFunc(*lanes, (*lane).busy)
	}
	return asking
}

// busy says that the lane has something to send.
func (l *lane) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}
