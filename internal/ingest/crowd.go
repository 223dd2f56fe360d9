package ingest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/internal/rawconn"
	"github.com/postrider/postrider/pkg/webhook"
)

// crowd is a listener that bounds open connections without letting those that
// merely wait keep others out. A connection that comes to a full house takes the
// place of one that is not being worked on: idle, or with a request that is not
// complete yet. Of these it is the one that has waited longest, of the client
// address that has most of them. So a thousand clients that send byte by byte hold
// places nobody else wants; who sends a whole request in ordinary time gets in. Only
// where all are being worked on does it wait for one to end.
type crowd struct {
	net.Listener
	limit int
	now   func() time.Time
	began time.Time

	mu      sync.Mutex
	members map[*member]struct{}

	wanted atomic.Bool   // somebody waits at the door
	freed  chan struct{} // capacity 1
	closed chan struct{}
	once   sync.Once
}

// newCrowd bounds the connections of l.
func newCrowd(l net.Listener, limit int, now func() time.Time) *crowd {
	return &crowd{
		Listener: l, limit: limit, now: now, began: now(), members: make(map[*member]struct{}),
		freed: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// States of a member beside the time since which it waits, which is positive.
const (
	working = 0
	evicted = -1
)

// member is a connection in the crowd.
type member struct {
	timed
	crowd   *crowd
	ip      netip.Addr   // of the other end; invalid if it has none
	address netip.Prefix // that counts as one client
	state   atomic.Int64 // nanoseconds of the crowd's life since which it waits, working or evicted
	blind   atomic.Bool  // see lookAway
	once    sync.Once
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // the server looks at it
	}
	m := &member{timed: timed{Conn: rawconn.Wrap(conn)}, crowd: c, ip: webhook.ClientIP(conn.RemoteAddr().String(), nil, nil)}
	m.address = clientNetwork(m.ip)
	m.state.Store(c.elapsed())
	if err := c.settle(m); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}

// settle takes m in, as soon as there is a place. The error is net.ErrClosed.
func (c *crowd) settle(m *member) error {
	defer c.wanted.Store(false)
	for !c.admit(m) {
		c.wanted.Store(true)
		if c.admit(m) {
			return nil // a place that became free before anybody knew that it is wanted
		}
		select {
		case <-c.freed:
		case <-c.closed:
			return net.ErrClosed
		}
	}
	return nil
}

// Close implements net.Listener.
func (c *crowd) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Listener.Close() //nolint:wrapcheck // the server looks at it
}

// elapsed is the time of the crowd's life, in nanoseconds, never 0.
func (c *crowd) elapsed() int64 { return max(1, int64(c.now().Sub(c.began))) }

// admit takes m in, in the place of another if the house is full; false if all
// others are being worked on.
func (c *crowd) admit(m *member) bool {
	victim, ok := c.exchange(m)
	if victim != nil {
		_ = victim.Close() // its client may try again
	}
	return ok
}

// exchange is admit without the closing.
func (c *crowd) exchange(m *member) (victim *member, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.members) >= c.limit {
		if victim = c.longest(); victim == nil {
			return nil, false
		}
		delete(c.members, victim)
	}
	c.members[m] = struct{}{}
	return victim, true
}

// longest makes the member that is to leave an evicted one and returns it; nil if
// none waits.
func (c *crowd) longest() *member {
	for {
		waiting := make(map[netip.Prefix]int)
		for m := range c.members {
			if m.state.Load() > 0 {
				waiting[m.address]++
			}
		}
		var victim *member
		var since int64
		for m := range c.members {
			at := m.state.Load()
			if at <= 0 {
				continue
			}
			if victim == nil || waiting[m.address] > waiting[victim.address] ||
				waiting[m.address] == waiting[victim.address] && at < since {
				victim, since = m, at
			}
		}
		if victim == nil || victim.state.CompareAndSwap(since, evicted) {
			return victim
		}
	}
}

// leave takes m out.
func (c *crowd) leave(m *member) {
	c.mu.Lock()
	delete(c.members, m)
	c.mu.Unlock()
	c.tell()
}

// tell wakes who waits at the door.
func (c *crowd) tell() {
	if !c.wanted.Load() {
		return
	}
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// Close implements net.Conn.
func (m *member) Close() error {
	err := m.Conn.Close()
	m.once.Do(func() { m.crowd.leave(m) })
	return err //nolint:wrapcheck // the server looks at it
}

// CloseWrite ends the sending half, so that the server can end a connection
// without a reset that would hide its answer.
func (m *member) CloseWrite() error {
	if half, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // the server looks at it
	}
	return nil
}

// work begins the work on a complete request; false if the connection had to
// leave. The zero value of a request without a crowd is nil, and works.
func (m *member) work() bool {
	if m == nil {
		return true
	}
	at := m.state.Load()
	return at > 0 && m.state.CompareAndSwap(at, working) || m.state.Load() == working
}

// lookAway says that a request's body of known length is about to be read, and that
// nobody wants to know whether its client hangs up meanwhile: what is proven is
// published all the same. Behind the last byte of a body net/http reads one byte ahead
// to notice that, which costs it a goroutine that blocks and is woken by a deadline.
// This read then finds nothing at once, as [io.Reader] allows, and net/http is content.
// Nothing else reads single bytes there: what is left of the body is read through a
// buffer of 4 KiB.
func (m *member) lookAway() {
	if m != nil {
		m.blind.Store(true)
	}
}

// Read implements net.Conn.
func (m *member) Read(p []byte) (int, error) {
	if len(p) == 1 && m.blind.CompareAndSwap(true, false) {
		return 0, nil
	}
	return m.timed.Read(p)
}

// rest ends it, once it is answered, or begins a new request.
func (m *member) rest() {
	if m == nil {
		return
	}
	m.blind.Store(false)
	if at := m.state.Load(); at != evicted {
		m.state.CompareAndSwap(at, m.crowd.elapsed())
		m.crowd.tell()
	}
}

// follow is the server's ConnState: with the first byte of a request its time
// begins anew, so that a connection that was idle for long is not the first to leave
// in the middle of it. Work ends only when the answer is on its way: the server
// writes it after the handler returned, and calls the connection idle after that.
func follow(conn net.Conn, s http.ConnState) {
	if m, ok := conn.(*member); ok && (s == http.StateActive || s == http.StateIdle) {
		m.rest()
	}
}

// memberKey finds a request's connection in its context.
type memberKey struct{}

// remember is the server's ConnContext.
func remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, memberKey{}, conn)
}

// memberOf is the connection a request came on; nil outside a crowd.
func memberOf(ctx context.Context) *member {
	m, _ := ctx.Value(memberKey{}).(*member)
	return m
}

// clientIP is the address of a request's client, as webhook.ClientIP says. What a
// connection comes from was read when it came.
func clientIP(m *member, r *http.Request, trusted []netip.Prefix) netip.Addr {
	if forwarded := r.Header["X-Forwarded-For"]; m == nil || len(forwarded) > 0 {
		return webhook.ClientIP(r.RemoteAddr, forwarded, trusted)
	}
	return m.ip
}

// clientNetwork is the network that counts as one client: an IPv4 address, or the
// /64 that an IPv6 host has to itself.
func clientNetwork(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // of no address
	}
	return p
}
