package broker

import (
	"maps"
	"sync"
	"sync/atomic"
)

// troubles remembers, for each topic, why its last attempt failed, until
// something of it is acknowledged.
type troubles struct {
	any atomic.Int32 // topics in trouble; spares the lock while there are none
	mu  sync.Mutex
	why map[string]error
}

func (t *troubles) begin(topic string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		t.why = map[string]error{}
	}
	t.why[topic] = err
	t.any.Store(int32(len(t.why))) //nolint:gosec // topics are few
}

func (t *troubles) end(topic string) {
	if t.any.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.why, topic)
	t.any.Store(int32(len(t.why))) //nolint:gosec // topics are few
}

// Troubles tells, by topic, why the last attempt to publish failed, where nothing
// was acknowledged since: what keeps records waiting. Safe for concurrent use.
func (p *GroupCommitter) Troubles() map[string]error {
	p.troubles.mu.Lock()
	defer p.troubles.mu.Unlock()
	return maps.Clone(p.troubles.why)
}
