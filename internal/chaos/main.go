// Command chaos breaks things under load and counts what is left: the real
// binary, a real Apache Kafka, signed webhooks of several providers, and a plan
// drawn from a seed of what is killed, frozen, filled up and reloaded when.
//
//	go run ./internal/chaos                  the short form, as in CI
//	go run ./internal/chaos -profile short3  the same on three nodes
//	go run ./internal/chaos -profile long    what docs/reliability.md shows
//	go run ./internal/chaos -profile soak -hours 8
//
// Every event carries a mark from which all of it follows, so what is found in
// the topics can be judged without trusting the receiver. The verdicts:
//
//	I1 what was answered 200 is there, each event and the raw request
//	I2 what is there was sent, and is what it must be
//	I3 nothing is there twice, except what was in flight when the receiver was killed
//	I4 events of one key are in the order in which they were accepted
//	I5 the receiver's own accounts are even at rest
//	I6 answers come within 2.5 s
//
// It ends with code 1 when one of them is breached, and keeps its journal then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := runMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errBreached says that the receiver did not keep its word.
var errBreached = errors.New("chaos: a guarantee was breached; see the report")

// runMain is main with the process as values; it returns the exit code.
func runMain(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parseOptions(args, time.Now(), errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errOut, err)
		return 2
	}
	if err := campaign(ctx, &o, args, out, errOut); err != nil {
		fmt.Fprintln(errOut, err)
		return 1
	}
	return 0
}
