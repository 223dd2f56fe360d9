package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// pipeLook is how long a look at standard output may last: the watch of a
// command that has ended ends with the next look.
const pipeLook = time.Second

// untilUnread returns a context that ends also when nobody reads standard output
// any more. Without it `postrider tail | head -2` would go on until it has a third
// line to write, which may never come.
func (c *cli) untilUnread(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	f, ok := c.out.(*os.File)
	if !ok || terminal(f) {
		return ctx, cancel
	}
	signal.Ignore(syscall.SIGPIPE) // the write that would raise it fails with EPIPE
	fd := int(f.Fd())
	go func() {
		if readerGone(ctx, fd) {
			cancel()
		}
	}()
	return ctx, cancel
}

// outliveReaders lets the process go on when nobody reads its output any more: a
// write to a closed standard output or error then fails, which would end it.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }
