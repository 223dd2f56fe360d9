package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// lockThread gives the calling goroutine a thread of its own until it ends.
func lockThread() { runtime.LockOSThread() }

// memory is what a process holds, from /proc/<pid>/status; zero where the
// system does not tell.
type memory struct{ now, peak float64 } // MiB

// memoryOf reads VmRSS and VmHWM (proc_pid_status(5)).
func memoryOf(pid int) memory {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return memory{}
	}
	return memory{now: kibibytes(string(b), "VmRSS:"), peak: kibibytes(string(b), "VmHWM:")}
}

// kibibytes reads one line of the status file, in MiB.
func kibibytes(text, key string) float64 {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 64)
			if err != nil {
				return 0
			}
			return n / 1024
		}
	}
	return 0
}

// resetPeak makes the kernel measure a process's peak anew (proc_pid_clear_refs(5)).
func resetPeak(pid int) {
	_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0)
}

// openFiles counts a process's file descriptors.
func openFiles(pid int) int {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0
	}
	return len(entries)
}

// The pulse measures how long this program is not scheduled: a machine that
// lets its generator wait cannot blame the receiver for late answers.
const (
	pulseEvery = 10 * time.Millisecond
	stallFrom  = 50 * time.Millisecond
)

// pulse notes stalls until done is closed.
func pulse(j *journal, done <-chan struct{}) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		now := time.Now()
		if late := now.Sub(last) - pulseEvery; late > stallFrom {
			j.stall(now, late)
		}
		last = now
	}
}
