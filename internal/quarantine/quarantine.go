// Package quarantine keeps, for a while and on the local disk, requests that
// brought all the proof their source asks for and were refused: after a wrong
// secret of ours they are the only copy of events whose provider does not send
// them again. `postrider redrive --quarantine` proves them anew.
//
// What lies here was sent by anybody: it is bounded in bytes and age, kept apart
// by source so that a flood on one pushes out nobody else's, readable by its
// owner only, and never in the way of the request that brought it.
//
// Layout: <dir>/<source>/<number>-<milliseconds>.jsonl, one request a line, and
// beside it the same with .done, the offsets of lines that were redriven. Files are
// only appended to and deleted whole, so that another process can read them
// while the receiver writes.
package quarantine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/webhook"
)

// Why a request was not kept.
const (
	DropBusy     = "busy"      // the queue to the disk is full
	DropTooLarge = "too_large" // it would take too much of the ring
	DropFailed   = "failed"    // the disk did not take it
)

// Observer is told what becomes of requests. Safe for concurrent use.
type Observer interface {
	// Quarantined counts a request that was written.
	Quarantined(source, reason string)
	// QuarantineDropped counts one that was not, by one of the Drop causes.
	QuarantineDropped(cause string)
}

// Options is what a Ring needs.
type Options struct {
	Dir      string
	MaxBytes int64         // of all files; the oldest of whom has most are deleted
	Keep     time.Duration // nothing lies here longer
	Now      func() time.Time
	Observer Observer
	Log      *zap.Logger
}

// Bounds of what waits for the disk. Bytes are bounded by the ring's size too.
const (
	queueLength = 1024
	queueBytes  = 16 << 20
)

// sweepInterval is how often old files are looked for.
const sweepInterval = time.Minute

// Ring is the writing side. Safe for concurrent use.
type Ring struct {
	opt     Options
	largest int64 // of one request
	queue   chan waiting
	queued  atomic.Int64 // bytes in queue
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	files *files // the writer's own
	ill   bool   // the last write failed; the writer's own
}

// waiting is a request on its way to the disk.
type waiting struct {
	entry Entry
	bytes int64
}

// Open makes the folder, deletes what is too old, and starts the writer. Close
// ends it.
func Open(o Options) (*Ring, error) {
	if o.MaxBytes <= 0 || o.Keep <= 0 {
		return nil, errors.New("quarantine: size and age must be bounded")
	}
	if err := private(o.Dir); err != nil {
		return nil, err
	}
	r := &Ring{
		opt: o, largest: o.MaxBytes / 4, files: newFiles(o),
		queue: make(chan waiting, queueLength), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := r.files.scan(); err != nil {
		return nil, err
	}
	r.files.expire()
	go r.run()
	return r, nil
}

// private makes a folder that only its owner can enter.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("quarantine: %w (set quarantine.dir to a folder that can be written, or quarantine.enabled: false)", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // 0700 is the most a folder of ours has
		return fmt.Errorf("quarantine: %w (the folder must belong to the user that runs postrider)", err)
	}
	return nil
}

// Put hands a refused request to the writer and returns at once: what the queue
// has no room for is counted and forgotten. The request is kept by reference
// until it is written.
func (r *Ring) Put(e Entry) {
	n := e.cost()
	switch {
	case n > min(r.largest, queueBytes):
		r.opt.Observer.QuarantineDropped(DropTooLarge)
		return
	case r.queued.Add(n) > queueBytes:
	default:
		select {
		case r.queue <- waiting{e, n}:
			return
		default:
		}
	}
	r.queued.Add(-n)
	r.opt.Observer.QuarantineDropped(DropBusy)
}

// Close writes what waits and ends the writer. What is put afterwards is lost.
func (r *Ring) Close() error {
	r.once.Do(func() { close(r.stop) })
	<-r.stopped
	return r.files.close()
}

// run writes until Close.
func (r *Ring) run() {
	defer close(r.stopped)
	sweep := time.NewTicker(min(sweepInterval, r.opt.Keep))
	defer sweep.Stop()
	for {
		select {
		case w := <-r.queue:
			r.write(w)
		case <-sweep.C:
			r.files.expire()
		case <-r.stop:
			r.drain()
			return
		}
	}
}

// drain writes what is in the queue.
func (r *Ring) drain() {
	for {
		select {
		case w := <-r.queue:
			r.write(w)
		default:
			return
		}
	}
}

// write writes one request. A disk that fails is said once, and once more when
// it is well again.
func (r *Ring) write(w waiting) {
	defer r.queued.Add(-w.bytes)
	err := r.files.append(&w.entry)
	if ill := err != nil; ill != r.ill {
		r.ill = ill
		r.tell(err)
	}
	if err != nil {
		r.opt.Observer.QuarantineDropped(DropFailed)
		return
	}
	r.opt.Observer.Quarantined(w.entry.Source, string(w.entry.Reason))
}

// tell logs that the disk fails, or no longer does.
func (r *Ring) tell(err error) {
	if err != nil {
		r.opt.Log.Error("refused requests are not kept", zap.String("reason_code", "quarantine_failed"), zap.Error(err))
		return
	}
	r.opt.Log.Info("refused requests are kept again", zap.String("reason_code", "quarantine_ok"))
}

// Entry is one refused request, whole.
type Entry struct {
	Source  string          // configured name
	Reason  webhook.Reason  // why it was refused
	Request webhook.Request // as it came

	// Filled in by Read:

	Redriven bool   // it was published since
	segment  string // path of its file below the folder
	offset   int64  // of its line
}

// Place says where a request lies, for people: source/file:offset.
func (e *Entry) Place() string { return fmt.Sprintf("%s:%d", e.segment, e.offset) }
