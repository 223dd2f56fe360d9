package spool

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/postrider/postrider/internal/spool/segment"
)

// maxMissing bounds the missing records that are remembered one by one.
const maxMissing = 1 << 20

// recovery reads segments, oldest first, and finds out which records are not
// settled and what is damaged. Sequence numbers have no gaps, so it also sees
// what is not there any more.
type recovery struct {
	segments []*segmentFile
	next     uint64 // the number after the last one seen; 0: none seen yet
	settled  int
	damage   []Damage
	// open is the damage behind which no whole frame came yet, -1 if there is none.
	open int
	// missing has the numbers that were not found, and the damage they belong to.
	missing map[uint64]int
}

// read enters a segment's frames.
func (r *recovery) read(seg *segmentFile, data []byte) error {
	h, err := segment.ParseHeader(data)
	if errors.Is(err, segment.ErrVersion) {
		return fmt.Errorf("%w; this program must not touch it", err)
	}
	if seg.base < r.next {
		return fmt.Errorf("it begins with record %d and those before it end with %d: the segments of two spools are mixed; "+
			"move those of one into a folder of their own", seg.base, r.next-1)
	}
	r.segments = append(r.segments, seg)
	r.expect(seg, seg.base)
	seg.size = min(segment.HeaderSize, int64(len(data)))
	if err != nil && !blank(data[:seg.size]) {
		r.damaged(seg, 0, seg.size)
	}
	r.scan(seg, data)
	// Zeros behind the last frame are space that was reserved, unless the file
	// was cut to what was written.
	if rest := int64(len(data)) - r.end(seg); err == nil && rest > 0 && int64(len(data)) != int64(h.Reserved) {
		r.damaged(seg, r.end(seg), rest)
	}
	return nil
}

// scan enters the whole frames of a segment.
func (r *recovery) scan(seg *segmentFile, data []byte) {
	scan := segment.NewScanner(data, seg.salt)
	for {
		f, skipped, ok := scan.Next()
		if skipped > 0 {
			r.damaged(seg, seg.size, int64(skipped))
		}
		if !ok {
			return
		}
		if f.Seq < r.next || f.Seq-seg.base > uint64(len(data)) || !r.enter(seg, f) {
			r.damaged(seg, int64(f.Offset), int64(f.Size()))
		}
		seg.size = int64(f.Offset + f.Size())
	}
}

// enter enters one frame; false if it makes no sense.
func (r *recovery) enter(seg *segmentFile, f segment.Frame) bool {
	switch f.Kind {
	case segment.KindRecord:
		rec, err := segment.ParseRecord(f.Payload)
		if err != nil {
			return false
		}
		r.expect(seg, f.Seq)
		r.next++
		seg.add(f.Seq, int64(f.Offset), rec.StoredAt)
	case segment.KindSettled:
		runs, err := segment.ParseRuns(f.Payload)
		if err != nil {
			return false
		}
		r.expect(seg, f.Seq)
		r.settle(runs)
	case segment.KindDead:
		return false
	}
	r.open = -1
	return true
}

// expect takes note that the next record has that number: those between it and
// the last one seen are missing.
func (r *recovery) expect(seg *segmentFile, seq uint64) {
	if r.next == 0 {
		r.next = seq
	}
	if seq == r.next {
		return
	}
	if r.open < 0 {
		at := seg
		if n := len(r.segments); n > 1 && len(seg.entries) == 0 && seg.size <= segment.HeaderSize {
			at = r.segments[n-2] // before this segment's first frame
		}
		r.damage = append(r.damage, Damage{File: at.name, Offset: at.size})
		r.open = len(r.damage) - 1
	}
	for ; r.next < seq && len(r.missing) < maxMissing; r.next++ {
		r.missing[r.next] = r.open
	}
	r.damage[r.open].Records += int(seq - r.next) //nolint:gosec // a gap between two records
	r.next = seq
}

// settle settles the records of a note.
func (r *recovery) settle(runs []segment.Run) {
	for _, run := range runs {
		for seq, end := max(run.First, r.segments[0].base), min(run.First+run.Count, r.next); seq < end; seq++ {
			delete(r.missing, seq)
			if seg := segmentOf(r.segments, seq); seg != nil && seg.settle(seq) {
				r.settled++
			}
		}
	}
}

// damaged takes note of bytes in which there is no whole frame.
func (r *recovery) damaged(seg *segmentFile, offset, n int64) {
	if r.open >= 0 {
		if d := &r.damage[r.open]; d.File == seg.name && d.Offset+d.Bytes == offset {
			d.Bytes += n
			return
		}
	}
	r.damage = append(r.damage, Damage{File: seg.name, Offset: offset, Bytes: n})
	r.open = len(r.damage) - 1
}

// end returns up to where a segment is accounted for, damage included.
func (r *recovery) end(seg *segmentFile) int64 {
	if r.open >= 0 && r.damage[r.open].File == seg.name {
		return max(seg.size, r.damage[r.open].Offset+r.damage[r.open].Bytes)
	}
	return seg.size
}

// report sums up. What is damaged at the end of the last segment is a write
// that was not finished.
func (r *recovery) report() Report {
	rep := Report{Segments: len(r.segments), Settled: r.settled}
	for _, d := range r.missing {
		r.damage[d].Records++
	}
	if r.open >= 0 && r.damage[r.open].File == r.segments[len(r.segments)-1].name && r.damage[r.open].Records == 0 {
		rep.Torn = r.damage[r.open]
		r.damage = slices.Delete(r.damage, r.open, r.open+1)
	}
	// Numbers that were given up after a failed write are settled and no damage.
	rep.Damage = slices.DeleteFunc(r.damage, func(d Damage) bool { return d.Bytes == 0 && d.Records == 0 })
	return rep
}

// blank reports whether there is nothing but zeros.
func blank(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
