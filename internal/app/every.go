package app

import (
	"context"
	"time"
)

// every calls do at each interval, the first time after one, until ctx ends or do
// says that it is done.
func every(ctx context.Context, interval time.Duration, do func() (done bool)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if do() {
			return
		}
	}
}
