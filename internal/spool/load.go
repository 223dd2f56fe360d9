package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// firstRead is how much of a record is read before its length is known, bytes.
const firstRead = 4 << 10

// Load implements broker.Store. The checksum is looked at again. The error wraps
// ErrDamaged, ErrNotKept when the record was settled before, or ErrClosed. A
// damaged record is counted and given up: a copy of its segment is in damaged/.
func (s *Spool) Load(ref broker.Ref) (broker.Record, error) {
	seg, err := s.find(ref)
	if err != nil {
		return broker.Record{}, fmt.Errorf("spool: load record %d: %w", ref.Seq, err)
	}
	r, _, err := seg.read(ref)
	if err == nil {
		return r.Record, nil
	}
	if _, gone := s.find(ref); gone != nil { // settled or closed meanwhile
		return broker.Record{}, fmt.Errorf("spool: load record %d: %w", ref.Seq, gone)
	}
	s.giveUp(seg, ref, err)
	return broker.Record{}, fmt.Errorf("spool: load record %d from %s at byte %d: %w: %w", ref.Seq, seg.name, ref.Offset, ErrDamaged, err)
}

// find returns the segment that keeps a record.
func (s *Spool) find(ref broker.Ref) (*segmentFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := s.byNumber[ref.Segment]
	switch {
	case s.isClosed:
		return nil, ErrClosed
	case seg == nil || !seg.holds(ref):
		return nil, ErrNotKept
	}
	return seg, nil
}

// giveUp settles a record that cannot be read back, once a copy of its segment
// is kept: else it would keep all that came after it from being removed.
func (s *Spool) giveUp(seg *segmentFile, ref broker.Ref, err error) {
	kept := s.keepCopy(seg.name, seg.name, 0)
	s.opts.Log.Error("spool: a record cannot be read back", zap.Uint64("seq", ref.Seq), zap.String("file", seg.name),
		zap.Uint32("offset", ref.Offset), zap.String("copy", kept), zap.Error(err))
	s.mu.Lock()
	s.damaged++
	s.mu.Unlock()
	if kept != "" {
		s.Settle([]broker.Ref{ref}, nil)
	}
}

// read reads a record, and its payload as it is on the disk.
func (seg *segmentFile) read(ref broker.Ref) (segment.Record, []byte, error) {
	b, err := seg.readFrame(int64(ref.Offset))
	if err != nil { // a disk may give at the second try what it did not at the first
		b, err = seg.readFrame(int64(ref.Offset))
	}
	if err != nil {
		return segment.Record{}, nil, err
	}
	f, err := segment.ParseFrame(b, seg.place(int64(ref.Offset)))
	if err != nil {
		return segment.Record{}, nil, err
	}
	if f.Kind != segment.KindRecord || f.Seq != ref.Seq {
		return segment.Record{}, nil, fmt.Errorf("there is record %d", f.Seq)
	}
	payload := bytes.Clone(f.Payload) // what was read is longer
	r, err := segment.ParseRecord(payload)
	return r, payload, err
}

// readFrame reads a frame's bytes, most often at once.
func (seg *segmentFile) readFrame(offset int64) ([]byte, error) {
	b := make([]byte, firstRead)
	n, err := seg.f.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b = b[:n]
	size, ok := segment.FrameSize(b, seg.place(offset))
	if !ok || size <= n {
		return b, nil
	}
	rest := make([]byte, size-n)
	m, err := seg.f.ReadAt(rest, offset+int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return slices.Concat(b, rest[:m]), nil
}

// Pending returns the records that are not settled, in order: after Open what
// an earlier process left, for the publisher to resume. It reads them all. One
// that cannot be read is left out, logged and counted.
func (s *Spool) Pending() []broker.Stored {
	type part struct {
		seg  *segmentFile
		refs []broker.Ref
	}
	s.mu.Lock()
	pending := make([]broker.Stored, 0, s.records)
	parts := make([]part, 0, len(s.segments))
	for _, seg := range s.segments {
		parts = append(parts, part{seg, seg.refs()})
	}
	s.mu.Unlock()
	topics := map[string]string{} // one string a topic, not one a record
	for _, p := range parts {
		if len(p.refs) > 0 {
			pending = s.describe(pending, topics, p.seg, p.refs)
		}
	}
	return pending
}

// describe appends what the publisher needs to know of a segment's records.
func (s *Spool) describe(to []broker.Stored, topics map[string]string, seg *segmentFile, refs []broker.Ref) []broker.Stored {
	data, _ := readWhole(seg.f) // in one go; if that fails, one by one
	for _, ref := range refs {
		r, err := recordIn(data, seg, ref)
		if err != nil {
			if r, err = s.Load(ref); err != nil {
				continue
			}
		}
		st := broker.Describe(ref, &r)
		if _, ok := topics[st.Topic]; !ok {
			topics[st.Topic] = st.Topic
		}
		st.Topic = topics[st.Topic]
		to = append(to, st)
	}
	return to
}

// recordIn reads a record out of a segment's bytes.
func recordIn(data []byte, seg *segmentFile, ref broker.Ref) (broker.Record, error) {
	if int(ref.Offset) >= len(data) {
		return broker.Record{}, io.ErrUnexpectedEOF
	}
	f, err := segment.ParseFrame(data[ref.Offset:], seg.place(int64(ref.Offset)))
	if err != nil {
		return broker.Record{}, err
	}
	r, err := segment.ParseRecord(f.Payload)
	return r.Record, err
}
