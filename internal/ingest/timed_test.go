package ingest_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
)

// watched is a listener that notes what is done with its connections.
type watched struct {
	net.Listener
	mu       sync.Mutex
	settings int // of deadlines
	unbound  int // reads and writes that began without one
	single   int // reads of one byte
	ahead    chan struct{}
}

func (w *watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return &watchedConn{Conn: c, w: w}, err
}

func (w *watched) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

type watchedConn struct {
	net.Conn
	w           *watched
	read, write time.Time // under w.mu
}

func (c *watchedConn) Read(p []byte) (int, error) {
	c.w.note(func() {
		if c.read.IsZero() {
			c.w.unbound++
		}
		if len(p) == 1 {
			c.w.single++
			c.w.ahead <- struct{}{}
		}
	})
	return c.Conn.Read(p)
}

func (c *watchedConn) Write(p []byte) (int, error) {
	c.w.note(func() {
		if c.write.IsZero() {
			c.w.unbound++
		}
	})
	return c.Conn.Write(p)
}

func (c *watchedConn) SetReadDeadline(t time.Time) error {
	c.w.note(func() { c.read, c.w.settings = t, c.w.settings+1 })
	return c.Conn.SetReadDeadline(t)
}

func (c *watchedConn) SetWriteDeadline(t time.Time) error {
	c.w.note(func() { c.write, c.w.settings = t, c.w.settings+1 })
	return c.Conn.SetWriteDeadline(t)
}

// startWatched runs a server on a listener that notes what is done.
func startWatched(t *testing.T) (*rig, *watched) {
	t.Helper()
	var same *ingest.Options
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { same = o })
	w := &watched{Listener: listen(t), ahead: make(chan struct{}, 100)}
	r.srv, r.addr, r.stop = serveOn(t, w, *same)
	return r, w
}

// Every read and write of a connection has a deadline, set for it and not for what
// never waits, and nobody reads ahead of a request that is being worked on.
func TestDeadlinesAreSetWhereTheyBind(t *testing.T) {
	r, w := startWatched(t)
	const requests = 20
	c := r.dial()
	defer c.close()
	for range requests {
		c.send(r.signed(jetEvent("a")))
		if got := c.status(); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
	c.close()
	r.stop()
	w.note(func() {
		if w.unbound > 0 || w.single > 0 || w.settings > 4*requests {
			t.Errorf("%d requests: %d deadlines set, %d calls without one, %d reads of one byte", requests, w.settings, w.unbound, w.single)
		}
	})
}

// A deadline that changes binds a read that is in progress: behind a body of unknown
// length net/http reads ahead while it is worked on, and ends that by a deadline.
func TestADeadlineEndsAReadInProgress(t *testing.T) {
	r, w := startWatched(t)
	r.pub.entered, r.pub.release = make(chan struct{}), make(chan struct{})
	c := r.dial()
	defer c.close()
	req := r.signed(jetEvent("a"))
	req.ContentLength, req.TransferEncoding = -1, []string{"chunked"}
	c.send(req)
	<-r.pub.entered
	<-w.ahead
	close(r.pub.release)
	if got := c.status(); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection of a chunked request ends with: %v", err)
	}
}
