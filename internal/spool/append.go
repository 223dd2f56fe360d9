package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// Bounds of one commit: what is written and synced at once.
const (
	maxCommitAppends = 1024
	maxCommitBytes   = 8 << 20
)

// holdTries bounds how many segments one commit may lose to notes that fail
// before it has written anything.
const holdTries = 3

// Bounds of one Append. A record is a little shorter than a frame may be, so
// that the cause for which it is set aside fits in.
const (
	maxRecord = segment.MaxPayload - 2*maxCause
	maxAppend = 1 << 30
)

// request is one call of Append on its way through the committer.
type request struct {
	frames []byte // heads are filled in by the committer
	ends   []int  // of each frame in frames
	at     time.Time
	refs   []broker.Ref // the outcome, valid once done is closed
	err    error
	done   chan struct{}
	// abandoned: the caller has gone; guarded by Spool.mu.
	abandoned bool
}

// Append implements broker.Store: the records are written behind all earlier
// ones and synced, together with what others append at that moment. The error
// wraps ErrFull, ErrFailed, ErrClosed, broker.ErrTooLarge (a record of nearly
// 64 MiB), the file system's error when a sync failed for the first time, or that
// of ctx. In the last case the records may be on their way to the disk; if they
// get there, they are settled.
func (s *Spool) Append(ctx context.Context, recs []broker.Record) ([]broker.Ref, error) {
	if len(recs) == 0 {
		return nil, nil
	}
	req, err := newRequest(recs, s.opts.Now())
	if err == nil {
		err = s.enqueue(req)
	}
	if err != nil {
		return nil, fmt.Errorf("spool: append: %w", err)
	}
	select {
	case <-req.done:
	case <-ctx.Done():
		if s.abandon(req) {
			return nil, fmt.Errorf("spool: append: %w", ctx.Err())
		}
	}
	if req.err != nil {
		return nil, fmt.Errorf("spool: append: %w", req.err)
	}
	return req.refs, nil
}

// newRequest encodes records, in the caller's goroutine.
func newRequest(recs []broker.Record, at time.Time) (*request, error) {
	size := 0
	for i := range recs {
		size += segment.FrameHead + segment.RecordSize(&recs[i])
	}
	req := &request{frames: make([]byte, 0, size), ends: make([]int, len(recs)), at: at, done: make(chan struct{})}
	for i := range recs {
		start := len(req.frames)
		req.frames = segment.AppendRecord(segment.StartFrame(req.frames), &recs[i], at)
		req.ends[i] = len(req.frames)
		if n := req.ends[i] - start - segment.FrameHead; n > maxRecord {
			return nil, fmt.Errorf("a record of %d bytes, the spool takes %d: %w", n, maxRecord, broker.ErrTooLarge)
		}
	}
	if n := len(req.frames); n > maxAppend {
		return nil, fmt.Errorf("records of %d bytes at once, the spool takes %d: %w", n, maxAppend, broker.ErrTooLarge)
	}
	return req, nil
}

// enqueue puts a request in line, unless it is known that it would fail.
func (s *Spool) enqueue(req *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isClosed:
		return ErrClosed
	case s.trouble != nil:
		return s.trouble
	}
	s.queue = append(s.queue, req)
	s.nudge()
	return nil
}

// abandon gives a request up; false if its outcome is known by now.
func (s *Spool) abandon(req *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-req.done:
		return false
	default:
	}
	if i := slices.Index(s.queue, req); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	req.abandoned = true
	return true
}

// nudge wakes the committer.
func (s *Spool) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run is the committer: the only goroutine that writes records, begins segments
// and removes them.
func (s *Spool) run() {
	defer close(s.stopped)
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.wake:
		case <-tick.C:
			s.check()
		case <-s.closing:
			s.commitAll()
			s.finish()
			return
		}
		s.commitAll()
		s.removeSettled()
	}
}

// commitAll commits until nothing waits.
func (s *Spool) commitAll() {
	for {
		batch := s.takeBatch()
		if len(batch) == 0 {
			return
		}
		s.commit(batch)
	}
}

// takeBatch takes what waits off the queue, as much as one commit bears.
func (s *Spool) takeBatch() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && n < maxCommitAppends && (n == 0 || size+len(s.queue[n].frames) <= maxCommitBytes) {
		size += len(s.queue[n].frames)
		n++
	}
	batch := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	return batch
}

// commit writes and syncs the requests for which there is room and tells all
// how it went.
func (s *Spool) commit(batch []*request) {
	batch, size := s.admit(batch)
	if len(batch) == 0 {
		return
	}
	w, err := s.write(batch, size)
	if err == nil {
		err = w.seg.f.Sync()
	}
	if err == nil {
		err = s.inPlace(w.seg)
	}
	if err != nil {
		err = s.refuse(w, err)
	}
	late := s.tell(batch, w, err)
	if len(late) > 0 {
		s.Settle(late, nil)
	}
}

// admit refuses the requests for which there is no room.
func (s *Spool) admit(batch []*request) (admitted []*request, size int64) {
	for _, req := range batch {
		err := s.makeRoom(size + int64(len(req.frames)))
		if err != nil {
			s.answerFull(req, err)
			continue
		}
		admitted = append(admitted, req)
		size += int64(len(req.frames))
	}
	return admitted, size
}

// written is what one commit wrote and where.
type written struct {
	seg   *segmentFile
	start int64  // offset
	base  uint64 // sequence number of the first record
	count int
}

// write numbers the records and writes them to the active segment, or to a new
// one when they would not fit.
func (s *Spool) write(batch []*request, size int64) (written, error) {
	seg, err := s.hold(size)
	if err != nil {
		return written{}, err
	}
	defer s.writing.Unlock()
	w := written{seg: seg}
	for _, req := range batch {
		w.count += len(req.ends)
	}
	s.mu.Lock()
	w.base = s.next
	s.next += uint64(w.count) //nolint:gosec // a count
	s.unsynced = false        // the sync that follows is for the notes too
	s.mu.Unlock()
	w.start = w.seg.size
	if err := writeAll(w.seg.f, seal(batch, w, size), w.start); err != nil {
		return w, err
	}
	s.grow(w.seg, size)
	return w, nil
}

// hold returns an active segment with room for size bytes, with writing locked.
// A note that fails meanwhile takes the segment away: then a fresh one is tried.
func (s *Spool) hold(size int64) (*segmentFile, error) {
	for range holdTries {
		if err := s.fit(size); err != nil {
			return nil, err
		}
		s.writing.Lock()
		s.mu.Lock()
		seg := s.active
		s.mu.Unlock()
		if seg != nil {
			return seg, nil
		}
		s.writing.Unlock()
	}
	return nil, errors.New("the segment was given up before the records could be written, because a note of what is settled could not be")
}

// fit makes the active segment one with room for size bytes.
func (s *Spool) fit(size int64) error {
	s.mu.Lock()
	seg := s.active
	fits := seg != nil && (seg.size+size <= s.opts.SegmentBytes || seg.size == segment.HeaderSize)
	s.mu.Unlock()
	if fits {
		return nil
	}
	return s.rotate(size)
}

// grow counts bytes written at the end of a segment. The caller holds writing.
func (s *Spool) grow(seg *segmentFile, n int64) {
	s.mu.Lock()
	seg.size += n
	s.bytes += n
	s.mu.Unlock()
}

// seal copies the frames of a batch one behind the other and fills in their heads.
func seal(batch []*request, w written, size int64) []byte {
	b := make([]byte, 0, size)
	seq := w.base
	for _, req := range batch {
		start := 0
		for _, end := range req.ends {
			at := w.seg.place(w.start + int64(len(b)))
			frame := req.frames[start:end]
			segment.SealFrame(frame, at, segment.KindRecord, seq)
			b = append(b, frame...)
			start = end
			seq++
		}
	}
	return b
}

// writeAll is one write; a short one without an error is an error.
func writeAll(f file, b []byte, offset int64) error {
	n, err := f.WriteAt(b, offset)
	if err == nil && n < len(b) {
		err = errors.New("short write")
	}
	return err
}

// tell enters the records of a commit and answers its requests. It returns
// those whose callers have gone.
func (s *Spool) tell(batch []*request, w written, err error) (late []broker.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.failures, s.refused = 0, 0
	}
	seq, start := w.base, w.start
	for _, req := range batch {
		req.frames, req.err = nil, err
		if err == nil {
			seq, start = s.enter(req, w.seg, seq, start)
		}
		if req.abandoned {
			late = append(late, req.refs...)
		}
		close(req.done)
	}
	return late
}

// enter enters one request's records, of which the first has that sequence
// number and offset, and returns what the next one has. The caller holds mu.
func (s *Spool) enter(req *request, seg *segmentFile, seq uint64, start int64) (nextSeq uint64, next int64) {
	req.refs = make([]broker.Ref, len(req.ends))
	for i, end := range req.ends {
		offset := start
		if i > 0 {
			offset += int64(req.ends[i-1])
		}
		req.refs[i] = broker.Ref{Seq: seq, Segment: seg.number, Offset: uint32(offset)} //nolint:gosec // segments are below 4 GiB
		seg.add(seq, offset, req.at)
		seq++
		next = start + int64(end)
	}
	s.records += len(req.ends)
	return seq, next
}

// answerFull tells one request that there is no room for it.
func (s *Spool) answerFull(req *request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == 0 {
		s.opts.Log.Error("spool: records are refused until there is room", zap.Error(err))
	}
	s.refused = int64(len(req.frames))
	req.frames, req.err = nil, err
	close(req.done)
}

// refuse is what follows from a write or a sync that failed: nobody knows what
// of it is on the disk, so the segment is never written nor synced again, and
// its records of this commit are noted as settled in the next one. It returns
// what the callers are told.
func (s *Spool) refuse(w written, err error) error {
	s.writing.Lock()
	s.mu.Lock()
	for i := range w.count {
		s.owed = append(s.owed, w.base+uint64(i))
	}
	if w.seg != nil && s.active == w.seg {
		s.active = nil
		w.seg.trim() // of what a write left that did not come to its end
	}
	s.mu.Unlock()
	s.writing.Unlock()
	s.opts.Log.Error("spool: records could not be made durable and were refused", zap.Int("records", w.count), zap.Error(err))
	return s.noteTrouble(err)
}
