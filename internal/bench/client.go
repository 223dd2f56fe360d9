package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// maxFailuresInARow ends a client whose target is not there any more.
const maxFailuresInARow = 20

// window is the time in which a load counts.
type window struct {
	from, to time.Time
	grace    time.Duration // what a response may still take after to
}

// client is one persistent connection that sends the next request as soon as
// the last is answered. It belongs to one goroutine.
type client struct {
	address   string
	conn      net.Conn
	responses *responseReader
	counted   tally
}

// tally is what a load counted.
type tally struct {
	latency histogram      // of the requests answered 200 within the window
	ok      int            // answered 200, warm-up and tail included
	errors  map[string]int // everything else, by what was seen
	last    time.Time      // when the last request within the window was answered
	ranOut  bool           // the pool was used up before the window ended
}

// merge adds what o counted.
func (t *tally) merge(o *tally) {
	t.latency.merge(&o.latency)
	t.ok += o.ok
	for kind, n := range o.errors {
		t.failed(kind, n)
	}
	if o.last.After(t.last) {
		t.last = o.last
	}
	t.ranOut = t.ranOut || o.ranOut
}

// failed counts n failures of a kind.
func (t *tally) failed(kind string, n int) {
	if t.errors == nil {
		t.errors = make(map[string]int)
	}
	t.errors[kind] += n
}

// run sends requests until the window ends, the pool is empty, ctx ends or the
// target fails for good.
func (c *client) run(ctx context.Context, p *pool, w window) {
	defer c.hangUp()
	for failures := 0; failures < maxFailuresInARow && ctx.Err() == nil; {
		start := time.Now()
		if !start.Before(w.to) {
			return
		}
		request := p.take()
		if request == nil {
			c.counted.ranOut = true
			return
		}
		status, err := c.send(ctx, request, w)
		if err != nil || status != http.StatusOK {
			c.counted.failed(kindOf(status, err), 1)
			failures++
			continue
		}
		failures = 0
		c.counted.answered(start, time.Now(), w)
	}
}

// answered counts a request that was answered 200.
func (t *tally) answered(start, end time.Time, w window) {
	t.ok++
	if end.Before(w.from) || end.After(w.to) {
		return
	}
	t.latency.record(end.Sub(start))
	t.last = end
}

// send sends one request, on a new connection if there is none, and reads the
// status of its response.
func (c *client) send(ctx context.Context, request []byte, w window) (int, error) {
	if c.conn == nil {
		if err := c.dial(ctx, w); err != nil {
			return 0, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		c.hangUp()
		return 0, fmt.Errorf("bench: write request: %w", err)
	}
	resp, err := c.responses.next()
	if err != nil || resp.close {
		c.hangUp()
	}
	return resp.status, err
}

// dial connects. One deadline covers the whole window: one for each request
// would cost the generator a timer a time.
func (c *client) dial(ctx context.Context, w window) error {
	conn, err := (&net.Dialer{Deadline: w.to.Add(w.grace)}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return fmt.Errorf("bench: dial: %w", err)
	}
	if err := conn.SetDeadline(w.to.Add(w.grace)); err != nil {
		return fmt.Errorf("bench: dial: %w", err)
	}
	c.conn, c.responses = conn, newResponseReader(conn)
	return nil
}

// hangUp closes the connection, if there is one.
func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// kindOf names a failure so that like ones are counted together.
func kindOf(status int, err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return "status " + strconv.Itoa(status)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection closed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	}
	return err.Error()
}
