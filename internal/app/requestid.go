package app

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// togetherFor is how long the requests of all sources go to one partition of the
// raw topic before the next one has its turn.
const togetherFor = 50 * time.Millisecond

// requestIDs names requests: UUIDv7 (RFC 9562), so that ids sort by time.
//
// A raw record's key is its source and id, and keys decide about partitions as
// Java clients decide. Drawn at random, the ids of one moment would lie on every
// partition, each with a batch of a record or two; a request costs the broker and
// us about as much per batch as per record. So the last digits are chosen such
// that the requests of one moment share a partition, and the partitions take
// turns. 46 random bits stay beside a time of 60 bits, in quarters of a microsecond.
type requestIDs struct {
	now        func() time.Time
	partitions atomic.Int64 // of the raw topic; 0 while it is not known
}

// next returns a fresh id for a request to the named source.
func (r *requestIDs) next(source string) string {
	now := r.now()
	key := append(make([]byte, 0, 96), source...) // longer names of sources move it to the heap
	key = append(key, '/')
	at := len(key)
	key = appendUUIDv7(key, now)
	if n := int(r.partitions.Load()); n > 1 {
		broker.Steer(key, n, int(now.UnixMilli()/togetherFor.Milliseconds())%n)
	}
	return string(key[at:])
}

// appendUUIDv7 appends a fresh UUID of version 7 to dst: milliseconds, the fraction of
// one in 12 bits (RFC 9562, section 6.2, method 3), and 62 random bits. An id names and
// protects nothing, so the runtime's generator, which has a state for each thread, is
// good enough; the system's would cost more than all the rest.
func appendUUIDv7(dst []byte, now time.Time) []byte {
	const version, variant = 7 << 12, 2 << 62
	milli := now.UnixMilli()
	fraction := now.Sub(time.UnixMilli(milli)) * 4096 / time.Millisecond
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(milli)<<16|version|uint64(fraction)) //nolint:gosec // neither is negative
	binary.BigEndian.PutUint64(id[8:], variant|rand.Uint64()>>2)                   //nolint:gosec // see above
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}
