package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalGap is how much later than the first a second signal must come to end
// the process at once. Supervisors send the same signal to a process and to its
// group in one instant; that is one request to stop, not two.
const signalGap = time.Second

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. A
// second one, at least signalGap later, ends the process without waiting.
func untilSignal(now func() time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		for first := now(); ; {
			if s := <-signals; now().Sub(first) >= signalGap {
				os.Exit(killedBy(s))
			}
		}
	}()
	return ctx, cancel
}

// notifyHangup returns where each SIGHUP arrives; several while one is dealt with
// are one.
func (c *cli) notifyHangup() <-chan os.Signal {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// killedBy is the exit code that shells give a process that a signal ended.
func killedBy(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return 1
}
