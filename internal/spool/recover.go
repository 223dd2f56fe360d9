package spool

import (
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"
)

// Report is what Open found.
type Report struct {
	Segments int
	Records  int // not settled: they will be delivered
	Settled  int // settled before, in segments that were still there
	// Damage lists what could not be read, in order.
	Damage []Damage
	// Torn is the end of the log if it is no whole frame: a write that was not
	// finished when the process or the machine stopped. Nobody was told that it
	// is safe. Bytes is 0 if there is none.
	Torn Damage
	Took time.Duration
}

// Lost returns how many records at most the damage has cost.
func (r Report) Lost() int {
	n := 0
	for _, d := range r.Damage {
		n += d.Records
	}
	return n
}

// Damage is a part of a segment in which no whole frame was found.
type Damage struct {
	File   string // base name
	Offset int64
	Bytes  int64 // 0: nothing but the gap in the numbers tells of it
	// Records is how many records at most were there and not settled.
	Records int
	// Copy is where what was found is kept, relative to the folder; "" if that
	// failed.
	Copy string
}

// String says where the damage is.
func (d Damage) String() string {
	return fmt.Sprintf("%s: %d bytes from byte %d, at most %d records", d.File, d.Bytes, d.Offset, d.Records)
}

// Report returns what Open found.
func (s *Spool) Report() Report { return s.report }

// recover reads what is in the folder.
func (s *Spool) recover() error {
	began := s.opts.Now()
	list, err := s.vol.List(".")
	if err != nil {
		return err
	}
	r := recovery{open: -1, missing: map[uint64]int{}}
	for _, name := range list {
		seg := parseSegmentName(name)
		if seg == nil {
			continue
		}
		s.number = max(s.number, seg.number)
		if err := s.readSegment(&r, seg); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := s.countAside(&r); err != nil {
		return err
	}
	s.next = max(r.next, 1)
	s.report = r.report()
	s.keepDamaged()
	s.settleFiles(&r)
	for _, seg := range r.segments {
		s.addSegment(seg)
	}
	s.report.Records, s.report.Took = s.records, s.opts.Now().Sub(began)
	s.damaged = s.report.Lost()
	s.logReport()
	return nil
}

// readSegment opens a segment and reads it.
func (s *Spool) readSegment(r *recovery, seg *segmentFile) error {
	f, err := s.vol.Open(seg.name, false, 0)
	if err != nil {
		return err
	}
	seg.f = f
	s.segments = append(s.segments, seg) // for closeFiles, should one of them not be ours
	data, err := readWhole(f)
	if err != nil {
		return err
	}
	return r.read(seg, data)
}

// settleFiles takes what is no whole frame off the end of the log, so that the
// next recovery does not find it in the middle, and makes durable what the
// process before wrote and did not sync: what was read now is to be there after
// a loss of power, too.
func (s *Spool) settleFiles(r *recovery) {
	s.segments = nil
	if n := len(r.segments); n > 0 {
		r.segments[n-1].trim()
	}
	for _, seg := range r.segments {
		if err := seg.f.Sync(); err != nil {
			s.opts.Log.Warn("spool: a segment of an earlier process cannot be synced", zap.String("file", seg.name), zap.Error(err))
		}
	}
}

// keepDamaged copies what is damaged to damaged/: whole segments, and the torn
// end of the log.
func (s *Spool) keepDamaged() {
	for i := range s.report.Damage {
		d := &s.report.Damage[i]
		d.Copy = s.keepCopy(d.File, d.File, 0)
	}
	if t := &s.report.Torn; t.Bytes > 0 {
		t.Copy = s.keepCopy(t.File, fmt.Sprintf("%s.%d", t.File, t.Offset), t.Offset)
	}
}

// keepCopy copies a file from an offset on, once a run, and returns the copy's
// name; "" if there is no room or it failed.
func (s *Spool) keepCopy(name, as string, from int64) string {
	s.mu.Lock()
	to := s.copied[as]
	s.mu.Unlock()
	if to != "" {
		return to
	}
	to = damagedDir + "/" + as
	if err := s.copyFile(name, to, from); err != nil {
		s.opts.Log.Warn("spool: no copy of a damaged file could be kept", zap.String("file", name), zap.Error(err))
		return ""
	}
	s.mu.Lock()
	s.copied[as] = to
	s.mu.Unlock()
	return to
}

func (s *Spool) copyFile(name, to string, from int64) error {
	f, err := s.vol.Open(name, false, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := readWhole(f)
	if err != nil {
		return err
	}
	if free, err := s.vol.Free(); err == nil && free-int64(len(data)) < s.opts.MinFree {
		return errFree
	}
	return s.writeFile(to, data[min(from, int64(len(data))):])
}

// logReport says in the log what Open found.
func (s *Spool) logReport() {
	r := &s.report
	for _, d := range r.Damage {
		s.opts.Log.Error("spool: a part of a segment is damaged; the rest is delivered", zap.String("file", d.File),
			zap.Int64("offset", d.Offset), zap.Int64("bytes", d.Bytes), zap.Int("records_at_most", d.Records), zap.String("copy", d.Copy))
	}
	if r.Torn.Bytes > 0 {
		s.opts.Log.Info("spool: the last write was not finished and was never promised", zap.String("file", r.Torn.File),
			zap.Int64("offset", r.Torn.Offset), zap.Int64("bytes", r.Torn.Bytes), zap.String("copy", r.Torn.Copy))
	}
	if r.Records > 0 {
		s.opts.Log.Info("spool: records of an earlier process will be published", zap.Int("records", r.Records), zap.Int("segments", r.Segments))
	}
}

// readWhole reads a file. Sectors that the disk does not give are zeros.
func readWhole(f file) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > math.MaxUint32 {
		return nil, fmt.Errorf("%d bytes, a segment is at most 4 GiB", size)
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) && err != nil {
		readPieces(f, data, int64(n))
	}
	return data, nil
}

// readPieces reads what can be read of a file from an offset on.
func readPieces(f file, data []byte, from int64) {
	const piece = 4 << 10
	for at := from; at < int64(len(data)); at += piece - at%piece {
		end := min(at+piece-at%piece, int64(len(data)))
		if n, err := f.ReadAt(data[at:end], at); err != nil {
			clear(data[at+int64(n) : end])
		}
	}
}
