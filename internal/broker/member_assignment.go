package broker

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"
)

// Assignment is the partitions of a member for a while.
type Assignment struct {
	Generation int32
	// Partitions are where to go on: the offset of the next record, resolved (never
	// negative).
	Partitions []Position

	g   *membership
	gen *kafka.Generation
	// counts are the topics' partitions when it was made.
	counts map[string]int

	revoked, lost, released, done chan struct{}
	revoke, lose, release         func()
}

func newAssignment(g *membership, gen *kafka.Generation) *Assignment {
	a := &Assignment{Generation: gen.ID, g: g, gen: gen, counts: g.topics, done: make(chan struct{})}
	a.revoked, a.revoke = once()
	a.lost, a.lose = once()
	a.released, a.release = once()
	return a
}

// once is a channel and how to close it.
func once() (chan struct{}, func()) {
	ch := make(chan struct{})
	return ch, sync.OnceFunc(func() { close(ch) })
}

// begin keeps the member from joining anew until the Assignment is released, or was
// drained for too long. It reports whether the generation is still on.
func (a *Assignment) begin() bool {
	alive := make(chan bool, 1)
	a.gen.Start(func(ctx context.Context) {
		defer close(a.done)
		alive <- ctx.Err() == nil
		a.hold(ctx)
	})
	if !<-alive {
		a.revoke()
		a.release()
		return false
	}
	a.gen.Start(a.watch)
	return true
}

// hold returns when the generation may end.
func (a *Assignment) hold(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-a.lost:
	case <-a.released:
	}
	a.revoke()
	late := time.NewTimer(a.g.m.o.Drain)
	defer late.Stop()
	select {
	case <-a.released:
	case <-late.C:
		a.g.m.log.Warn("partitions were not given back in time; another member may read them now", zap.Int32("generation", a.Generation))
		a.lose()
	}
}

// watch ends the generation when topics or partitions appear or vanish. kafka-go's own
// watcher would have brokers make topics that it asks for.
func (a *Assignment) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for other := 0; other < looksTwice; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		counts, err := a.g.m.counts(ctx)
		switch {
		case err != nil: // nothing is known
		case maps.Equal(counts, a.counts):
			other = 0
		default:
			other++
		}
	}
	a.g.m.log.Info("topics or partitions have come or gone: the group shares out anew")
}

// Revoked is closed when the partitions are to be given back: finish what runs,
// Commit, Release.
func (a *Assignment) Revoked() <-chan struct{} { return a.revoked }

// Release gives the partitions back. Calling it again does nothing.
func (a *Assignment) Release() {
	a.release()
	<-a.done
}
