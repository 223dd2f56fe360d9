package spool

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/spool/segment"
)

// State is what a spool holds and how it is, at one moment.
type State struct {
	Records int   // not settled
	Bytes   int64 // written to the segments there are, settled or not
	// PinnedBytes is the part of Bytes in segments of which every record is
	// settled, but which wait for the oldest record: segments go oldest first.
	PinnedBytes int64
	Oldest      time.Time // when the oldest record came, seconds; zero if there is none
	// DeadRecords counts the files in dead/: records that Kafka refuses for what
	// they are.
	DeadRecords int
	// DamagedRecords counts records that could not be read back since Open,
	// those of Report included (at most that many: it counts the gaps).
	DamagedRecords int
	MaxBytes       int64
	Full           bool   // nothing can be appended until there is room
	Failed         string // why nothing can be appended; "" if it can, or if Full
	// Volatile names the file system if what it keeps may be gone after a
	// restart: "tmpfs", "ramfs", "overlay".
	Volatile string
}

// State returns what the spool holds. It asks the file system for free space.
func (s *Spool) State() State {
	s.mu.Lock()
	wanted := max(s.refused, 1)
	s.mu.Unlock()
	room := s.room(wanted)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{
		Records: s.records, Bytes: s.bytes, DeadRecords: s.dead, DamagedRecords: s.damaged,
		MaxBytes: s.opts.MaxBytes, Volatile: volatileKind(s.opts.Dir),
		Full: errors.Is(s.trouble, ErrFull) || s.trouble == nil && room != nil,
	}
	if errors.Is(s.trouble, ErrFailed) {
		st.Failed = s.trouble.Error()
	}
	st.PinnedBytes, _ = s.pinned()
	for _, seg := range s.segments {
		if at, ok := seg.oldest(); ok {
			st.Oldest = at
			break
		}
	}
	return st
}

// errFree marks the error about a disk that has too little left.
var errFree = errors.New("disk nearly full")

// room returns why there is no room for n more bytes; nil if there is.
func (s *Spool) room(n int64) error {
	s.mu.Lock()
	used, need := s.bytes, n
	if s.active != nil { // it has what it has reserved, whatever others take
		need = max(n-max(s.active.reserved-s.active.size, 0), 0)
	}
	s.mu.Unlock()
	if used+n > s.opts.MaxBytes {
		return fmt.Errorf("%w: %d bytes are in use%s, %d more would pass spool.max_bytes (%d); raise it if Kafka will be away longer",
			ErrFull, used, s.pinnedText(), n, s.opts.MaxBytes)
	}
	if need == 0 {
		return nil
	}
	return s.spare(need)
}

// spare returns an error if need more bytes would leave less than spool.min_free.
func (s *Spool) spare(need int64) error {
	free, err := s.vol.Free()
	if err == nil && free-need < s.opts.MinFree {
		return fmt.Errorf("%w: %w: %d bytes are free at %s, spool.min_free keeps %d for others; free some, or lower it",
			ErrFull, errFree, free, s.opts.Dir, s.opts.MinFree)
	}
	return nil
}

// makeRoom is room after removing what is not needed any more.
func (s *Spool) makeRoom(n int64) error {
	if s.room(n) == nil {
		return nil
	}
	s.removeSettled()
	err := s.room(n)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	settled := s.records == 0 && s.active != nil && s.active.size > segment.HeaderSize
	s.mu.Unlock()
	if !settled || errors.Is(err, errFree) || s.rotate(0) != nil {
		return err
	}
	s.removeSettled()
	return s.room(n)
}

// noteTrouble keeps why nothing can be written: no space, or the second failure
// in a row. It returns what to tell those who wait.
func (s *Spool) noteTrouble(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.trouble
	switch {
	case errors.Is(err, errGone):
		s.trouble = fmt.Errorf("%w: %w", ErrFailed, err)
	case outOfSpace(err):
		s.trouble = fmt.Errorf("%w: the disk of %s has no room: %w; free some", ErrFull, s.opts.Dir, err)
	case s.failures == 0 && s.trouble == nil:
		s.failures++
		return fmt.Errorf("not durable: %w", err)
	default:
		s.trouble = fmt.Errorf("%w: %s does not keep what is written: %w; look at the disk and the kernel's log", ErrFailed, s.opts.Dir, err)
	}
	s.failures++
	if before == nil {
		s.opts.Log.Error("spool: nothing can be spooled until this passes", zap.Error(s.trouble))
	}
	return s.trouble
}

// errGone marks the error about a folder that is not the one that was opened.
var errGone = errors.New("the spool's folder was removed, moved or replaced while in use")

// owned returns nil if the folder is the one that was opened.
func (s *Spool) owned() error {
	if err := s.vol.Owned(); err != nil {
		return fmt.Errorf("%w: %w; put the folder %s back as it was, or restart: what it held is kept by this process only "+
			"until it ends", errGone, err, s.opts.Dir)
	}
	return nil
}

// inPlace returns nil if what was written to a segment will be found by the next
// process: the folder and the segment in it are those that were opened.
func (s *Spool) inPlace(seg *segmentFile) error {
	if err := s.owned(); err != nil {
		return err
	}
	if err := seg.f.InPlace(); err != nil {
		return fmt.Errorf("segment %s was removed or replaced while in use: %w", seg.name, err)
	}
	return nil
}

// check is what the committer does every second: it looks whether a trouble has
// passed and does what could not be done before.
func (s *Spool) check() {
	gone := s.owned()
	s.mu.Lock()
	trouble := s.trouble
	needed := trouble != nil || s.active == nil && len(s.owed) > 0
	s.mu.Unlock()
	switch {
	case gone != nil:
		_ = s.noteTrouble(gone)
	case needed:
		s.recoverFrom(trouble)
	}
	s.retryAside()
	s.syncNotes()
}

// recoverFrom tries a fresh segment.
func (s *Spool) recoverFrom(trouble error) {
	if err := s.rotate(0); err != nil {
		_ = s.noteTrouble(err)
		return
	}
	s.mu.Lock()
	s.trouble, s.failures = nil, 0
	s.mu.Unlock()
	if trouble != nil {
		s.opts.Log.Info("spool: records can be spooled again", zap.NamedError("trouble", trouble))
	}
}
