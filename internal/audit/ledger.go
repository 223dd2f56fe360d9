package audit

import "encoding/hex"

// key is an id of 128 bits: of a request (a UUID), of an event, or what tells one
// dead letter from another. The zero key names no request.
type key [16]byte

// String is an event's id as it is published.
func (k key) String() string { return hex.EncodeToString(k[:]) }

// flags say what was seen of a request.
type flags uint8

const (
	rawThere   flags = 1 << iota // its raw record is in the topic
	rawSpooled                   // its raw record is in the spool
	twinWhole                    // another request of the same source and body is whole
)

func (f flags) has(g flags) bool { return f&g != 0 }

// spot is a place in a topic; topic is a number of the ledger's.
type spot struct {
	offset    int64
	partition int32
	topic     uint16
}

// unknownCount stands for a count that the raw record does not name.
const unknownCount = -1

// request is what is known of one request.
type request struct {
	id       key
	body     uint64 // hash of what was received
	received int64  // unix milliseconds
	at       spot   // of the raw record, or of the first other one
	expected int32  // events and dead letters, or unknownCount
	items    int32  // different ones that are in their topics
	spooled  int32  // different ones that are in the spool only
	copies   int32  // records of items that were in their topics before
	covered  int32  // those of items and spooled that a request with a raw record has too
	number   uint32 // its own in the ledger
	source   uint32
	state    flags
}

// enter counts a new item.
func (q *request) enter(spooled bool) {
	if spooled {
		q.spooled++
	} else {
		q.items++
	}
}

// copy counts a record of an item that is in its topic already.
func (q *request) copy(spooled bool) {
	if !spooled {
		q.copies++
	}
}

// arrived counts an item that was in the spool as one in its topic.
func (q *request) arrived() { q.spooled, q.items = q.spooled-1, q.items+1 }

// name is the request's raw id, a UUID (RFC 9562, section 4).
func (q *request) name() string {
	s := hex.EncodeToString(q.id[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// pageSize is how many requests are allocated at once, so that a long list is
// never copied.
const pageSize = 1024

// ledger holds the requests, and which items each has.
type ledger struct {
	pages []*[pageSize]request
	count uint32
	byID  map[key]uint32
	// holder is the first request with an item. Further ones are rare.
	holder map[key]held
	more   map[pair]bool // whether the item is in the spool only

	topics  []string
	topicNo map[string]uint16
}

// held is the number of an item's request and, in the highest bit, whether the
// item is in the spool only.
type held uint32

const inSpool held = 1 << 31

func holding(q *request, spooled bool) held {
	if spooled {
		return held(q.number) | inSpool
	}
	return held(q.number)
}

func (h held) number() uint32 { return uint32(h &^ inSpool) }

// pair is an item in a request that is not its first.
type pair struct {
	item   key
	number uint32
}

// newLedger makes a ledger. Its request 0 has no name: whatever names no raw
// record belongs to it.
func newLedger() ledger {
	l := ledger{byID: map[key]uint32{}, holder: map[key]held{}, more: map[pair]bool{}, topicNo: map[string]uint16{}}
	l.request(key{}, 0)
	return l
}

// at returns the request of a number.
func (l *ledger) at(number uint32) *request { return &l.pages[number/pageSize][number%pageSize] }

// request returns the request of an id, a new one if need be.
func (l *ledger) request(id key, received int64) *request {
	if number, ok := l.byID[id]; ok {
		return l.at(number)
	}
	if l.count%pageSize == 0 {
		l.pages = append(l.pages, new([pageSize]request))
	}
	q := l.at(l.count)
	q.id, q.received, q.number, q.expected = id, received, l.count, unknownCount
	l.byID[id] = l.count
	l.count++
	return q
}

// all calls fn for each request that has a name.
func (l *ledger) all(fn func(*request)) {
	for number := uint32(1); number < l.count; number++ {
		fn(l.at(number))
	}
}

// enter notes that a request has an item. It returns the request that had the
// item in a topic before, nil if there is none.
func (l *ledger) enter(item key, q *request, spooled bool) (before *request) {
	first, known := l.holder[item]
	if !known {
		l.holder[item] = holding(q, spooled)
		q.enter(spooled)
		return nil
	}
	if first.number() == q.number {
		if first&inSpool == 0 {
			q.copy(spooled)
			return q
		}
		if !spooled {
			l.holder[item] = holding(q, false)
			q.arrived()
		}
		return nil
	}
	l.enterMore(pair{item, q.number}, q, spooled)
	if first&inSpool != 0 {
		return nil
	}
	return l.at(first.number())
}

// enterMore notes an item of a further request.
func (l *ledger) enterMore(p pair, q *request, spooled bool) {
	before, known := l.more[p]
	switch {
	case !known:
		q.enter(spooled)
	case before && !spooled:
		q.arrived()
	case !before:
		q.copy(spooled)
		return
	default:
		return
	}
	l.more[p] = spooled
}

// spot numbers the place of a record.
func (l *ledger) spot(r *Record) spot {
	number, ok := l.topicNo[r.Topic]
	if !ok {
		number = uint16(len(l.topics)) //nolint:gosec // topics are counted in dozens
		l.topicNo[r.Topic] = number
		l.topics = append(l.topics, r.Topic)
	}
	return spot{offset: r.Offset, partition: int32(r.Partition), topic: number} //nolint:gosec // partition numbers are int32 on the wire
}

// place writes a spot as people do.
func (l *ledger) place(s spot) string {
	r := Record{Topic: l.topics[s.topic], Partition: int(s.partition), Offset: s.offset}
	return r.place()
}
