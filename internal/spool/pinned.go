package spool

import (
	"fmt"

	"github.com/postrider/postrider/internal/broker"
)

// pin is the record that a spool's oldest segment is kept for.
type pin struct {
	seq   uint64
	topic string // "" if it cannot be read
}

// pinned returns how many bytes are those of segments of which every record is
// settled, but which wait for a record in an older one, since segments go
// strictly oldest first; and that record. The caller holds mu.
func (s *Spool) pinned() (n int64, by broker.Ref) {
	for _, seg := range s.segments {
		if _, live := seg.oldest(); !live {
			if by.Seq > 0 && seg != s.active {
				n += seg.size
			}
			continue
		}
		if by.Seq == 0 {
			by = broker.Ref{Seq: seg.base + uint64(seg.first), Segment: seg.number, Offset: seg.entries[seg.first].offset} //nolint:gosec // an index
		}
	}
	return n, by
}

// pinnedText is what the error about a full spool says of it; "" if nothing is
// pinned.
func (s *Spool) pinnedText() string {
	s.mu.Lock()
	n, by := s.pinned()
	seg, known := s.byNumber[by.Segment], s.pin
	s.mu.Unlock()
	if n == 0 {
		return ""
	}
	if known.seq != by.Seq { // it is read once, not for every request that is refused
		known = pin{seq: by.Seq}
		if rec, _, err := seg.read(by); err == nil {
			known.topic = rec.Topic
		}
		s.mu.Lock()
		s.pin = known
		s.mu.Unlock()
	}
	return fmt.Sprintf(", of which %d are settled and wait for record %d of topic %s", n, by.Seq, known.topic)
}
