package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
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

// soak is the profile that repeats long and long3 with new seeds.
const soak = "soak"

// parseOptions reads the command line; usage and complaints go to w.
func parseOptions(args []string, now time.Time, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&o.profile, "profile", "short", "what to break and how often: short, short3, long, long3 or soak")
	f.Func("phases", "`names` of phases to run, separated by commas (default: all of the profile)", func(s string) error {
		o.phases = strings.Split(s, ",")
		return nil
	})
	f.Uint64Var(&o.seed, "seed", uint64(now.UnixNano())%1_000_000, "seed of the plan (default: drawn)")
	f.BoolVar(&o.planOnly, "plan", false, "print the plan and end")
	f.StringVar(&o.binary, "binary", "", "`path` of a postrider binary to break instead of building this checkout")
	f.StringVar(&o.brokers, "brokers", "", "`host:port` of the first node of a running cluster that kafka-up.sh started; without it one is started and removed")
	f.StringVar(&o.kafkaDir, "kafka-dir", "", "`folder` (-d) of that cluster")
	f.IntVar(&o.nodes, "nodes", 0, "nodes of the cluster, 1 or 3 (default: as the profile needs)")
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

// check refuses what makes no sense, and fills in the number of nodes.
func (o *options) check(rest []string) error {
	known, ok := profiles()[o.profile]
	if !ok && o.profile != soak {
		return fmt.Errorf("chaos: -profile: %q is none of %s, %s", o.profile, strings.Join(slices.Sorted(maps.Keys(profiles())), ", "), soak)
	}
	if o.nodes == 0 {
		o.nodes = known.nodes
	}
	if unknown := o.unknownPhase(); unknown != "" {
		return fmt.Errorf("chaos: -phases: %s has no phase %q", o.profile, unknown)
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("chaos: unexpected argument %q", rest[0])
	case ok && o.nodes != known.nodes:
		return fmt.Errorf("chaos: -nodes: profile %s is for %d", o.profile, known.nodes)
	case (o.brokers == "") != (o.kafkaDir == ""):
		return errors.New("chaos: -brokers and -kafka-dir belong together: nodes can be killed only where their process ids are known")
	case o.profile == soak && o.brokers != "":
		return errors.New("chaos: a soak starts clusters of its own: leave -brokers out")
	case !slices.Contains([]string{outputText, outputMarkdown, outputJSON}, o.output):
		return fmt.Errorf("chaos: -output: %q is none of text, markdown, json", o.output)
	}
	return nil
}

// unknownPhase returns the first name of -phases that the profile does not have.
func (o *options) unknownPhase() string {
	for _, name := range o.phases {
		if o.profile != soak && len(plan(o.profile, o.seed, []string{name})) == 0 {
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
