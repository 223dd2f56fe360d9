package ingest

import (
	"slices"

	"github.com/postrider/postrider/internal/broker"
)

// What of a batch's memory is used again, at most. A request of 1,000 events needs
// about half of it; the memory of a larger one is left to the garbage collector.
const (
	keepText    = 2 << 20 // bytes
	keepHeaders = 32 << 10
	keepItems   = 2 << 10
)

// First pieces of a batch's slabs: what one event and its request need.
const (
	leastText    = 4 << 10 // bytes
	leastHeaders = 48
)

// Room for one record's parts. More is taken as it is needed.
const (
	usualRaw     = 1 << 10 // bytes of a raw record's headers
	usualValue   = 1 << 10 // bytes of an event
	usualStamp   = 512     // bytes of its headers
	usualHeaders = 14
	usualKey     = 128 // bytes
)

// slab hands out memory from one piece, part behind part. Where the piece is full
// a larger one is begun: what was handed out stays where it is.
type slab[T any] struct {
	piece []T // what is handed out of it is its length
	least int // the length of the first piece
}

// room returns an empty slice to which n can be appended without growing. What
// was appended has to be taken before anything else of the slab.
func (s *slab[T]) room(n int) []T {
	if used := len(s.piece); cap(s.piece)-used >= n {
		return s.piece[used:]
	}
	s.piece = make([]T, 0, max(n, 2*cap(s.piece), s.least))
	return s.piece
}

// take hands out what was appended to room's slice. If it grew out of the slab,
// the slab goes on behind it.
func (s *slab[T]) take(grown []T) []T {
	if used := len(s.piece); len(grown) <= cap(s.piece)-used {
		s.piece = s.piece[:used+len(grown)]
	} else {
		s.piece = grown
	}
	return slices.Clip(grown)
}

// empty takes everything back. What the memory pointed to is let go; a piece of
// more than keep is, too.
func (s *slab[T]) empty(keep int) {
	clear(s.piece)
	s.rewind(keep)
}

// rewind is empty for a slab that points to nothing: all that it hands out again is
// written first.
func (s *slab[T]) rewind(keep int) {
	if cap(s.piece) > keep {
		s.piece = nil
	}
	s.piece = s.piece[:0]
}

// emptied returns a list without its items, and without its memory if that is for
// more than keepItems.
func emptied[T any](list []T) []T {
	if cap(list) > keepItems {
		return nil
	}
	clear(list)
	return list[:0]
}

// load is records to publish and what each of them stands for, place by place.
type load struct {
	records []broker.Record
	entries []entry
}

func (l *load) add(e entry, r broker.Record) {
	l.entries, l.records = append(l.entries, e), append(l.records, r)
}

// take returns a batch for a request, from the memory of an earlier one if there
// is any.
func (p *Pipeline) take() *batch {
	if b, ok := p.batches.Get().(*batch); ok {
		return b
	}
	b := &batch{}
	b.text.least, b.headers.least = leastText, leastHeaders
	return b
}

// giveBack takes back the memory of a batch that nobody reads any more. What the
// publisher may still read, because a record failed or is to be sent later, is left
// to the garbage collector.
func (p *Pipeline) giveBack(b *batch) {
	if !b.unread || !p.opt.Recycle {
		return
	}
	b.text.rewind(keepText)
	b.headers.empty(keepHeaders)
	b.made.Reset()
	*b = batch{
		made: b.made, text: b.text, headers: b.headers,
		fates: emptied(b.fates),
		load:  load{records: emptied(b.records), entries: emptied(b.entries)},
		claims: claims{
			claimed: emptied(b.claimed),
		},
	}
	p.batches.Put(b)
}
