package broker

import (
	"context"
	"testing"
)

// The most allocations of one Deliver in the publisher, all goroutines together; what
// the stand-in for the cluster allocates for its answers is part of it. It was 10 and
// 40 when every lane had a goroutine.
const (
	maxAllocsPair  = 12
	maxAllocsBatch = 14
)

func TestDeliverAllocatesPerRequestNotPerRecord(t *testing.T) {
	p := discardRig(t, 6, PublisherOptions{Store: newMemStore(), MaxInFlightBytes: 1 << 30}, "raw", "typed")
	for events, most := range map[int]float64{1: maxAllocsPair, 1000: maxAllocsBatch} {
		recs := request("raw", "typed", 1, events)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		got := testing.AllocsPerRun(200, func() {
			if _, err := p.Deliver(ctx, recs, BrokerThenSpool); err != nil {
				t.Error(err)
			}
		})
		cancel()
		t.Logf("%d events: %v allocations", events, got)
		if got > most && !raceEnabled {
			t.Errorf("%d events: %v allocations, want at most %v", events, got, most)
		}
	}
}
