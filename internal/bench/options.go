package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options is what the command line says.
type options struct {
	conns      []int
	rounds     int
	duration   time.Duration
	warmup     time.Duration
	targets    []string
	brokers    []string
	binary     string // "" builds this checkout
	compare    []labelled
	partitions int // of each topic
	pool       int
	batch      int // events of a request
	dir        string
	output     string

	copying    bool   // measures replays, not the receiver
	consuming  bool   // measures consumers
	forwarding bool   // measures deliveries
	records    int    // that these are measured with
	profile    string // of what they cost; "": none

	scale   string        // the dimensions of growth to measure
	soak    time.Duration // how long steady load is watched
	rate    int           // requests a second of it
	cluster bool          // measures three receivers on one cluster

	versus   bool   // measures beside the peers, and breaks everything once
	kafkaDir string // of a Kafka that may be killed
	faults   bool   // break it

	role, readyFile, settings string // of a child process
}

// labelled is a receiver's binary with the name its rows get.
type labelled struct{ label, path string }

// The values of -output.
const (
	outputText     = "text"
	outputMarkdown = "markdown"
	outputJSON     = "json"
)

// parseOptions reads the command line; usage and complaints go to w.
func parseOptions(args []string, w io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(w)
	f.Func("c", "numbers of `connections`, separated by commas (default 1,16,64,256; with -peers 1,64,256)", func(s string) (err error) {
		o.conns, err = parseCounts(s)
		return err
	})
	f.IntVar(&o.rounds, "rounds", 3, "how often every pair of target and connections is measured, in turn")
	f.DurationVar(&o.duration, "duration", 3*time.Second, "measured time of one measurement")
	f.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "load before the measured time")
	f.Func("targets", "`names` of "+strings.Join(targetNames(), ", ")+", separated by commas (default echo,sync,nosync; with -brokers kafka too; with -peers all)", func(s string) error {
		o.targets = strings.Split(s, ",")
		return nil
	})
	f.Func("brokers", "`host:port` of a real Kafka, several separated by commas; the topics are left there, with a retention of an hour", func(s string) error {
		o.brokers = strings.Split(s, ",")
		return nil
	})
	f.Func("compare", "`label=path` of another postrider binary to measure in the same run; may be repeated", func(s string) error {
		label, path, ok := strings.Cut(s, "=")
		if !ok || label == "" || path == "" {
			return errors.New("want label=path")
		}
		o.compare = append(o.compare, labelled{label, path})
		return nil
	})
	f.StringVar(&o.binary, "binary", "", "`path` of a postrider binary to measure instead of building this checkout")
	f.IntVar(&o.partitions, "partitions", 6, "partitions of each topic; the default is the receiver's")
	f.IntVar(&o.pool, "pool", 100_000, "requests signed beforehand; a measurement ends early when they are used up")
	f.IntVar(&o.batch, "batch", 0, "`events` of a request: SendGrid's batches instead of JetEmail's single events")
	f.StringVar(&o.dir, "dir", os.TempDir(), "`folder` for the temporary data; its disk decides what synchronous writes cost")
	f.StringVar(&o.output, "output", outputText, "form of the result: text, markdown or json")
	f.BoolVar(&o.copying, "copy", false, "measure a replay from topic to topic beside raw copying by kafka-go, on the embedded broker or on -brokers; "+
		"-rounds, -partitions, -records, -profile, -dir and -output hold for it")
	f.BoolVar(&o.consuming, "consume", false, "measure a consumer with an empty handler beside bare loops of kafka-go; the same options hold for it")
	f.BoolVar(&o.forwarding, "forward", false, "measure deliveries by HTTP to a target in another process; the same options hold for it")
	f.IntVar(&o.records, "records", 200_000, "with -copy, -consume and -forward: how many records are copied, read or delivered")
	f.StringVar(&o.profile, "profile", "", "with -copy, -consume and -forward: `path` for profiles of the processor's time; a dot and the way's name is appended")
	o.growthFlags(f)
	o.versusFlags(f)
	f.StringVar(&o.role, "role", "", "for child processes")
	f.StringVar(&o.readyFile, "ready", "", "for child processes")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("bench: %w", err)
	}
	o.complete()
	return o, o.check(f.Args())
}

// complete fills in what the command line leaves open.
func (o *options) complete() {
	switch {
	case o.targets != nil:
	case o.versus:
		o.targets = targetNames()
	case o.brokers != nil:
		o.targets = []string{targetEcho, targetSync, targetNoSync, targetKafka}
	default:
		o.targets = []string{targetEcho, targetSync, targetNoSync}
	}
	switch {
	case o.conns != nil:
	case o.versus:
		o.conns = []int{1, 64, 256}
	default:
		o.conns = []int{1, 16, 64, 256}
	}
}

// check refuses what makes no sense.
func (o *options) check(rest []string) error {
	for _, t := range o.targets {
		switch {
		case !slices.Contains(targetNames(), t):
			return fmt.Errorf("bench: -targets: unknown target %q; choose from %s", t, strings.Join(targetNames(), ", "))
		case !o.versus && t != targetEcho && t != targetSync && t != targetNoSync && !onKafka(t):
			return fmt.Errorf("bench: -targets: %s needs -peers", t)
		case !o.versus && onKafka(t) && len(o.brokers) == 0:
			return fmt.Errorf("bench: -targets: %s needs -brokers", t)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("bench: unexpected argument %q", rest[0])
	case o.kafkaDir != "" && len(o.brokers) == 0:
		return errors.New("bench: -kafka-dir needs -brokers")
	case o.partitions < 1 || o.rounds < 1 || o.pool < 1 || o.records < 1 || o.batch < 0 || o.duration <= 0 || o.warmup < 0:
		return errors.New("bench: -partitions, -rounds, -pool, -records and -duration must be positive, -warmup not negative")
	case o.growthProblem() != nil:
		return o.growthProblem()
	case !slices.Contains([]string{outputText, outputMarkdown, outputJSON}, o.output):
		return fmt.Errorf("bench: -output: %q is none of text, markdown, json", o.output)
	}
	return nil
}

// poolBytes bounds what the requests that are signed beforehand take.
const poolBytes = 300 << 20

// requests is how many are signed beforehand.
func (o *options) requests() int {
	if o.batch == 0 {
		return o.pool
	}
	return max(1, min(o.pool, poolBytes/(400*o.batch)))
}

// parseCounts reads positive numbers separated by commas.
func parseCounts(s string) ([]int, error) {
	var counts []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no positive number", part)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
