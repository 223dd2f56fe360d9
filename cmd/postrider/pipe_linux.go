package main

import (
	"context"
	"errors"
	"syscall"
)

// readerGone returns true once nobody can read what is written to fd, a pipe or a
// socket; false when ctx ends first or fd is something else. The kernel reports
// EPOLLERR and EPOLLHUP though no event is asked for (epoll_ctl(2)).
func readerGone(ctx context.Context, fd int) bool {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	defer syscall.Close(poll) //nolint:errcheck // nothing was written to it
	if err := syscall.EpollCtl(poll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{}); err != nil {
		return false // a file
	}
	for ctx.Err() == nil {
		n, err := syscall.EpollWait(poll, make([]syscall.EpollEvent, 1), int(pipeLook.Milliseconds()))
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return false
		}
		if n > 0 {
			return true
		}
	}
	return false
}
