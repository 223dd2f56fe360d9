package spool

import (
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// maxNote bounds how many records one note settles.
const maxNote = 1 << 16

// Settle implements broker.Store. With a cause every record is first written to
// dead/ and synced; one for which that fails stays in the spool and is tried
// again every second. The note on disk is written at once, so that it survives
// the end of the process, and synced within about a second.
func (s *Spool) Settle(refs []broker.Ref, cause error) {
	if cause != nil {
		refs = s.setAside(refs, cause.Error())
	}
	if s.mark(refs) {
		_ = s.flush() // logged, and tried again in the next segment
	}
}

// mark settles records in memory and reports whether there is anything to note.
func (s *Spool) mark(refs []broker.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return false // the next process delivers them again
	}
	settled := 0
	for _, ref := range refs {
		seg := s.byNumber[ref.Segment]
		if seg == nil || !seg.holds(ref) || !seg.settle(ref.Seq) {
			continue
		}
		settled++
		s.owed = append(s.owed, ref.Seq)
		if seg.live == 0 {
			s.nudge()
		}
	}
	s.records -= settled
	return settled > 0
}

// flush writes what was settled to the end of the active segment. What cannot
// be written waits for the next one; the error is that of the write.
func (s *Spool) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		s.mu.Lock()
		seg, next := s.active, s.next
		n := min(len(s.owed), maxNote)
		seqs := s.owed[:n:n]
		if n == 0 || seg == nil {
			s.mu.Unlock()
			return nil
		}
		s.owed = s.owed[n:]
		s.mu.Unlock()
		if err := s.note(seg, next, seqs); err != nil {
			return err
		}
	}
}

// note writes one list of settled records. After a write that failed nobody
// knows where the segment ends: it is done with. The caller holds writing.
func (s *Spool) note(seg *segmentFile, next uint64, seqs []uint64) error {
	frame := segment.AppendRuns(segment.StartFrame(nil), segment.Runs(seqs))
	segment.SealFrame(frame, seg.place(seg.size), segment.KindSettled, next)
	err := writeAll(seg.f, frame, seg.size)
	if err == nil {
		s.grow(seg, int64(len(frame)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.opts.Log.Warn("spool: settled records could not be noted; that is tried again", zap.String("file", seg.name), zap.Error(err))
		s.owed = append(s.owed, seqs...)
		s.active = nil
		return err
	}
	s.unsynced = true
	return nil
}

// syncNotes syncs the notes written since the last sync.
func (s *Spool) syncNotes() {
	s.mu.Lock()
	seg, unsynced := s.active, s.unsynced
	s.unsynced = false
	s.mu.Unlock()
	if seg == nil || !unsynced {
		return
	}
	if err := seg.f.Sync(); err != nil {
		_ = s.refuse(written{seg: seg}, err)
	}
}
