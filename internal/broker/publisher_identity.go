package broker

import (
	"context"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// identity is a producer id as the broker gave it. Sequence numbers count per
// identity and partition. The zero identity is none.
type identity struct {
	producer   int64
	epoch      int16
	generation uint64 // 1 for the first that this process got
}

// identities hands out the newest identity. All lanes share it; a lane that
// must leave one behind gets a newer one, which it can't have used before, and
// lanes that come with the same wish later get the same.
type identities struct {
	turn   chan struct{} // a mutex that gives up with a context
	newest identity
	// known is newest, for those who take it only if it is there.
	known atomic.Pointer[identity]
}

func newIdentities() identities { return identities{turn: make(chan struct{}, 1)} }

// peek returns an identity newer than generation after, if one is there.
func (s *identities) peek(after uint64) (identity, bool) {
	if id := s.known.Load(); id != nil && id.generation > after {
		return *id, true
	}
	return identity{}, false
}

// get returns an identity newer than generation after.
func (s *identities) get(ctx context.Context, p *GroupCommitter, after uint64) (identity, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return identity{}, ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.newest.generation > after {
		return s.newest, nil
	}
	// -1 asks for a new id; without a transactional id nothing is fenced.
	res, err := p.api.InitProducerID(ctx, &kafka.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return identity{}, err
	}
	if res.Error != nil {
		return identity{}, res.Error
	}
	s.newest = identity{
		producer:   int64(res.Producer.ProducerID),
		epoch:      int16(res.Producer.ProducerEpoch), //nolint:gosec // kafka-go decodes it from an int16
		generation: s.newest.generation + 1,
	}
	newest := s.newest
	s.known.Store(&newest)
	p.observer.Identified()
	p.log.Debug("publisher has a producer id", zap.Int64("producer_id", s.newest.producer))
	return s.newest, nil
}
