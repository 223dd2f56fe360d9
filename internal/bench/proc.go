package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of processor times under /proc, USER_HZ: 100 on
// every Linux that Go runs on (proc(5)).
const ticksPerSecond = 100

// number is a measured value; NaN stands for one this system does not tell, and
// is written as null in JSON and n/a in tables.
type number float64

// unknown is the number that is not known.
func unknown() number { return number(math.NaN()) }

// known reports whether the system told the number.
func (n number) known() bool { return !math.IsNaN(float64(n)) }

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if !n.known() {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(float64(n)*1000) / 1000) //nolint:wrapcheck // a number
}

// usage is processor time used so far, in seconds.
type usage struct {
	target    number // by the target's process
	generator number // by this process
	machine   number // by everything on the machine
}

// sampleUsage reads the processor times now.
func sampleUsage(pid int) usage {
	return usage{target: processSeconds(pid), generator: processSeconds(os.Getpid()), machine: machineSeconds()}
}

// processSeconds is the user and system time of a process and its threads, from
// /proc/<pid>/stat (proc_pid_stat(5), fields 14 and 15).
func processSeconds(pid int) number {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return unknown()
	}
	// The second field is the program's name in brackets and may hold anything.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return unknown()
	}
	return sumTicks(fields[11:13])
}

// machineSeconds is the time all processors were busy or lent to other virtual
// machines, from the first line of /proc/stat (proc_stat(5)) without idle and
// iowait.
func machineSeconds() number {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return unknown()
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 {
		return unknown()
	}
	return sumTicks([][]byte{fields[1], fields[2], fields[3], fields[6], fields[7], fields[8]})
}

// sumTicks adds up processor times, in seconds.
func sumTicks(fields [][]byte) number {
	var ticks uint64
	for _, f := range fields {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			return unknown()
		}
		ticks += n
	}
	return number(ticks) / ticksPerSecond
}

// resetPeakMemory makes the kernel measure a process's peak memory anew, so that
// each measurement has its own; see clear_refs in proc_pid_clear_refs(5). Where
// it cannot, the peak is that of the process so far.
func resetPeakMemory(pid int) {
	_ = os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0)
}

// peakMemory is the largest resident set of a process in MiB (VmHWM in
// proc_pid_status(5)).
func peakMemory(pid int) number {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return unknown()
	}
	kib, err := strconv.ParseFloat(strings.TrimSuffix(lineValue(string(b), "VmHWM:"), " kB"), 64)
	if err != nil {
		return unknown()
	}
	return number(kib / 1024)
}

// lineValue returns what follows a key at the beginning of a line, trimmed; ""
// if there is no such line.
func lineValue(text, key string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// machine describes where the numbers come from.
type machine struct {
	System    string `json:"system"`
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Go        string `json:"go"`
	LoadAt    string `json:"load_at_start"`
	Folder    string `json:"data_folder"`
	Disk      string `json:"data_filesystem"`
}

// thisMachine describes the machine and the file system that holds dir.
func thisMachine(dir string) machine {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return string(b)
	}
	_, model, _ := strings.Cut(lineValue(read("/proc/cpuinfo"), "model name"), ":")
	load := strings.Fields(read("/proc/loadavg"))
	m := machine{
		System:    strings.TrimSpace(fmt.Sprintf("%s/%s %s", runtime.GOOS, runtime.GOARCH, strings.TrimSpace(read("/proc/sys/kernel/osrelease")))),
		Processor: strings.TrimSpace(model), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Folder: dir, Disk: fileSystem(read("/proc/mounts"), dir),
	}
	if len(load) > 0 {
		m.LoadAt = load[0]
	}
	return m
}

// fileSystem finds the type of the file system that holds dir in the text of
// /proc/mounts; "" if it is not there.
func fileSystem(mounts, dir string) string {
	best, kind := "", ""
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < len(best) {
			continue
		}
		if f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/") {
			best, kind = f[1], f[2]
		}
	}
	return kind
}
