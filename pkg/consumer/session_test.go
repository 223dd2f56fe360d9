package consumer

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAStopHurriesWhenTheGroupWaits: others get the partitions soon, and must not handle
// the same keys while a handler of this process runs on.
func TestAStopHurriesWhenTheGroupWaits(t *testing.T) {
	for _, tc := range []struct {
		name    string
		revoked time.Duration // 0: never
		want    time.Duration
	}{
		{"nobody waits", 0, time.Hour},
		{"the group waits", time.Minute, time.Minute + mostDrain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.StopTimeout = time.Hour
				revoked := make(chan struct{})
				s := &session{c: &Consumer{cfg: cfg}, sched: testScheduler(cfg), revoked: revoked}
				s.work, s.cancel = context.WithCancel(t.Context())
				if tc.revoked > 0 {
					time.AfterFunc(tc.revoked, func() { close(revoked) })
				}
				var workers sync.WaitGroup
				workers.Go(func() { <-s.work.Done() })
				began := time.Now()
				if err := s.drain(&workers); err != nil || time.Since(began) != tc.want {
					t.Errorf("drained after %s, %v; want %s", time.Since(began), err, tc.want)
				}
			})
		})
	}
}
