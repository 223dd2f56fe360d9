package replay

import (
	"context"
	"sync"
)

// window bounds the records that would be delivered again if the process died now:
// those on their way, and those that no checkpoint covers yet.
type window struct {
	size int
	full chan struct{} // asks for a checkpoint: half of it is used, or more

	mu      sync.Mutex
	used    int
	waiting int           // those that wait for room
	freed   chan struct{} // closed when there is room again
}

func newWindow(size int) *window {
	return &window{size: size, full: make(chan struct{}, 1), freed: make(chan struct{})}
}

// enter waits until there is room for n records, at most the window's size.
func (w *window) enter(ctx context.Context, n int) error {
	for {
		w.mu.Lock()
		if w.used+n <= w.size {
			half := (w.size + 1) / 2
			passes := w.used <= half && w.used+n > half
			w.used += n
			w.mu.Unlock()
			if passes { // the other half is for the time that a checkpoint takes
				w.ask()
			}
			return nil
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
}

// wait unlocks w and waits until there is more room.
func (w *window) wait(ctx context.Context) error {
	freed := w.freed
	w.waiting++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting--
	}()
	w.ask()
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settled says that a checkpoint would make room now: what was on its way when the last
// was asked for has arrived.
func (w *window) settled() {
	w.mu.Lock()
	wanted := w.waiting > 0
	w.mu.Unlock()
	if wanted {
		w.ask()
	}
}

// ask asks for a checkpoint, which makes room.
func (w *window) ask() {
	select {
	case w.full <- struct{}{}:
	default:
	}
}

// leave makes room: a checkpoint covers n records.
func (w *window) leave(n int) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	close(w.freed)
	w.freed = make(chan struct{})
}
