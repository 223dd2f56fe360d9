// Command postrider receives the event webhooks of email providers, proves who
// sent them, normalizes them and publishes them to Kafka, a topic per type.
//
// Run `postrider help` for the commands; README.md tells the story.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	c := &cli{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		env: os.Environ(), now: time.Now,
	}
	err := newRoot(c).ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "postrider: %v\n", err)
		os.Exit(exitCode(err))
	}
}
