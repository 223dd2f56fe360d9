package dedupe

import (
	"hash/maphash"
	"time"
)

// stamp is a moment: what the window's clock shows, in units of tick. Only
// differences count, so that it may wrap around.
type stamp uint32

// tick is the resolution of times: an age is known to this much. A stamp tells
// old from new over more than six years.
const tick = 100 * time.Millisecond

// maxWindow is the longest window.
const maxWindow = 365 * 24 * time.Hour

// stampOf is the moment at which so much time has passed.
func stampOf(elapsed time.Duration) stamp { return stamp(elapsed / tick) } //nolint:gosec // wraps around by design

// age is the time from s to now.
func (s stamp) age(now stamp) time.Duration { return time.Duration(int32(now-s)) * tick } //nolint:gosec // the difference wraps to the nearer side

// set holds the ids that were accepted, in the order in which they came: a queue
// of entries, and a hash table that finds them. What is forgotten first came
// first.
//
// The table has one word for each place: the head of the id's keyed hash, which
// also says where to look first, and the number of the entry in the queue. It is
// probed linearly. The key is new in each process, so that nobody can choose ids
// that end up in one place. Neither part holds pointers.
type set struct {
	max    int
	window time.Duration
	seed   maphash.Seed

	entries ring
	table   []uint64 // tag<<32 | number; 0 is free
	shift   uint     // tag>>shift is the place to begin at
	used    int
	moves   uint64 // how often words were taken out or moved
}

// minTable is the smallest table, a power of two. A larger one is at least a
// tenth full, and none more than four fifths.
const minTable = 1 << 10

// expireAtOnce is how many entries that are too old are forgotten in one step:
// after a quiet day there may be millions, and nobody should wait for all.
const expireAtOnce = 256

func newSet(maxIDs int, window time.Duration) *set {
	s := &set{max: maxIDs, window: window, seed: maphash.MakeSeed()}
	s.resize(minTable)
	return s
}

// tag is the head of the id's hash. It is never 0: a word of the table with it
// is no free place.
func (s *set) tag(id [16]byte) uint32 {
	return uint32(maphash.Bytes(s.seed, id[:])>>32) | 1
}

// find returns the entry of an id and its place in the table.
func (s *set) find(id [16]byte) (e *entry, place int) { return s.search(id, s.tag(id)) }

// search is find with the id's tag.
func (s *set) search(id [16]byte, tag uint32) (e *entry, place int) {
	mask := len(s.table) - 1
	for place = int(tag >> s.shift); s.table[place] != 0; place = (place + 1) & mask {
		if word := s.table[place]; uint32(word>>32) == tag {
			if e := s.entries.at(uint32(word)); e.id == id { //nolint:gosec // the lower half
				return e, place
			}
		}
	}
	return nil, place
}

// seen reports whether an id was accepted at most window ago, and with which
// content.
func (s *set) seen(id [16]byte, tag uint32, window time.Duration, now stamp) (content [8]byte, ok bool) {
	e, _ := s.search(id, tag)
	if e == nil || e.at.age(now) >= window {
		return content, false
	}
	return e.content, true
}

// add remembers an id, whose tag is given. One that is there is replaced, and counts
// as new. Where the set is full, the oldest goes.
func (s *set) add(e entry, tag uint32, now stamp) {
	moves := s.moves
	old, place := s.search(e.id, tag)
	if old != nil {
		s.free(place)
	}
	if int(s.entries.length) >= s.max {
		s.forget()
	}
	s.expire(now)
	if 5*(s.used+1) > 4*len(s.table) {
		s.resize(2 * len(s.table))
	}
	if s.moves != moves { // what was found is not there any more
		_, place = s.search(e.id, tag)
	}
	s.table[place] = uint64(tag)<<32 | uint64(s.entries.push(e))
	s.used++
}

// expire forgets a few of those that are older than the window.
func (s *set) expire(now stamp) {
	for range expireAtOnce {
		if s.entries.length == 0 || s.entries.at(s.entries.head).at.age(now) < s.window {
			break
		}
		s.forget()
	}
	if len(s.table) > minTable && s.used < len(s.table)/10 {
		s.resize(len(s.table) / 2)
	}
}

// forget takes out the oldest entry. The id stays if it came again and has a
// later entry.
func (s *set) forget() {
	id := s.entries.at(s.entries.head).id
	if e, place := s.find(id); e != nil && uint32(s.table[place]) == s.entries.head { //nolint:gosec // the lower half
		s.free(place)
	}
	s.entries.pop()
}

// free empties a place and moves up what stands behind it, so that no search
// ends too early (Knuth, The Art of Computer Programming, volume 3, 6.4,
// algorithm R).
func (s *set) free(place int) {
	mask := len(s.table) - 1
	for next := (place + 1) & mask; s.table[next] != 0; next = (next + 1) & mask {
		home := int(uint32(s.table[next]>>32) >> s.shift)
		if (next-home)&mask >= (next-place)&mask {
			s.table[place] = s.table[next]
			place = next
		}
	}
	s.table[place] = 0
	s.used--
	s.moves++
}

// resize makes a table of size places, a power of two, out of the present one.
// Words are taken in their order, which is nearly that of the new places.
func (s *set) resize(size int) {
	old := s.table
	s.moves++
	s.table, s.shift = make([]uint64, size), 32
	for n := size; n > 1; n >>= 1 {
		s.shift--
	}
	for _, word := range old {
		if word == 0 {
			continue
		}
		place := int(uint32(word>>32) >> s.shift)
		for s.table[place] != 0 {
			place = (place + 1) & (size - 1)
		}
		s.table[place] = word
	}
}
