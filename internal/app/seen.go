package app

import (
	"context"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// seenBudget is how long the ids of accepted events wait for Kafka before they go
// to the spool, to the events they stand for.
const seenBudget = time.Second

// seenPublisher publishes ids as safely as events: what is in the spool after a
// stop or a crash is known to the next process.
type seenPublisher struct{ publisher *broker.GroupCommitter }

// Publish implements dedupe.Publisher.
func (p seenPublisher) Publish(ctx context.Context, recs []broker.Record) error {
	ctx, cancel := context.WithTimeout(ctx, seenBudget)
	defer cancel()
	_, err := p.publisher.Deliver(ctx, recs, broker.BrokerThenSpool)
	return err
}

// spooledIDs reads the ids that an earlier process left in the spool.
func (a *App) spooledIDs(pending []broker.Stored) (values [][]byte) {
	topic := a.cfg.Kafka.Topics.Seen()
	for i := range pending {
		if pending[i].Topic != topic {
			continue
		}
		if r, err := a.spool.Load(pending[i].Ref); err == nil { // else the spool says so itself
			values = append(values, r.Value)
		}
	}
	return values
}
