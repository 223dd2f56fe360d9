package consumer

import (
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// partition is how far one partition is: what was read of it, and what of that is
// finished. The scheduler's lock guards it.
type partition struct {
	topic  string
	number int
	delay  time.Duration // of a retry topic; 0: a topic that was asked for
	stage  int           // which of the delays comes next

	tasks     []*task // read and not all finished before, in order
	next      int64   // of what is read next
	highWater int64
	committed int64
	bytes     int // of the records in tasks that are not finished
	room      int // bytes that bytes may come to
	starved   bool
}

// task is one record on its way through a session.
type task struct {
	m     Message
	part  *partition
	size  int
	chain uint64 // hash of its key
	keyed bool
	next  *task // of the same key

	tries    int            // in place, since it was read or waited a delay
	stage    int            // which of the delays comes next, for Retry.Ordered
	since    time.Time      // when it failed first
	pending  *broker.Record // is to be put aside; the handler has had its say
	finished bool
}

// add takes a batch in.
func (p *partition) add(tasks []task, next, highWater int64) {
	for i := range tasks {
		p.tasks = append(p.tasks, &tasks[i])
		p.bytes += tasks[i].size
	}
	p.next, p.highWater = next, highWater
}

// done marks a task as finished and lets go of its record. It reports whether there
// is room again for a reader that was told that there is none.
func (p *partition) done(t *task) bool {
	t.finished = true
	p.bytes -= t.size
	t.m.Key, t.m.Value, t.m.Headers, t.m.event, t.pending = nil, nil, nil, nil, nil
	n := 0
	for n < len(p.tasks) && p.tasks[n].finished {
		p.tasks[n] = nil
		n++
	}
	p.tasks = p.tasks[n:]
	if p.starved && p.free() >= p.room/2 {
		p.starved = false
		return true
	}
	return false
}

// position is the offset before which everything is finished.
func (p *partition) position() int64 {
	if len(p.tasks) > 0 {
		return p.tasks[0].m.Offset
	}
	return p.next
}

// free is how many bytes may be read.
func (p *partition) free() int {
	if len(p.tasks) >= mostAhead {
		return 0
	}
	return max(p.room-p.bytes, 0)
}

// ask is free for a reader: it notes when there is nothing worth a request.
func (p *partition) ask() int {
	free := p.free()
	if free < p.room/8 {
		p.starved = true
		return 0
	}
	return free
}

// oldest is the time of the first record that is not finished; zero if there is none.
func (p *partition) oldest() time.Time {
	if len(p.tasks) > 0 {
		return p.tasks[0].m.Time
	}
	return time.Time{}
}
