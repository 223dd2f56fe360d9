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
	profile  string
	phases   []string
	seed     uint64
	planOnly bool
	binary   string
	brokers  string
	kafkaDir string
	nodes    int
	scripts  string
	rate     float64
	slack    time.Duration
	hours    float64
	dir      string
	keep     bool
	output   string
}

// The values of -output.
const (
	outputText     = "text"
	outputMarkdown = "markdown"
	outputJSON     = "json"
)

// parseOptions reads the command line; usage and complaints go to w.
func parseOptions(args []string, now time.Time, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&o.profile, "profile", profileShort, "what to break and how often: short, short3, long or soak")
	f.Func("phases", "`names` of phases to run, separated by commas (default: all of the profile)", func(s string) error {
		o.phases = strings.Split(s, ",")
		return nil
	})
	f.Uint64Var(&o.seed, "seed", uint64(now.UnixNano())%1_000_000, "seed of the plan (default: drawn)")
	f.BoolVar(&o.planOnly, "plan", false, "print the plan and end")
	f.StringVar(&o.binary, "binary", "", "`path` of a postrider binary to break instead of building this checkout")
	f.StringVar(&o.brokers, "brokers", "", "`host:port` of the first node of a running cluster that kafka-up.sh started; without it one is started and removed")
	f.StringVar(&o.kafkaDir, "kafka-dir", "", "`folder` (-d) of that cluster")
	f.IntVar(&o.nodes, "nodes", 0, "only the rounds on so many nodes, 1 or 3 (default: all of the profile)")
	f.StringVar(&o.scripts, "scripts", "internal/kafkatest", "`folder` of kafka-up.sh and kafka-down.sh")
	f.Float64Var(&o.rate, "rate", 0, "requests a second (default: the profile's)")
	f.DurationVar(&o.slack, "slack", 250*time.Millisecond, "what the machine may add to an answer of 2.5 s")
	f.Float64Var(&o.hours, "hours", 1, "length of a soak")
	f.StringVar(&o.dir, "dir", os.TempDir(), "`folder` for the temporary data")
	f.BoolVar(&o.keep, "keep", false, "keep that data: journal, logs, spools; it is always kept after a breach")
	f.StringVar(&o.output, "output", outputText, "form of the result: text, markdown or json")
	if err := f.Parse(args); err != nil {
		return o, fmt.Errorf("chaos: %w", err)
	}
	return o, o.check(f.Args())
}

// check refuses what makes no sense.
func (o *options) check(rest []string) error {
	if rounds(o.profile) == nil {
		return fmt.Errorf("chaos: -profile: %q is none of short, short3, long, soak", o.profile)
	}
	if unknown := o.unknownPhase(); unknown != "" {
		return fmt.Errorf("chaos: -phases: %s has no phase %q", o.profile, unknown)
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("chaos: unexpected argument %q", rest[0])
	case len(o.rounds()) == 0:
		return fmt.Errorf("chaos: -nodes: %s has no round on %d", o.profile, o.nodes)
	case (o.brokers == "") != (o.kafkaDir == ""):
		return errors.New("chaos: -brokers and -kafka-dir belong together: nodes can be killed only where their process ids are known")
	case o.brokers != "" && (o.profile == profileSoak || len(o.rounds()) > 1):
		return errors.New("chaos: -brokers is one cluster for one round: choose it with -nodes, or leave -brokers out")
	case !slices.Contains([]string{outputText, outputMarkdown, outputJSON}, o.output):
		return fmt.Errorf("chaos: -output: %q is none of text, markdown, json", o.output)
	}
	return nil
}

// rounds are the profile's rounds that -nodes and -phases leave.
func (o *options) rounds() []amounts {
	return slices.DeleteFunc(rounds(o.profile), func(a amounts) bool {
		return o.nodes != 0 && a.nodes != o.nodes || len(plan(a, o.seed, o.phases)) == 0
	})
}

// unknownPhase returns the first name of -phases that the profile does not have.
func (o *options) unknownPhase() string {
	for _, name := range o.phases {
		if !slices.ContainsFunc(rounds(o.profile), func(a amounts) bool { return len(plan(a, o.seed, []string{name})) > 0 }) {
			return name
		}
	}
	return ""
}

// port is the port of the first node of the given cluster.
func (o *options) port() (int, error) {
	_, text, _ := strings.Cut(o.brokers, ":")
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("chaos: -brokers: %q is no host:port", o.brokers)
	}
	return port, nil
}
