package replay

import (
	"context"
	"sync"
)

// window bounds the records that would be delivered again if the process died now:
// those on their way, and those that no checkpoint covers yet.
type window struct {
	size int
	full chan struct{} // asks for a checkpoint

	mu    sync.Mutex
	used  int
	freed chan struct{} // closed when there is room again
}

func newWindow(size int) *window {
	return &window{size: size, full: make(chan struct{}, 1), freed: make(chan struct{})}
}

// enter waits until there is room for n records, at most the window's size.
func (w *window) enter(ctx context.Context, n int) error {
	for {
		w.mu.Lock()
		if w.used+n <= w.size {
			w.used += n
			w.mu.Unlock()
			return nil
		}
		freed := w.freed
		w.mu.Unlock()
		select { // a checkpoint makes room
		case w.full <- struct{}{}:
		default:
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
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
