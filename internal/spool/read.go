package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// Item is a record as Read and Dead show it.
type Item struct {
	Seq      uint64
	StoredAt time.Time // milliseconds
	Record   broker.Record
	Cause    string // why it was set aside; "" if it waits
	File     string // relative to the spool's folder
	Offset   int64  // of its frame
}

// Read goes through the records that wait, in order, without the lock and
// without changing anything: also while a process uses the spool; what that one
// settles meanwhile may still be shown. Damage is an error that wraps
// ErrDamaged, after which it goes on.
func Read(dir string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		s := &Spool{opts: Options{Dir: dir, Now: func() time.Time { return time.Time{} }}, vol: disk{dir}}
		r, err := s.look()
		if err != nil {
			yield(Item{}, fmt.Errorf("spool: read %s: %w", dir, err))
			return
		}
		defer s.closeFiles()
		for _, d := range r.report().Damage {
			if !yield(Item{File: d.File, Offset: d.Offset}, fmt.Errorf("spool: %w: %v", ErrDamaged, d)) {
				return
			}
		}
		for _, seg := range r.segments {
			if !seg.yield(yield) {
				return
			}
		}
	}
}

// look reads the segments of a folder that others may be using.
func (s *Spool) look() (*recovery, error) {
	list, err := s.vol.List(".")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(s.opts.Dir); err != nil {
		return nil, err
	}
	r := &recovery{open: -1, missing: map[uint64]int{}}
	for _, name := range list {
		seg := parseSegmentName(name)
		if seg == nil {
			continue
		}
		err := s.readSegment(r, seg)
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile: all up to here was settled
			r = &recovery{open: -1, missing: map[uint64]int{}}
			continue
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

// yield passes the live records of a segment on; false to stop.
func (seg *segmentFile) yield(yield func(Item, error) bool) bool {
	for _, ref := range seg.refs() {
		rec, _, err := seg.read(ref)
		if err != nil {
			err = fmt.Errorf("spool: record %d: %w: %w", ref.Seq, ErrDamaged, err)
		}
		item := Item{Seq: ref.Seq, StoredAt: rec.StoredAt, Record: rec.Record, File: seg.name, Offset: int64(ref.Offset)}
		if !yield(item, err) {
			return false
		}
	}
	return true
}

// Dead goes through the records that were set aside, in order, without the lock.
func Dead(dir string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		vol := disk{dir}
		list, err := vol.List(deadDir)
		if err != nil {
			yield(Item{}, fmt.Errorf("spool: read %s: %w", dir, err))
			return
		}
		for _, name := range list {
			if strings.HasSuffix(name, recordExt) && !deadFile(vol, name, yield) {
				return
			}
		}
	}
}

// deadFile passes the records of a file in dead/ on; false to stop.
func deadFile(vol disk, name string, yield func(Item, error) bool) bool {
	path := filepath.Join(deadDir, name)
	data, err := os.ReadFile(vol.path(path))
	if errors.Is(err, fs.ErrNotExist) { // requeued meanwhile
		return true
	}
	if err != nil {
		return yield(Item{File: path}, fmt.Errorf("spool: %w", err))
	}
	for item, err := range items(path, data) {
		if !yield(item, err) {
			return false
		}
	}
	return true
}

// items goes through the records of a file of dead/ or requeue/.
func items(path string, data []byte) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		h, err := segment.ParseHeader(data)
		if err != nil {
			yield(Item{File: path}, fmt.Errorf("spool: %s: %w: %w", path, ErrDamaged, err))
			return
		}
		scan := segment.NewScanner(data, h.Salt)
		for {
			f, skipped, ok := scan.Next()
			if skipped > 0 && !yield(Item{File: path}, fmt.Errorf("spool: %s: %w: %d bytes", path, ErrDamaged, skipped)) {
				return
			}
			if !ok {
				return
			}
			item, err := parseItem(f)
			if item.File = path; err != nil {
				err = fmt.Errorf("spool: %s: %w: %w", path, ErrDamaged, err)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// parseItem reads the record of a frame.
func parseItem(f segment.Frame) (Item, error) {
	var rec segment.Record
	var err error
	item := Item{Seq: f.Seq, Offset: int64(f.Offset)}
	switch f.Kind {
	case segment.KindDead:
		item.Cause, rec, err = segment.ParseDead(f.Payload)
	case segment.KindRecord:
		rec, err = segment.ParseRecord(f.Payload)
	case segment.KindSettled:
		err = errors.New("a note where a record is expected")
	}
	item.Record, item.StoredAt = rec.Record, rec.StoredAt
	return item, err
}

// Requeue moves records that were set aside to where the process that uses the
// spool, or the next one, takes them from (TakeRequeued). It returns how many it
// moved. One that is not there is an error, after which the rest is not tried.
func Requeue(dir string, seqs ...uint64) (int, error) {
	vol := disk{dir}
	if err := makeFolders(vol.path(requeueDir)); err != nil {
		return 0, fmt.Errorf("spool: requeue: %w", err)
	}
	moved := 0
	var err error
	for _, seq := range seqs {
		if err = vol.Rename(filepath.Join(deadDir, deadName(seq)), filepath.Join(requeueDir, deadName(seq))); err != nil {
			break
		}
		moved++
	}
	if moved > 0 {
		err = errors.Join(err, vol.SyncDir(requeueDir), vol.SyncDir(deadDir))
	}
	if err != nil {
		err = fmt.Errorf("spool: requeue: %w", err)
	}
	return moved, err
}
