package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// dimensionNames are the values of -scale beside "all".
func dimensionNames() []string { return []string{"types", "sources", "partitions", "ids"} }

// growthFlags are the flags of the measurements of growth.
func (o *options) growthFlags(f *flag.FlagSet) {
	f.StringVar(&o.scale, "scale", "", "measure whether cost grows: `dimensions` of types, sources, partitions, ids, separated by commas, or all; "+
		"on -brokers, else on the embedded broker; -rounds, -duration, -warmup, -pool, -binary, -dir and -output hold for it, a single -c (default 64)")
	f.DurationVar(&o.soak, "soak", 0, "watch memory and files under steady load for this `time`")
	f.IntVar(&o.rate, "rate", 500, "with -soak: requests a second, whether answered or not")
	f.BoolVar(&o.cluster, "cluster", false, "measure three receivers behind a balancer beside one, repeats between them, and the death of one; needs -brokers")
}

// growthProblem says what is wrong with them.
func (o *options) growthProblem() error {
	switch {
	case o.soak < 0 || o.rate < 1:
		return errors.New("bench: -soak must not be negative, and -rate be positive")
	case o.cluster && len(o.brokers) == 0:
		return errors.New("bench: -cluster needs -brokers")
	}
	for _, name := range o.dimensions() {
		if !slices.Contains(dimensionNames(), name) {
			return fmt.Errorf("bench: -scale: unknown dimension %q; choose from %s, all", name, strings.Join(dimensionNames(), ", "))
		}
	}
	return nil
}

// dimensions are those that -scale names.
func (o *options) dimensions() []string {
	switch o.scale {
	case "":
		return nil
	case "all":
		return dimensionNames()
	}
	return strings.Split(o.scale, ",")
}

// growthConns is the number of connections at which growth is measured.
func (o *options) growthConns() int {
	if len(o.conns) == 1 {
		return o.conns[0]
	}
	return markConns
}
