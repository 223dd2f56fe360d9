package broker

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
)

// routes says which convoy a topic's partitions belong to. It is a guess:
// kafka-go routes each request by a table of its own, which may be newer, and
// sends none whose partitions have different leaders.
type routes struct {
	seen    uint64    // the client's generation, see Client.refresh
	convoys []*convoy // by partition; nil: the leader is not known
}

// chart remembers the leaders that the metadata of a topic names.
func (t *topic) chart(seen uint64, partitions []kafka.Partition) {
	r := &routes{seen: seen, convoys: make([]*convoy, len(partitions))}
	for i := range partitions {
		q := &partitions[i]
		// kafka-go names a broker without host where there is no leader.
		if q.ID >= 0 && q.ID < len(r.convoys) && q.Leader.Host != "" {
			r.convoys[q.ID] = t.p.convoyTo(q.Leader.ID)
		}
	}
	t.routes.Store(r)
}

// convoyTo returns the convoy to a broker. There are as many as brokers.
func (p *GroupCommitter) convoyTo(broker int) *convoy {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.convoys[broker]
	if v == nil {
		v = &convoy{p: p}
		p.convoys[broker] = v
	}
	return v
}

// convoy returns the convoy to the lane's leader. It looks for the leader when
// it is not known or when the client has looked anew since; nil means that it
// has not been found.
func (l *lane) convoy(wait time.Duration) *convoy {
	if v := l.charted(); v != nil {
		return v
	}
	// kafka-go answers from its cache. It makes us wait only for what a produce
	// request would wait for too: the first metadata after a refresh.
	ctx, cancel := context.WithTimeout(l.p.root, wait)
	defer cancel()
	if _, err := l.p.partitions(ctx, l.topic.name); err != nil {
		return nil // the attempt itself will say what is wrong
	}
	return l.charted()
}

func (l *lane) charted() *convoy {
	r := l.topic.routes.Load()
	if r == nil || r.seen != l.p.client.generation() || int(l.partition) >= len(r.convoys) {
		return nil
	}
	return r.convoys[l.partition]
}

// solitary says that the batch is better sent alone: it is sent again, or the
// last one was slow, and its company would be answered late; or its own time is
// short, so that the broker would give up too early on the others.
func (d *delivery) solitary(wait time.Duration) bool {
	return d.apart || d.l.slow || d.tries > 1 || d.atRisk() || wait < d.l.p.opts.AttemptTimeout/2
}
