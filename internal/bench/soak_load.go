package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// steadyLoad is an open loop: requests are due at fixed times, whether earlier ones are
// answered or not, and a request's time counts from when it was due.
type steadyLoad struct {
	address string
	rate    int // requests a second
	conns   int
	window  window
	request func(serial int) ([]byte, error)
	next    atomic.Int64
}

// run puts the load on until the window ends, and returns what was counted.
func (l *steadyLoad) run(ctx context.Context) (*tally, error) {
	clients := make([]client, l.conns)
	errs := make(chan error, l.conns)
	var wg sync.WaitGroup
	for i := range clients {
		clients[i].address = l.address
		wg.Go(func() {
			if err := l.connection(ctx, &clients[i]); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	all := &tally{}
	for i := range clients {
		all.merge(&clients[i].counted)
	}
	return all, <-errs
}

// connection sends what is due, one request after the other.
func (l *steadyLoad) connection(ctx context.Context, c *client) error {
	defer c.hangUp()
	for {
		serial := int(l.next.Add(1) - 1)
		due := l.window.from.Add(time.Duration(float64(serial) / float64(l.rate) * float64(time.Second)))
		if !due.Before(l.window.to) {
			return nil
		}
		waitUntil(due, ctx.Done())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		request, err := l.request(serial)
		if err != nil {
			return err
		}
		status, err := c.send(ctx, request, l.window)
		if err != nil || status != http.StatusOK {
			c.counted.failed(kindOf(status, err), 1)
			continue
		}
		c.counted.answered(due, time.Now(), window{from: l.window.from, to: l.window.to.Add(l.window.grace)})
	}
}
