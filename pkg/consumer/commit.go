package consumer

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// commitTimeout bounds one commit.
const commitTimeout = 5 * time.Second

// commitNowAndThen commits what is finished until ctx ends.
func (s *session) commitNowAndThen(ctx context.Context) {
	tick := time.NewTicker(s.c.cfg.CommitEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.commit(ctx, s.positions())
			s.watch()
			if n%measureEvery == 0 {
				s.measure(ctx)
			}
		}
	}
}

// measureEvery is how many commits apart the ends of partitions are asked for that
// nothing is read of.
const measureEvery = 10

// measure asks where partitions end that have no room, so that the lag is told while the
// handlers are slower than the records come, or paused. Failing that, it stays.
func (s *session) measure(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	for topic, parts := range s.parts {
		if !s.starved(parts) {
			continue
		}
		ends, err := s.c.client.Offsets(limited, topic)
		if err != nil {
			return
		}
		s.sched.mu.Lock()
		for number, p := range parts {
			p.highWater = max(p.highWater, ends[number].Next)
		}
		s.sched.mu.Unlock()
	}
}

// starved reports whether nothing is read of one of the partitions for want of room.
func (s *session) starved(parts map[int]*partition) bool {
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	for _, p := range parts {
		if p.starved {
			return true
		}
	}
	return false
}

// positions returns the offsets that were not committed yet.
func (s *session) positions() map[string]map[int]int64 {
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	offsets := map[string]map[int]int64{}
	for topic, parts := range s.parts {
		for number, p := range parts {
			if p.position() == p.committed {
				continue
			}
			if offsets[topic] == nil {
				offsets[topic] = map[int]int64{}
			}
			offsets[topic][number] = p.position()
		}
	}
	return offsets
}

// commit commits offsets. What fails is tried again with the next; records may be
// handled again because of it, and none is left out.
func (s *session) commit(ctx context.Context, offsets map[string]map[int]int64) {
	if len(offsets) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	err := s.a.Commit(limited, offsets)
	switch {
	case err == nil:
		s.committed(offsets)
	case ctx.Err() != nil: // the last commit follows
	case errors.Is(err, broker.ErrRevoked):
		s.c.cfg.Log.Debug("consumer: offsets came too late to be committed", zap.Error(err))
	default:
		s.c.cfg.Log.Warn("consumer: offsets cannot be committed; tried again, and until then a crash repeats more",
			zap.String("reason_code", "consumer_commit"), zap.String("group", s.c.cfg.Group), zap.Error(err))
	}
}

func (s *session) committed(offsets map[string]map[int]int64) {
	s.sched.mu.Lock()
	defer s.sched.mu.Unlock()
	for topic, parts := range offsets {
		for number, offset := range parts {
			s.parts[topic][number].committed = offset
		}
	}
}
