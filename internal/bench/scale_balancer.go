package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// balancer passes connections on to receivers, one after the other, as the simplest load
// balancer does. A receiver that cannot be reached is left out for that connection. Safe
// for concurrent use.
type balancer struct {
	listener net.Listener
	turn     atomic.Uint64

	mu      sync.Mutex
	targets []string
	open    map[net.Conn]struct{}
	closed  bool
	wg      sync.WaitGroup
}

// newBalancer listens on a port of its own.
func newBalancer(ctx context.Context, targets []string) (*balancer, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bench: balancer: %w", err)
	}
	b := &balancer{listener: l, targets: targets, open: make(map[net.Conn]struct{})}
	b.wg.Go(func() { b.accept(ctx) })
	return b, nil
}

// address is where it listens.
func (b *balancer) address() string { return b.listener.Addr().String() }

// accept takes connections until the balancer is closed.
func (b *balancer) accept(ctx context.Context) {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		if !b.keep(conn) {
			return
		}
		b.wg.Go(func() {
			defer b.drop(conn)
			b.pass(ctx, conn)
		})
	}
}

// pass connects to the receiver whose turn it is and copies both ways until one ends.
func (b *balancer) pass(ctx context.Context, conn net.Conn) {
	up, err := b.dial(ctx)
	if err != nil || !b.keep(up) {
		return
	}
	defer b.drop(up)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, up) // its end is all that matters
		conn.Close()
	}()
	_, _ = io.Copy(up, conn)
	up.Close()
	<-done
}

// dial tries every receiver once, beginning with the one whose turn it is.
func (b *balancer) dial(ctx context.Context) (net.Conn, error) {
	first := b.turn.Add(1)
	errs := make([]error, 0, len(b.targets))
	for i := range b.targets {
		target := b.targets[(first+uint64(i))%uint64(len(b.targets))]
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// keep remembers a connection; false: the balancer is closed, and so is conn.
func (b *balancer) keep(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		conn.Close()
		return false
	}
	b.open[conn] = struct{}{}
	return true
}

// drop closes a connection and forgets it.
func (b *balancer) drop(conn net.Conn) {
	conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, conn)
}

// close ends everything and waits for it.
func (b *balancer) close() {
	b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for conn := range b.open {
		conn.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}
