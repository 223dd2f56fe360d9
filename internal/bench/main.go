// Command bench measures the receiver from outside, as a provider meets it:
// signed webhooks over HTTP into the real binary, acknowledged by a broker.
//
//	go run ./internal/bench
//
// builds postrider, runs it on the embedded broker with and without synchronous
// writes, and beside it a bare Echo handler as the yardstick of what this
// machine can do; it puts the same load on each in turn and prints a table.
// With -brokers host:port it measures on a real Kafka too. Numbers of different
// runs do not compare, because the machine is never the same twice: the ratios
// to the yardstick, and two binaries in one run (-compare), do.
//
// With -copy it measures something else: a replay from topic to topic beside raw
// copying of the same records by kafka-go; with -consume pkg/consumer beside bare
// loops of kafka-go; with -forward deliveries by HTTP.
//
// With -peers it installs other programs that take events by HTTP and write them to
// Kafka, starts a Kafka, measures all of them in turn, and then kills the broker and
// each of them under load to see what becomes of what was accepted.
//
// It ends with code 1 when a request was not answered 200, or when a receiver
// did not count as many events published as requests answered.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUnsound says that the numbers are not to be believed.
var errUnsound = errors.New("bench: not every request was answered and published; see the report")

// run is main with the process as values; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	o, err := parseOptions(args, errOut)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errOut, err)
		return 2
	}
	switch {
	case o.role == echoRole:
		err = serveEcho(ctx, o.readyFile, in)
	case o.role == sinkRole:
		err = serveSink(ctx, o.readyFile, in)
	case o.role == yardstickRole:
		err = serveYardstick(ctx, o, in)
	case o.versus:
		err = versusBenchmark(ctx, o, args, out, errOut)
	case o.copying:
		err = copyBenchmark(ctx, o, args, out, errOut)
	case o.consuming:
		err = consumeBenchmark(ctx, o, args, out, errOut)
	case o.forwarding:
		err = forwardBenchmark(ctx, o, args, out, errOut)
	case o.scale != "":
		err = scaleBenchmark(ctx, o, args, out, errOut)
	case o.soak > 0:
		err = soakBenchmark(ctx, o, args, out, errOut)
	case o.cluster:
		err = clusterBenchmark(ctx, o, args, out, errOut)
	default:
		err = benchmark(ctx, o, args, out, errOut)
	}
	if err != nil {
		fmt.Fprintln(errOut, err)
		return 1
	}
	return 0
}

// benchmark is a whole run: build, start, measure, stop, report.
func benchmark(ctx context.Context, o options, args []string, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "postrider-bench-")
	if err != nil {
		return fmt.Errorf("bench: temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &report{Command: strings.TrimSpace("go run ./internal/bench " + strings.Join(args, " ")), Commit: o.version(ctx), Machine: thisMachine(o.dir)}
	r.Notes = notes(o, r.Machine)
	if r.Measurements, err = measureAll(ctx, o, dir, progress); err != nil {
		return err
	}
	r.Rows = rows(r.Measurements)
	r.Marks = marks(r.Rows)
	if o.batch > 0 {
		r.Marks = batchMarks(r.Rows, o.batch)
	}
	if err := r.write(out, o.output); err != nil {
		return err
	}
	if !sound(r.Rows) {
		return errUnsound
	}
	return nil
}

// measureAll starts the targets, runs the campaign and stops them.
func measureAll(ctx context.Context, o options, dir string, progress io.Writer) (ms []measurement, err error) {
	signs, err := newCredentials()
	if err != nil {
		return nil, err
	}
	receivers, err := prepare(ctx, o, dir, signs, "bench-"+randomHex()[:8], progress)
	if err != nil {
		return nil, err
	}
	p, err := newPool(o.requests(), o.batch, signs, time.Now)
	if err != nil {
		return nil, err
	}
	targets, err := startAll(ctx, o, dir, receivers)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stopAll(targets)) }()
	return (&campaign{options: o, targets: targets, pool: p, progress: progress}).run(ctx)
}

// prepare builds the receiver, if one is measured and no binary is given.
func prepare(ctx context.Context, o options, dir string, signs credentials, prefix string, progress io.Writer) ([]receiver, error) {
	if rs := plan(o, o.binary, signs, prefix); len(rs) == 0 || o.binary != "" {
		return rs, nil
	}
	fmt.Fprintln(progress, "building postrider")
	binary, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	return plan(o, binary, signs, prefix), nil
}

// randomHex is 32 random hexadecimal digits.
func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// version says what is measured: this checkout, or a binary of whatever origin.
func (o *options) version(ctx context.Context) string {
	if o.binary != "" {
		return "that of " + o.binary
	}
	return commit(ctx)
}

// commit names the checkout, "unknown" outside of one.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := filepath.Base(strings.TrimSpace(string(head)))
	if changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err != nil || len(changes) > 0 {
		name += ", with changes"
	}
	return name
}
