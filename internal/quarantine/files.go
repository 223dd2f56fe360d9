package quarantine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of files.
const (
	segmentSuffix = ".jsonl"
	doneSuffix    = ".done"
)

// How finely the ring is cut: a segment ends at this part of the whole size, or
// of the time that things are kept, so that little is deleted at once.
const (
	segmentsBySize = 64
	segmentsByAge  = 24
)

// segment is one file of one source.
type segment struct {
	name   string // without the folder
	number int64
	start  time.Time // when it was begun
	bytes  int64     // with its marks
}

// held is what one source has in the ring.
type held struct {
	segments []segment // oldest first, the one that is written to included
	bytes    int64
	file     *os.File // what is written to; nil: nothing
	current  segment  // the same
}

// files is the folder, as one writer sees it.
type files struct {
	opt     Options
	sources map[string]*held
	bytes   int64
	last    int64 // highest number of a segment
}

func newFiles(o Options) *files { return &files{opt: o, sources: make(map[string]*held)} }

// scan looks at the folder anew; another receiver may write there too.
func (f *files) scan() error {
	folders, err := os.ReadDir(f.opt.Dir)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	f.bytes = 0
	seen := make(map[string]bool)
	for _, d := range folders {
		if !d.IsDir() {
			continue
		}
		h := f.of(d.Name())
		var orphans []string
		if h.segments, orphans, err = listSegments(filepath.Join(f.opt.Dir, d.Name())); err != nil {
			return err
		}
		for _, path := range orphans {
			_ = os.Remove(path)
		}
		h.bytes = 0
		for _, s := range h.segments {
			h.bytes += s.bytes
			f.last = max(f.last, s.number)
		}
		f.bytes += h.bytes
		seen[d.Name()] = true
	}
	for name, h := range f.sources {
		if !seen[name] {
			h.segments, h.bytes = nil, 0
		}
	}
	return nil
}

// of returns what a source has.
func (f *files) of(source string) *held {
	h := f.sources[source]
	if h == nil {
		h = &held{}
		f.sources[source] = h
	}
	return h
}

// listSegments lists a source's segments, oldest first, and the marks whose
// segment is gone, as a redrive leaves them that was overtaken by the receiver.
func listSegments(dir string) (out []segment, orphans []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("quarantine: %w", err)
	}
	marks := make(map[string]int64)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // deleted meanwhile
		}
		if base, ok := strings.CutSuffix(e.Name(), doneSuffix); ok {
			marks[base] = info.Size()
		} else if s, ok := parseName(e.Name()); ok {
			s.bytes = info.Size()
			out = append(out, s)
		}
	}
	for i := range out {
		base := strings.TrimSuffix(out[i].name, segmentSuffix)
		out[i].bytes += marks[base]
		delete(marks, base)
	}
	for base := range marks {
		orphans = append(orphans, filepath.Join(dir, base+doneSuffix))
	}
	slices.SortFunc(out, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), a.start.Compare(b.start))
	})
	return out, orphans, nil
}

// parseName reads number and time from a segment's name.
func parseName(name string) (segment, bool) {
	base, ok := strings.CutSuffix(name, segmentSuffix)
	left, right, found := strings.Cut(base, "-")
	number, err1 := strconv.ParseInt(left, 10, 64)
	ms, err2 := strconv.ParseInt(right, 10, 64)
	if !ok || !found || err1 != nil || err2 != nil {
		return segment{}, false
	}
	return segment{name: name, number: number, start: time.UnixMilli(ms)}, true
}

// append writes an entry to its source's newest segment, after making room.
func (f *files) append(e *Entry) error {
	head, err := e.head()
	if err != nil {
		return err
	}
	n := length(head, e.Request.Body)
	if n > f.opt.MaxBytes {
		return fmt.Errorf("quarantine: a request of %d bytes in a ring of %d", n, f.opt.MaxBytes)
	}
	h, err := f.ready(e.Source, n)
	if err != nil {
		return err
	}
	if err := writeLine(h.file, head, e.Request.Body); err != nil {
		h.finish() // its end may be half a line: nothing may follow there
		return errors.Join(fmt.Errorf("quarantine: %w", err), f.scan())
	}
	h.grow(n)
	f.bytes += n
	return nil
}

// grow counts what was written to the current segment.
func (h *held) grow(n int64) {
	h.bytes += n
	h.current.bytes += n
	if i := slices.IndexFunc(h.segments, func(s segment) bool { return s.name == h.current.name }); i >= 0 {
		h.segments[i].bytes += n
	}
}

// ready returns a source with a segment that n more bytes may be written to.
func (f *files) ready(source string, n int64) (*held, error) {
	h := f.of(source)
	if h.file != nil && f.full(h.current, n) {
		h.finish()
	}
	if h.file == nil {
		if err := f.scan(); err != nil {
			return nil, err
		}
	}
	if err := f.makeRoom(source, n); err != nil {
		return nil, err
	}
	if h.file != nil {
		return h, nil
	}
	return h, f.begin(source, h)
}

// full reports whether a segment is to be followed by another before n bytes
// are written.
func (f *files) full(s segment, n int64) bool {
	return s.bytes > 0 && s.bytes+n > f.opt.MaxBytes/segmentsBySize || f.opt.Now().Sub(s.start) > f.opt.Keep/segmentsByAge
}

// begin creates a source's next segment.
func (f *files) begin(source string, h *held) error {
	dir := filepath.Join(f.opt.Dir, source)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	f.last++
	now := f.opt.Now()
	s := segment{name: fmt.Sprintf("%08d-%013d%s", f.last, now.UnixMilli(), segmentSuffix), number: f.last, start: now}
	file, err := os.OpenFile(filepath.Join(dir, s.name), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // below our own folder; the source's name is checked by the configuration
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	h.file, h.current, h.segments = file, s, append(h.segments, s)
	return nil
}

// makeRoom deletes old segments until n more bytes fit. Who has most pays, the
// writer's bytes to come included: however much arrives at one source, another
// that has less keeps all it has.
func (f *files) makeRoom(source string, n int64) error {
	for f.bytes+n > f.opt.MaxBytes {
		victim, most := "", int64(-1)
		for name, h := range f.sources {
			size := h.bytes
			if name == source {
				size += n
			}
			if len(h.segments) > 0 && (size > most || size == most && name == source) {
				victim, most = name, size
			}
		}
		if victim == "" {
			return nil
		}
		if err := f.deleteOldest(victim); err != nil {
			return err
		}
	}
	return nil
}

// expire deletes what is older than it may be.
func (f *files) expire() {
	limit := f.opt.Now().Add(-f.opt.Keep)
	for name, h := range f.sources {
		for len(h.segments) > 0 && !h.segments[0].start.After(limit) {
			if f.deleteOldest(name) != nil {
				break
			}
		}
		if len(h.segments) == 0 {
			_ = os.Remove(filepath.Join(f.opt.Dir, name)) // an empty folder tells of a source that may be gone
		}
	}
}

// deleteOldest deletes a source's oldest segment with its marks.
func (f *files) deleteOldest(source string) error {
	h := f.sources[source]
	s := h.segments[0]
	if s.name == h.current.name {
		h.finish()
	}
	path := filepath.Join(f.opt.Dir, source, s.name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("quarantine: %w", err)
	}
	_ = os.Remove(strings.TrimSuffix(path, segmentSuffix) + doneSuffix)
	h.segments = h.segments[1:]
	h.bytes -= s.bytes
	f.bytes -= s.bytes
	return nil
}

// finish closes the segment that is written to, if there is one.
func (h *held) finish() {
	if h.file != nil {
		_ = h.file.Close() // each write was flushed
		h.file, h.current = nil, segment{}
	}
}

// close closes every file.
func (f *files) close() error {
	var errs []error
	for _, h := range f.sources {
		if h.file != nil {
			errs = append(errs, h.file.Close())
			h.file = nil
		}
	}
	return errors.Join(errs...)
}
