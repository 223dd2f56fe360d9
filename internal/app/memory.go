package app

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// The collector's settings. A receiver's live heap is a few megabytes of
// short-lived requests, so that the default (collect when it has doubled)
// collects all the time; four times the garbage costs some 20 MB and saves a
// sixth of the CPU. The soft limit keeps that from adding up when the heap is
// large for once.
const (
	gcPercent       = 400
	softMemoryLimit = 1 << 30
	// cgroupShare of the container's limit is ours; the rest is for the kernel's
	// buffers and the moment between two collections.
	cgroupShare = 0.8
)

// cgroupLimitFile holds the container's memory limit (control groups, version 2).
const cgroupLimitFile = "/sys/fs/cgroup/memory.max"

// TuneCollector sets the garbage collector for a receiver, unless the operator
// did so with GOGC or GOMEMLIMIT.
func TuneCollector(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(os.ReadFile))
	}
}

// memoryLimit is the share of the container's limit, or the default where there
// is no container or no limit.
func memoryLimit(readFile func(string) ([]byte, error)) int64 {
	b, err := readFile(cgroupLimitFile)
	if err != nil {
		return softMemoryLimit
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || limit <= 0 { // "max": none
		return softMemoryLimit
	}
	return int64(cgroupShare * float64(limit))
}
