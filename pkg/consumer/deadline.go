package consumer

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of one call of a Handler. It costs a timer only where
// somebody waits for its end: most handlers take a moment, and there are many.
type deadline struct {
	context.Context // of the session's work

	now func() time.Time
	at  time.Time

	mu    sync.Mutex
	done  chan struct{}
	err   error
	stops []func() bool
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done != nil {
		return d.done
	}
	d.done = make(chan struct{})
	if d.err != nil {
		close(d.done)
		return d.done
	}
	timer := time.AfterFunc(d.at.Sub(d.now()), func() { d.end(context.DeadlineExceeded) })
	d.stops = []func() bool{timer.Stop, context.AfterFunc(d.Context, func() { d.end(d.Context.Err()) })}
	return d.done
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.settle(d.Context.Err())
	}
	if d.err == nil && !d.now().Before(d.at) {
		d.settle(context.DeadlineExceeded)
	}
	return d.err
}

// end ends it; the first reason counts.
func (d *deadline) end(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.settle(why)
	}
}

// settle sets the reason, if there is one. The caller holds mu.
func (d *deadline) settle(why error) {
	if why == nil {
		return
	}
	d.err = why
	if d.done != nil {
		close(d.done)
	}
	for _, stop := range d.stops {
		stop()
	}
}
