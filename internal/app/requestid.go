package app

import (
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
)

// togetherFor is how long the requests of all sources go to one partition of the
// raw topic before the next one has its turn.
const togetherFor = 50 * time.Millisecond

// lastDigits is how many digits of an id are chosen rather than drawn: 16^4
// tries are more than any number of partitions needs.
const lastDigits = 4

// requestIDs names requests: UUIDv7 (RFC 9562), so that ids sort by time.
//
// A raw record's key is its source and id, and keys decide about partitions as
// Java clients decide. Drawn at random, the ids of one moment would lie on every
// partition, each with a batch of a record or two; a request costs the broker and
// us about as much per batch as per record. So the last digits are chosen such
// that the requests of one moment share a partition, and the partitions take
// turns. 58 of the 74 random bits stay.
type requestIDs struct {
	now        func() time.Time
	partitions atomic.Int64 // of the raw topic; 0 while it is not known
}

// next returns a fresh id for a request to the named source.
func (r *requestIDs) next(source string) string {
	id := uuid.Must(uuid.NewV7()).String()
	n := int(r.partitions.Load())
	if n < 2 {
		return id
	}
	want := int(r.now().UnixMilli()/togetherFor.Milliseconds()) % n
	key := append(append(make([]byte, 0, len(source)+1+len(id)), source...), '/')
	key = append(key, id...)
	tail := key[len(key)-lastDigits:]
	for i := range 1 << (4 * lastDigits) {
		if broker.PartitionFor(key, n) == want {
			break
		}
		for d := range tail {
			tail[d] = "0123456789abcdef"[i>>(4*d)&0xf]
		}
	}
	return string(key[len(source)+1:])
}
