package main

import (
	"context"
	"errors"
	"syscall"
)

// readerGone returns true once nobody can read what is written to fd, a pipe or a
// socket; false when ctx ends first or fd is something else (kqueue(2)).
func readerGone(ctx context.Context, fd int) bool {
	queue, err := syscall.Kqueue()
	if err != nil {
		return false
	}
	defer syscall.Close(queue) //nolint:errcheck // nothing was written to it
	want := make([]syscall.Kevent_t, 1)
	syscall.SetKevent(&want[0], fd, syscall.EVFILT_WRITE, syscall.EV_ADD|syscall.EV_CLEAR)
	look := syscall.NsecToTimespec(pipeLook.Nanoseconds())
	got := make([]syscall.Kevent_t, 1)
	for ctx.Err() == nil {
		n, err := syscall.Kevent(queue, want, got, &look)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return false
		}
		if want = nil; n > 0 && got[0].Flags&syscall.EV_EOF != 0 {
			return true
		}
	}
	return false
}
