package ingest

import (
	"net"
	"sync"
	"time"
)

// timed is a connection that sets its deadlines where they bind: as a call of Read or
// Write begins, or at once while one is in progress. net/http sets eight for each
// request, of which all but one or two are replaced before anything could wait for
// them, and each costs the runtime a timer.
type timed struct {
	net.Conn
	reading, writing deadline
}

// Read implements net.Conn.
func (c *timed) Read(p []byte) (int, error) {
	if err := c.reading.begin(c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	defer c.reading.end()
	return c.Conn.Read(p) //nolint:wrapcheck // the server looks at it
}

// Write implements net.Conn.
func (c *timed) Write(p []byte) (int, error) {
	if err := c.writing.begin(c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	defer c.writing.end()
	return c.Conn.Write(p) //nolint:wrapcheck // the server looks at it
}

// SetReadDeadline implements net.Conn.
func (c *timed) SetReadDeadline(t time.Time) error {
	return c.reading.change(t, c.Conn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *timed) SetWriteDeadline(t time.Time) error {
	return c.writing.change(t, c.Conn.SetWriteDeadline)
}

// SetDeadline implements net.Conn.
func (c *timed) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// deadline is that of one direction. Safe for concurrent use.
type deadline struct {
	mu      sync.Mutex
	wanted  time.Time
	inForce time.Time
	calls   int // in progress
}

// change has t bind all calls from now on, those in progress too.
func (d *deadline) change(t time.Time, set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted = t; d.calls == 0 {
		return nil
	}
	return d.enforce(set)
}

// begin begins a call, unless the deadline cannot be set.
func (d *deadline) begin(set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enforce(set); err != nil {
		return err
	}
	d.calls++
	return nil
}

// end ends it.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls--
}

// enforce sets the deadline that is wanted.
func (d *deadline) enforce(set func(time.Time) error) error {
	if d.wanted.Equal(d.inForce) {
		return nil
	}
	if err := set(d.wanted); err != nil {
		return err
	}
	d.inForce = d.wanted
	return nil
}
