package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"sort"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// segmentFile is one segment and which of its records are not settled.
type segmentFile struct {
	f       file
	name    string
	number  uint32
	salt    uint32
	base    uint64  // sequence number of the first entry
	entries []entry // one a record, by sequence number
	first   int     // no entry before it is live
	live    int
	// size is how many bytes are written. It changes under Spool.writing and
	// Spool.mu both, and is read under either.
	size     int64
	reserved int64 // how many bytes the file has on disk at least
}

// entry is where a record is and when it came. Eight bytes: there may be millions.
type entry struct {
	offset uint32 // 0: settled, or never there
	at     uint32 // seconds since 1970
}

// segmentName returns the name of a segment's file. It says what the header
// says, so that a damaged header costs nothing but itself.
func segmentName(seg *segmentFile) string {
	return fmt.Sprintf("%08x-%016x-%08x%s", seg.number, seg.base, seg.salt, segmentExt)
}

// parseSegmentName is the reverse of segmentName; nil if it is no segment's name.
func parseSegmentName(name string) *segmentFile {
	seg := &segmentFile{name: name}
	n, err := fmt.Sscanf(name, "%08x-%016x-%08x"+segmentExt, &seg.number, &seg.base, &seg.salt)
	if n != 3 || err != nil || segmentName(seg) != name {
		return nil
	}
	return seg
}

// place is where a frame at an offset is.
func (seg *segmentFile) place(offset int64) segment.Place {
	return segment.Place{Salt: seg.salt, Offset: uint32(offset)} //nolint:gosec // segments are below 4 GiB
}

// add enters a record. What lies between it and the one before is not there.
func (seg *segmentFile) add(seq uint64, offset int64, at time.Time) {
	for seg.base+uint64(len(seg.entries)) < seq {
		seg.entries = append(seg.entries, entry{})
	}
	seg.entries = append(seg.entries, entry{offset: uint32(offset), at: seconds(at)}) //nolint:gosec // segments are below 4 GiB
	seg.live++
}

// seconds cuts a time to an entry's width.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

// settle marks a record as settled; false if it was, or was never there.
func (seg *segmentFile) settle(seq uint64) bool {
	i := seq - seg.base
	if seq < seg.base || i >= uint64(len(seg.entries)) || seg.entries[i].offset == 0 {
		return false
	}
	seg.entries[i].offset = 0
	seg.live--
	return true
}

// holds reports whether a record is there and not settled.
func (seg *segmentFile) holds(ref broker.Ref) bool {
	i := ref.Seq - seg.base
	return ref.Seq >= seg.base && i < uint64(len(seg.entries)) && ref.Offset != 0 && seg.entries[i].offset == ref.Offset
}

// oldest returns when the oldest live record came; ok is false if none is.
func (seg *segmentFile) oldest() (at time.Time, ok bool) {
	if seg.live == 0 {
		return time.Time{}, false
	}
	for seg.entries[seg.first].offset == 0 {
		seg.first++
	}
	return time.Unix(int64(seg.entries[seg.first].at), 0).UTC(), true
}

// refs returns the live records in order.
func (seg *segmentFile) refs() []broker.Ref {
	refs := make([]broker.Ref, 0, seg.live)
	for i, e := range seg.entries {
		if e.offset != 0 {
			refs = append(refs, broker.Ref{Seq: seg.base + uint64(i), Segment: seg.number, Offset: e.offset})
		}
	}
	return refs
}

// close closes the file. What it holds was synced, or was given up.
func (seg *segmentFile) close() { _ = seg.f.Close() }

// trim gives back what was reserved behind the last frame.
func (seg *segmentFile) trim() { _ = seg.f.Truncate(seg.size) }

// segmentOf returns the segment that has a sequence number among segments in
// order; nil if it is older than all.
func segmentOf(segments []*segmentFile, seq uint64) *segmentFile {
	i := sort.Search(len(segments), func(i int) bool { return segments[i].base > seq })
	if i == 0 {
		return nil
	}
	return segments[i-1]
}

// rotate begins a new segment with room for need bytes, with the notes that are
// owed at its beginning; an error if it took them not: then it is done with.
// Only the committer and Open call it.
func (s *Spool) rotate(need int64) error {
	seg, err := s.createSegment(need)
	if err != nil {
		return err
	}
	s.writing.Lock()
	s.mu.Lock()
	old := s.active
	s.addSegment(seg)
	s.active = seg
	s.mu.Unlock()
	s.writing.Unlock()
	if old != nil {
		// Its last notes; should that fail, their records are delivered again.
		_ = old.f.Sync()
		old.trim()
	}
	if err := s.flush(); err != nil {
		return fmt.Errorf("new segment %s: note what is settled: %w", seg.name, err)
	}
	return nil
}

// addSegment puts a segment at the end of the list. The caller holds mu.
func (s *Spool) addSegment(seg *segmentFile) {
	s.segments = append(s.segments, seg)
	s.byNumber[seg.number] = seg
	s.bytes += seg.size
	s.records += seg.live
}

// createSegment makes the file of a new segment. When it returns nil, the file,
// its space and its name survive a loss of power.
func (s *Spool) createSegment(need int64) (*segmentFile, error) {
	if err := s.owned(); err != nil {
		return nil, err
	}
	reserve := s.reservation(need + segment.HeaderSize)
	s.mu.Lock()
	s.number++
	seg := &segmentFile{number: s.number, salt: newSalt(), base: s.next, size: segment.HeaderSize}
	s.mu.Unlock()
	seg.name = segmentName(seg)
	f, err := s.vol.Open(seg.name, true, reserve)
	if err == nil {
		seg.f = f
		err = s.prepare(seg)
	}
	if err != nil {
		_ = s.vol.Remove(seg.name)
		return nil, fmt.Errorf("new segment %s: %w", seg.name, err)
	}
	return seg, nil
}

// reservation returns how much a new segment that needs so many bytes should
// reserve: its usual size, within what the bounds leave.
func (s *Spool) reservation(need int64) int64 {
	s.mu.Lock()
	n := min(s.opts.SegmentBytes, s.opts.MaxBytes-s.bytes)
	s.mu.Unlock()
	if free, err := s.vol.Free(); err == nil {
		n = min(n, free-s.opts.MinFree)
	}
	return max(n, need)
}

// prepare writes a new segment's header and makes it and the name durable.
func (s *Spool) prepare(seg *segmentFile) error {
	size, err := seg.f.Size()
	if err == nil {
		seg.reserved = size
		err = writeAll(seg.f, segment.AppendHeader(nil, segment.Header{
			Number: seg.number, Salt: seg.salt, Base: seg.base, Created: s.opts.Now(), Reserved: uint32(size), //nolint:gosec // at most maxSegment
		}), 0)
	}
	if err == nil {
		err = seg.f.Sync()
	}
	if err == nil {
		err = s.vol.SyncDir(".")
	}
	if err != nil {
		seg.close()
	}
	return err
}

// removeSettled removes segments of which every record is settled, strictly
// oldest first: a younger one may hold the notes that settle an older one's
// records. The name is gone for good before the next one goes.
func (s *Spool) removeSettled() {
	for {
		s.mu.Lock()
		if len(s.segments) == 0 || s.segments[0] == s.active || s.segments[0].live > 0 {
			s.mu.Unlock()
			return
		}
		seg := s.segments[0]
		s.mu.Unlock()
		if err := s.removeForGood(seg); err != nil {
			s.opts.Log.Warn("spool: a segment that is no longer needed cannot be removed",
				zap.String("file", seg.name), zap.Error(err))
			return
		}
		s.mu.Lock()
		s.segments = s.segments[1:]
		delete(s.byNumber, seg.number)
		s.bytes -= seg.size
		s.mu.Unlock()
		seg.close()
	}
}

// removeForGood removes a segment's file so that it does not come back after a
// loss of power. A file that is gone already may be one whose removal was not
// synced: that comes first all the same.
func (s *Spool) removeForGood(seg *segmentFile) error {
	if err := s.owned(); err != nil { // it is not there, and comes back with the folder
		return err
	}
	if err := s.vol.Remove(seg.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.vol.SyncDir(".")
}
