package dedupe

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// Publisher writes the journal's records. It is that of package broker.
type Publisher interface {
	Publish(ctx context.Context, recs []broker.Record) error
}

// Reader reads them back. It is broker.Client.
type Reader interface {
	Offsets(ctx context.Context, topic string) (map[int]broker.OffsetRange, error)
	Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error
}

// Bounds of the journal.
const (
	flushEvery   = 250 * time.Millisecond // how late an id is written at most, while Kafka takes it
	flushEntries = 1000                   // ids that are written without waiting
	perRecord    = 1000                   // ids in one record, 28 KB
	perPublish   = 16                     // records in one publish
	maxPending   = 200_000                // ids that wait for Kafka, 8 MB; beyond it the oldest are given up
	publishTime  = 5 * time.Second        // for one publish
	longestPause = 5 * time.Second        // between two after a failure
)

// JournalOptions is what a Journal needs.
type JournalOptions struct {
	Topic     string
	Publisher Publisher
	Reader    Reader
	// Share makes the Journal follow what other receivers write while it runs.
	Share bool
	Now   func() time.Time // the clock on the wall; required
	Log   *zap.Logger
}

// Journal keeps what a Window knows in a topic, so that it outlives the process,
// and learns from the topic what it knew before and what other receivers know. A
// receiver works without: there are more duplicates then. Safe for concurrent
// use.
type Journal struct {
	window   *Window
	opt      JournalOptions
	instance string // of this process; its own records are passed over
	wake     chan struct{}
	loaded   chan struct{}
	sending  chan struct{} // one token: who publishes

	mu      sync.Mutex
	pending []entry
	written uint64 // records, for their keys
	lost    uint64
	failure string        // of the latest publish, "" if it went well
	reading string        // of the latest read, likewise
	behind  map[int]int64 // records to read, by partition
}

// NewJournal makes w's Journal. From now on everything that w's claims commit is
// kept until it is published; call it before the first claim. Nothing is read or
// written before Run.
func NewJournal(w *Window, o JournalOptions) *Journal {
	j := &Journal{
		window: w, opt: o, instance: rand.Text(), behind: make(map[int]int64),
		wake: make(chan struct{}, 1), loaded: make(chan struct{}), sending: make(chan struct{}, 1),
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.journal = j
	return j
}

// append takes in a committed entry. The window is locked.
func (j *Journal) append(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) == maxPending {
		j.drop(maxPending / 8)
	}
	j.pending = append(j.pending, e)
	if n := len(j.pending); n == 1 || n == flushEntries {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// drop gives up the oldest entries.
func (j *Journal) drop(n int) {
	j.pending = append(j.pending[:0], j.pending[n:]...)
	j.lost += uint64(n) //nolint:gosec // positive
}

// Run reads the topic, then follows it if other receivers share it, and publishes
// what is committed, at most 250 ms late while Kafka takes it. It tries again
// whatever fails, until ctx ends, and leaves nothing running. What is not
// published by then is Flush's to publish.
func (j *Journal) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { j.read(ctx) })
	for failures := 0; ; {
		pause, wake := time.Duration(0), j.wake
		if failures > 0 {
			pause, wake = min(flushEvery<<min(failures, 10), longestPause), nil
		}
		if !j.await(ctx, wake, pause) {
			return
		}
		failures++
		if j.publish(ctx) == nil {
			failures = 0
		}
	}
}

// await waits until it is time to publish: for pause after a failure, and else
// for the first entry and flushEvery, or for many entries. False: ctx ended.
func (j *Journal) await(ctx context.Context, wake <-chan struct{}, pause time.Duration) bool {
	if wake == nil {
		return sleep(ctx, pause)
	}
	select {
	case <-wake:
	case <-ctx.Done():
		return false
	}
	timer := time.NewTimer(flushEvery)
	defer timer.Stop()
	for j.waiting() < flushEntries {
		select {
		case <-timer.C:
			return true
		case <-wake:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// waiting is how many entries are not published yet.
func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.pending)
}

// Flush publishes everything that is committed by now. Call it when no request
// is in progress any more and before the publisher is closed. The error is that
// of the publisher, or ctx's.
func (j *Journal) Flush(ctx context.Context) error {
	if err := j.publish(ctx); err != nil {
		return fmt.Errorf("dedupe: %d ids were not written to topic %s and may be published twice: %w", j.waiting(), j.opt.Topic, err)
	}
	return nil
}

// publish publishes what is pending until nothing is left. What was not
// acknowledged stays pending; some of it may be in the topic all the same, which
// does no harm.
func (j *Journal) publish(ctx context.Context) error {
	select {
	case j.sending <- struct{}{}:
		defer func() { <-j.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		entries, lost := j.take()
		if len(entries) == 0 {
			return nil
		}
		try, cancel := context.WithTimeout(ctx, publishTime)
		err := j.opt.Publisher.Publish(try, j.records(entries))
		cancel()
		j.published(len(entries), lost, err)
		if err != nil {
			return err
		}
	}
}

// take returns the oldest entries, which stay pending, and how many were given
// up so far.
func (j *Journal) take() (entries []entry, lost uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.pending), perPublish*perRecord)
	return append([]entry(nil), j.pending[:n]...), j.lost
}

// published takes out the n oldest entries if they were published; those that
// were given up meanwhile are out already.
func (j *Journal) published(n int, lost uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	failed := j.failure != ""
	if j.failure = ""; err != nil {
		j.failure = err.Error()
		if !failed {
			j.opt.Log.Warn("the ids of accepted events cannot be written: after a restart repeats are published again",
				zap.String("topic", j.opt.Topic), zap.String("reason_code", "seen_unwritten"), zap.Error(err))
		}
		return
	}
	if failed {
		j.opt.Log.Info("the ids of accepted events are written again", zap.String("topic", j.opt.Topic), zap.Uint64("given_up", j.lost))
	}
	if gone := int(j.lost - lost); gone < n { //nolint:gosec // far below 2^63
		j.pending = append(j.pending[:0], j.pending[n-gone:]...)
	}
}

// records packs entries. Every record has a key of its own, so that compaction
// keeps them all; retention takes them.
func (j *Journal) records(entries []entry) []broker.Record {
	now := j.opt.Now()
	var list []broker.Record
	room := make([]remembered, 0, min(len(entries), perRecord))
	for len(entries) > 0 {
		n := min(len(entries), perRecord)
		room = j.window.date(room[:0], entries[:n], now)
		entries = entries[n:]
		j.mu.Lock()
		j.written++
		key := j.instance + "/" + strconv.FormatUint(j.written, 10)
		j.mu.Unlock()
		list = append(list, broker.Record{
			Topic: j.opt.Topic, Key: []byte(key), Time: now,
			Value: appendRecord(make([]byte, 0, 64+n*entryBytes), j.instance, room),
		})
	}
	return list
}
