package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// Item is a record as Read, Requeued and Dead show it.
type Item struct {
	Seq      uint64
	StoredAt time.Time // milliseconds
	Record   broker.Record
	Cause    string // why it was set aside; "" if it waits
	File     string // relative to the spool's folder
	Offset   int64  // of its frame
}

// Read goes through the records that wait in segments, in order, without the lock and
// without changing anything: also while a process uses the spool; what that one
// settles meanwhile may still be shown. Damage is an error that wraps
// ErrDamaged, after which it goes on.
func Read(dir string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		s, r, damage, err := steady(dir)
		defer s.closeFiles()
		if err != nil {
			yield(Item{}, fmt.Errorf("spool: read %s: %w", dir, err))
			return
		}
		for _, d := range damage {
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

// looks is how often a folder is read before something in it is called damaged.
const looks = 3

// steady looks at a folder that others may be using, and looks again where something
// is damaged: a frame that is being written just now looks like half a frame in the
// middle of the log once the next segment is there. Damaged is what stays so. The
// caller closes the spool's files, also after an error.
func steady(dir string) (s *Spool, r *recovery, damage []Damage, err error) {
	for n := range looks {
		s = &Spool{opts: Options{Dir: dir, Now: func() time.Time { return time.Time{} }}, vol: disk{dir}}
		if r, err = s.look(); err != nil {
			return s, r, nil, err
		}
		before := damage
		damage = r.report().Damage
		if n > 0 {
			damage = slices.DeleteFunc(damage, func(d Damage) bool { return !slices.ContainsFunc(before, d.samePlace) })
		}
		if len(damage) == 0 || n == looks-1 {
			break
		}
		s.closeFiles()
	}
	return s, r, damage, nil
}

// samePlace reports whether two damages begin at the same byte.
func (d Damage) samePlace(other Damage) bool { return d.File == other.File && d.Offset == other.Offset }

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
func Dead(dir string) iter.Seq2[Item, error] { return aside(dir, deadDir) }

// Requeued goes through the records in requeue/, which wait to be taken in behind
// those of Read (TakeRequeued), without the lock. Seq is the number that each had
// before, in another spool perhaps.
func Requeued(dir string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for item, err := range aside(dir, requeueDir) {
			item.Cause = "" // it waits
			if !yield(item, err) {
				return
			}
		}
	}
}

// aside goes through the records in the files of a folder.
func aside(dir, folder string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		vol := disk{dir}
		list, err := vol.List(folder)
		if err != nil {
			yield(Item{}, fmt.Errorf("spool: read %s: %w", dir, err))
			return
		}
		for _, name := range list {
			if strings.HasSuffix(name, recordExt) && !asideFile(vol, filepath.Join(folder, name), yield) {
				return
			}
		}
	}
}

// asideFile passes the records of a file in dead/ or requeue/ on; false to stop.
func asideFile(vol disk, path string, yield func(Item, error) bool) bool {
	data, err := os.ReadFile(vol.path(path))
	if errors.Is(err, fs.ErrNotExist) { // requeued, or taken in, meanwhile
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

// items goes through the records of a file of dead/ or requeue/. Damage is an
// error, after which it goes on with what is whole.
func items(path string, data []byte) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		name := parseAsideName(path)
		damaged, good := false, 0
		pass := func(item Item, err error) bool {
			item.File = path
			if err != nil {
				damaged = true
				return yield(item, fmt.Errorf("spool: %s: %w: %w", path, ErrDamaged, err))
			}
			good++
			return yield(item, nil)
		}
		salt, err := name.saltOf(data)
		if err != nil && (!pass(Item{}, err) || salt == nil) {
			return
		}
		if !scanItems(segment.NewScanner(data, *salt), pass) {
			return
		}
		if missing := name.count - good; !damaged && missing > 0 {
			pass(Item{}, fmt.Errorf("%d records of %d are not there", missing, name.count))
		}
	}
}

// scanItems passes on what a scanner finds; false to stop.
func scanItems(scan *segment.Scanner, pass func(Item, error) bool) bool {
	for {
		f, skipped, ok := scan.Next()
		if skipped > 0 && !pass(Item{}, fmt.Errorf("%d bytes", skipped)) {
			return false
		}
		if !ok {
			return true
		}
		if !pass(parseItem(f)) {
			return false
		}
	}
}

// asideName is what the name of a file in dead/ or requeue/ says of it, so that
// a damaged header costs nothing but itself.
type asideName struct {
	count int     // how many records were put in; 0: not known
	salt  *uint32 // nil: only the header has it
}

// parseAsideName reads a name that deadName or adoptedName has made.
func parseAsideName(path string) asideName {
	name := filepath.Base(path)
	var (
		salt  uint32
		first uint64
		count int
	)
	if _, err := fmt.Sscanf(name, "adopted-%08x-%020d-%d"+recordExt, &salt, &first, &count); err == nil && adoptedName(salt, first, count) == name {
		return asideName{count: count, salt: &salt}
	}
	if _, err := fmt.Sscanf(name, "%020d"+recordExt, &first); err == nil && deadName(first) == name {
		return asideName{count: 1}
	}
	return asideName{}
}

// saltOf returns the salt of a file, also of one with a damaged header, with the
// error about that: the checksums of the frames tell whether it is right. Nil
// means that nothing in the file may or can be read.
func (n asideName) saltOf(data []byte) (*uint32, error) {
	h, err := segment.ParseHeader(data)
	switch {
	case err == nil:
		return &h.Salt, nil
	case errors.Is(err, segment.ErrVersion):
		return nil, err
	case n.salt != nil:
		return n.salt, err
	}
	if salt, ok := segment.Salt(data); ok {
		return &salt, err
	}
	return nil, err
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
