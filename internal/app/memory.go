package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/config"
)

// The collector's bounds. How often it collects is left to Go, except that known ids
// do not count: requests are made in memory that is used again, so that four times the
// garbage saved nothing any more and cost 45 to 65 MB. Go lets as much garbage gather as
// there is alive; ids are, hold no pointers that would have to be followed, and make no
// garbage, so that for two million of them it would gather 90 MB more for nothing. The
// soft limit is for overload, when there is much alive for once.
const (
	// usualMemory is what a receiver needs beside requests, records and ids.
	usualMemory = 32 << 20
	// bytesPerID is what package dedupe needs for an id that it knows, with room
	// for the moment at which its table grows.
	bytesPerID = 64
	// heapPerID is what an id takes of that once it is there, at most (docs/operations.md).
	heapPerID = 45
	// minPercent is the smallest share of what lives that may gather as garbage: what
	// is alive between two looks at it may grow.
	minPercent = 20
	// cgroupShare of the container's limit is ours; the rest is for the kernel's
	// buffers and the moment between two collections.
	cgroupShare = 0.8
	// adjustEvery is how often both follow the number of ids.
	adjustEvery = 10 * time.Second
)

// cgroupLimitFile holds the container's memory limit (control groups, version 2).
const cgroupLimitFile = "/sys/fs/cgroup/memory.max"

// Collector is how the garbage collector is set for a receiver.
type Collector struct {
	paced bool  // how often it collects is ours to say: the operator has not
	base  int64 // soft limit without ids, bytes; 0: the operator has set one
	bound int64 // of the soft limit: the container's; 0: none
}

// TuneCollector sets the garbage collector for a receiver of this configuration,
// unless the operator did so with GOGC or GOMEMLIMIT. The soft limit is what
// requests and records may hold by their own bounds and a little more, and what
// the known ids take.
func TuneCollector(cfg *config.Config, getenv func(string) string) Collector {
	c := Collector{paced: getenv("GOGC") == ""}
	if getenv("GOMEMLIMIT") == "" {
		c.base = usualMemory + cfg.Server.MaxBufferedBytes + cfg.Kafka.Publish.MaxInFlightBytes
		c.bound = containerLimit(os.ReadFile)
		debug.SetMemoryLimit(c.limit(0))
	}
	return c
}

// limit is the soft limit while so many ids are known.
func (c Collector) limit(ids int) int64 {
	n := c.base + int64(ids)*bytesPerID
	if c.bound > 0 {
		n = min(n, c.bound)
	}
	return n
}

// percent is how much garbage may gather, in percent of what lives (GOGC): as much as
// lives beside the ids.
func percent(live int64, ids int) int {
	if live <= 0 {
		return 100 // nothing has been collected yet
	}
	return int(max(minPercent, 100*(live-int64(ids)*heapPerID)/live))
}

// liveHeap is what the last collection found alive, bytes.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()) //nolint:gosec // memory
}

// follow makes limit and percent follow the number of known ids until ctx ends.
func (c Collector) follow(ctx context.Context, ids func() int) {
	if c.base == 0 && !c.paced {
		return
	}
	every(ctx, adjustEvery, func() (done bool) {
		known := ids()
		if c.base > 0 {
			debug.SetMemoryLimit(c.limit(known))
		}
		if c.paced {
			debug.SetGCPercent(percent(liveHeap(), known))
		}
		return false
	})
}

// containerLimit is our share of the container's limit; 0 where there is no
// container or no limit.
func containerLimit(readFile func(string) ([]byte, error)) int64 {
	b, err := readFile(cgroupLimitFile)
	if err != nil {
		return 0
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || limit <= 0 { // "max": none
		return 0
	}
	return int64(cgroupShare * float64(limit))
}
