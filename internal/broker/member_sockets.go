package broker

import (
	"context"
	"net"
	"sync"
)

// sockets are the connections of a membership, so that what waits on them can be
// ended: kafka-go v0.4.51 has no way to interrupt a join. Safe for concurrent use.
type sockets struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	open   map[*socket]struct{}
	closed bool
}

func newSockets(dial func(context.Context, string, string) (net.Conn, error)) *sockets {
	return &sockets{dial: dial, open: map[*socket]struct{}{}}
}

// socket is one of them.
type socket struct {
	net.Conn
	all *sockets
}

// connect makes one more.
func (s *sockets) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	one := &socket{conn, s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	s.open[one] = struct{}{}
	return one, nil
}

// Close implements net.Conn.
func (one *socket) Close() error {
	one.all.mu.Lock()
	delete(one.all.open, one)
	one.all.mu.Unlock()
	return one.Conn.Close() //nolint:wrapcheck // it stands in for it
}

// cut closes those there are.
func (s *sockets) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		_ = one.Conn.Close()
	}
	clear(s.open)
}

// refuse closes those there are, and makes no more.
func (s *sockets) refuse() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cut()
}
