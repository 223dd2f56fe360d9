// Package cluster starts an example: on the Kafka of a running postrider, or on sample
// events and a broker inside the process.
package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// local is where `postrider serve` has its broker.
const local = "127.0.0.1:9092"

// Example is one consumer. It fills in what cfg leaves open, runs until ctx ends, and
// writes to out what it knows.
type Example func(ctx context.Context, cfg consumer.Config, out io.Writer) error

// Main runs an example as a program.
func Main(run Example, samples []event.Event) {
	demo := flag.Bool("demo", false, "run on sample events and a broker inside this process, and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *demo {
		err = Demo(ctx, run, samples, os.Stdout)
	} else {
		err = live(ctx, run, strings.Split(cmp.Or(os.Getenv("POSTRIDER_KAFKA_BROKERS"), local), ","))
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// Demo runs an example on a broker of its own, until it has handled the samples.
func Demo(ctx context.Context, run Example, samples []event.Event, out io.Writer) (err error) {
	broker, err := consumertest.Start(consumertest.Options{}) //nolint:contextcheck // it lives until it is closed
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }() //nolint:contextcheck // also where ctx is over
	if err := broker.CreateTopics(ctx); err != nil {
		return err
	}
	if err := broker.Publish(ctx, samples...); err != nil {
		return err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	var handled atomic.Int64
	cfg := config(broker.Kafka(), zap.NewNop())
	cfg.Observe = func(r consumer.Result) {
		if r.Outcome == consumer.Handled && handled.Add(1) == int64(len(samples)) {
			done()
		}
	}
	return run(ctx, cfg, out)
}

// live runs an example on the topics of a running postrider.
func live(ctx context.Context, run Example, brokers []string) error {
	if err := reachable(ctx, brokers); err != nil {
		return err
	}
	log := zap.NewDevelopmentConfig()
	log.Level.SetLevel(zap.WarnLevel)
	logger, err := log.Build()
	if err != nil {
		return fmt.Errorf("cluster: logger: %w", err)
	}
	fmt.Fprintf(os.Stderr, "reading from %s; Ctrl-C ends it\n", strings.Join(brokers, ", "))
	return run(ctx, config(consumer.Kafka{Brokers: brokers}, logger), os.Stdout)
}

// config is what the examples have in common. What they know is in memory, so each
// start is a group of its own that reads all there is; a consumer in earnest has a name
// that stays, and goes on where it was, and topics for its retries.
func config(kafka consumer.Kafka, log *zap.Logger) consumer.Config {
	return consumer.Config{
		Kafka: kafka,
		Group: "example-" + strings.ToLower(rand.Text()[:8]),
		Retry: consumer.Retry{Prefix: "example", Delays: []time.Duration{}},
		Log:   log,
	}
}

// reachable looks whether a broker is there. The consumer would wait for one, as it
// should in earnest; at the first try an answer is better.
func reachable(ctx context.Context, brokers []string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, address := range brokers {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf(`there is no Kafka at %s

Start postrider, which brings a broker, in another terminal:

  go run ./cmd/postrider serve

send it sample events:

  go run ./cmd/postrider send --all

and run this again. Or name the brokers of your own in POSTRIDER_KAFKA_BROKERS, or see it
work without any of that:

  go run ./examples/%s -demo`, strings.Join(brokers, ", "), filepath.Base(os.Args[0]))
}
