// Command postrider receives the event webhooks of email providers, proves who
// sent them, normalizes them and publishes them to Kafka, a topic per type.
//
// Run `postrider help` for the commands; README.md tells the story.
package main

import (
	"os"
	"time"

	"go.uber.org/zap"
)

func main() {
	// Libraries that know no other logger quote to the standard one what a server
	// sends, as net/http does. What we want to know comes as errors.
	zap.RedirectStdLog(zap.NewNop())
	ctx, stop := untilSignal(time.Now)
	defer stop()
	c := &cli{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		env: os.Environ(), now: time.Now,
	}
	err := newRoot(c).ExecuteContext(ctx)
	if err != nil {
		printError(os.Stderr, err)
		os.Exit(exitCode(err))
	}
}
