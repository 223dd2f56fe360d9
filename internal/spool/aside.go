package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// maxCause bounds the cause that is kept with a record, bytes.
const maxCause = 32 << 10

// asideNote is a record that still has to be written to dead/.
type asideNote struct {
	ref   broker.Ref
	cause string
}

// setAside writes records to dead/ and returns those that are safe there. The
// others stay where they are and are tried again.
func (s *Spool) setAside(refs []broker.Ref, cause string) (done []broker.Ref) {
	for _, ref := range refs {
		s.mu.Lock()
		seg := s.byNumber[ref.Segment]
		kept := seg != nil && seg.holds(ref) && !s.isClosed
		s.mu.Unlock()
		if !kept {
			continue
		}
		err := s.writeDead(seg, ref, cause)
		s.tellAside(ref, cause, err)
		if err != nil {
			s.mu.Lock()
			s.aside = append(s.aside, asideNote{ref, cause})
			s.mu.Unlock()
			continue
		}
		done = append(done, ref)
	}
	return done
}

// tellAside logs why records cannot be set aside when that changes: it is tried
// again every second, record by record.
func (s *Spool) tellAside(ref broker.Ref, cause string, err error) {
	why := reason(err)
	s.mu.Lock()
	before := s.notAside
	s.notAside = why
	s.mu.Unlock()
	switch {
	case why == before:
	case err == nil:
		s.opts.Log.Info("spool: records can be set aside again", zap.String("trouble", before))
	default:
		s.opts.Log.Error("spool: a record could not be set aside; it and those after it are kept, and that is tried again every second",
			zap.Uint64("seq", ref.Seq), zap.String("cause", cause), zap.Error(err))
	}
}

// reason is what is wrong without what differs from record to record; "" for nil.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errFree):
		return errFree.Error()
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}

// retryAside tries again what could not be set aside.
func (s *Spool) retryAside() {
	s.mu.Lock()
	notes := s.aside
	s.aside = nil
	s.mu.Unlock()
	for _, n := range notes {
		if done := s.setAside([]broker.Ref{n.ref}, n.cause); s.mark(done) {
			_ = s.flush() // logged, and tried again in the next segment
		}
	}
}

// writeDead makes a file of a record in dead/, within spool.min_free. A record
// that cannot be read is kept as the bytes that are there, in a copy of its segment.
func (s *Spool) writeDead(seg *segmentFile, ref broker.Ref, cause string) error {
	_, payload, err := seg.read(ref)
	if err != nil {
		return err // Load takes care of it
	}
	name := deadDir + "/" + deadName(ref.Seq)
	b := segment.AppendHeader(nil, segment.Header{Salt: seg.salt, Base: ref.Seq, Created: s.opts.Now()})
	b = segment.AppendFrame(b, seg.salt, segment.KindDead, ref.Seq, segment.AppendDead(nil, cause[:min(len(cause), maxCause)], payload))
	if err := s.spare(int64(len(b))); err != nil {
		return err
	}
	if err := s.writeFile(name, b); err != nil {
		return err
	}
	s.mu.Lock()
	s.dead++
	s.mu.Unlock()
	s.opts.Log.Error("spool: a record that Kafka refuses was set aside", zap.String("file", name), zap.String("cause", cause))
	return nil
}

// deadName returns the name of a record's file.
func deadName(seq uint64) string { return fmt.Sprintf("%020d%s", seq, recordExt) }

// writeFile makes a file that is there whole or not at all, also after a loss
// of power.
func (s *Spool) writeFile(name string, b []byte) error {
	if err := s.owned(); err != nil {
		return err
	}
	temp := name + ".tmp"
	_ = s.vol.Remove(temp) // what an earlier try left
	f, err := s.vol.Open(temp, true, int64(len(b)))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeAll(f, b, 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.vol.Rename(temp, name); err != nil {
		return err
	}
	dir, _, _ := strings.Cut(name, "/")
	return s.vol.SyncDir(dir)
}

// countAside counts the records set aside. Their numbers are not given again.
func (s *Spool) countAside(r *recovery) error {
	for _, dir := range []string{deadDir, requeueDir} {
		list, err := s.vol.List(dir)
		if err != nil {
			return err
		}
		for _, name := range list {
			digits, isRecord := strings.CutSuffix(name, recordExt)
			if !isRecord {
				continue
			}
			if seq, err := strconv.ParseUint(digits, 10, 64); err == nil {
				r.next = max(r.next, seq+1)
			}
			if dir == deadDir {
				s.dead++
			}
		}
	}
	return nil
}

// TakeRequeued stores the records that were put into requeue/ again, behind all
// that is there, and returns them for the publisher to put in line. Call it
// from time to time, from one goroutine. If the process ends in between, a
// record may be there twice. Of a damaged file what is whole is taken, the rest is
// counted, and the file is kept in damaged/. One that cannot be opened or read
// stays, and the others are taken all the same. On another error what was taken
// before it is returned too; the rest stays.
func (s *Spool) TakeRequeued() ([]broker.Stored, error) {
	list, err := s.vol.List(requeueDir)
	if err != nil {
		return nil, fmt.Errorf("spool: requeue: %w", err)
	}
	var taken []broker.Stored
	var unread error
	for _, name := range list {
		if !strings.HasSuffix(name, recordExt) {
			continue
		}
		stored, err := s.takeFile(name)
		taken = append(taken, stored...)
		if err == nil {
			continue
		}
		if err = fmt.Errorf("spool: requeue %s: %w", name, err); !errors.Is(err, errUnread) {
			return taken, err
		}
		if unread == nil {
			unread = err
		}
	}
	s.recount()
	return taken, unread
}

// takeFile stores the records of one file and removes it; a damaged one it keeps.
// With an error the file is still there and nothing of it is stored, unless there
// are records as well: then only the loss of its name is not yet durable.
func (s *Spool) takeFile(name string) ([]broker.Stored, error) {
	path := requeueDir + "/" + name
	r, err := s.readRequeued(path)
	if errors.Is(err, fs.ErrNotExist) { // taken away since it was listed
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; the process needs a right to it, and a disk that reads", errUnread, err)
	}
	refs, err := s.Append(context.Background(), r.records)
	if err != nil {
		return nil, err
	}
	stored := make([]broker.Stored, len(refs))
	for i := range refs {
		stored[i] = broker.Describe(refs[i], &r.records[i])
	}
	if err := s.putAway(name, r); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Settle(refs, nil) // the file stays: else every try would publish it once more
		return nil, err
	}
	if r.damage != nil {
		err = s.vol.SyncDir(damagedDir)
	}
	return stored, errors.Join(err, s.vol.SyncDir(requeueDir))
}

// putAway removes a file of which the records are stored. A damaged one it moves
// to damaged/ and counts what it has cost.
func (s *Spool) putAway(name string, r requeued) error {
	path, kept := requeueDir+"/"+name, damagedDir+"/"+name
	if r.damage == nil {
		return s.vol.Remove(path)
	}
	if err := s.vol.Rename(path, kept); err != nil {
		return err
	}
	s.mu.Lock()
	s.damaged += r.lost
	s.mu.Unlock()
	s.opts.Log.Error("spool: a file to requeue is damaged; what is whole in it was taken, the file is kept", zap.String("file", path),
		zap.Int("records", len(r.records)), zap.Int("records_lost", r.lost), zap.String("copy", kept), zap.Error(r.damage))
	return nil
}

// requeued is what a file in requeue/ holds.
type requeued struct {
	records []broker.Record
	damage  error // the first; nil if the file is whole
	lost    int   // how many records it has cost, as far as that is known
}

// errUnread marks a file in requeue/ that could not be read, which says nothing
// of what is in it.
var errUnread = errors.New("not read")

// readRequeued reads a file. The error is about opening or reading it: it may
// pass. What does not parse is no error but damage.
func (s *Spool) readRequeued(path string) (r requeued, err error) {
	f, err := s.vol.Open(path, false, 0)
	if err != nil {
		return r, err
	}
	defer f.Close()
	data, err := readExact(f)
	if err != nil {
		return r, err
	}
	problems := 0
	for item, err := range items(path, data) {
		switch {
		case err == nil:
			r.records = append(r.records, item.Record)
		case r.damage == nil:
			r.damage = err
			fallthrough
		default:
			problems++
		}
	}
	if len(r.records) == 0 && r.damage == nil {
		r.damage, problems = errors.New("no record in it"), 1
	}
	r.lost = problems
	if told := parseAsideName(path).count; told > 0 {
		r.lost = max(told-len(r.records), 0)
	}
	return r, nil
}

// readExact reads a file, of which every byte has to be there.
func readExact(f file) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("%d bytes of %d: %w", n, size, err)
	}
	return data, nil
}

// recount counts the files in dead/ anew: other processes take some out.
func (s *Spool) recount() {
	list, err := s.vol.List(deadDir)
	if err != nil {
		return
	}
	n := 0
	for _, name := range list {
		if strings.HasSuffix(name, recordExt) {
			n++
		}
	}
	s.mu.Lock()
	s.dead = n
	s.mu.Unlock()
}
