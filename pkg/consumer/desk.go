package consumer

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// overtime is how long beyond its time a handler may take before that is logged.
const overtime = 5 * time.Second

// desk is where a worker works: it shows which handlers do not come back.
type desk struct {
	task  atomic.Pointer[task]
	began atomic.Int64 // unix nanoseconds
	told  *task        // logged
}

// sit notes that a handler was called; rise, that it has returned.
func (d *desk) sit(t *task, now time.Time) {
	d.began.Store(now.UnixNano())
	d.task.Store(t)
}

func (d *desk) rise() { d.task.Store(nil) }

// watch logs handlers that run on beyond their time: nothing ends them, and their
// worker, their key and the commits of their partition wait. Only one goroutine calls it.
func (s *session) watch() {
	for _, d := range s.desks {
		t := d.task.Load()
		took := s.c.cfg.Now().Sub(time.Unix(0, d.began.Load()))
		if t == nil || t == d.told || took < s.c.cfg.Timeout+overtime {
			continue
		}
		d.told = t
		s.c.cfg.Log.Error("a handler does not heed the end of its context; its worker, its key and the commits of its partition wait for it",
			zap.String("reason_code", "consumer_overtime"), zap.String("topic", t.m.Topic), zap.Int("partition", t.m.Partition),
			zap.Int64("offset", t.m.Offset), zap.Duration("took", took))
	}
}
