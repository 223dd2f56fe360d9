package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
)

// sample is a measurement with the values that ratios and marks look at.
func sample(target string, conns, round int, perSecond, cpu, p50 number) measurement {
	return measurement{Target: target, Conns: conns, Round: round, PerSecond: perSecond, CPU: cpu, P50: p50}
}

// TestRatiosAreOfTheSameRound: the yardstick's speed doubles from round to
// round; the ratio stays.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	rs := rows([]measurement{
		sample("echo", 64, 1, 1000, 2, 1), sample("sync", 64, 1, 400, 6, 2),
		sample("sync", 64, 2, 800, 3, 2), sample("echo", 64, 2, 2000, 1, 1),
	})
	if len(rs) != 2 || rs[0].Target != "echo" || rs[1].Target != "sync" {
		t.Fatalf("rows %+v, want echo's and sync's", rs)
	}
	if rs[0].ShareOf != nil {
		t.Error("the yardstick is not compared with itself")
	}
	if got, want := *rs[1].ShareOf, (spread{0.4, 0.4, 0.4}); got != want {
		t.Errorf("share of the yardstick %v, want %v", got, want)
	}
	if got, want := *rs[1].MultipleOf, (spread{3, 3, 3}); got != want {
		t.Errorf("multiple of the yardstick %v, want %v", got, want)
	}
	if got, want := rs[1].PerSecond, (spread{600, 400, 800}); got != want {
		t.Errorf("requests a second %v, want %v", got, want)
	}
}

func TestRowsWithoutYardstick(t *testing.T) {
	rs := rows([]measurement{sample("sync", 64, 1, 400, 6, 2)})
	if rs[0].ShareOf != nil || len(marks(rs)) != 0 {
		t.Errorf("ratios %v and marks %v of nothing", rs[0].ShareOf, marks(rs))
	}
}

func TestMarks(t *testing.T) {
	ms := marks(rows([]measurement{
		sample("echo", 1, 1, 1000, 1, 0.1), sample("echo", 64, 1, 1000, 1, 1),
		sample("nosync", 1, 1, 500, 3, 0.99), sample("nosync", 64, 1, 299, 4, 9),
		sample("sync", 1, 1, 500, 3, 5), sample("sync", 64, 1, 300, 4.01, 9),
	}))
	var got []string
	for _, m := range ms {
		got = append(got, strings.Fields(m.Goal)[0]+" "+strings.Fields(m.Goal)[1]+" "+m.Target+map[bool]string{true: " reached", false: " missed"}[m.Reached])
	}
	want := "p50 below nosync reached; at least nosync missed; at most nosync reached; at least sync reached; at most sync missed"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

func TestSpread(t *testing.T) {
	if got, want := newSpread([]number{5, 1, 3}), (spread{3, 1, 5}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := newSpread([]number{1, unknown()}).show("%.1f"); got != "n/a" {
		t.Errorf("a value that is not known makes %q, want n/a", got)
	}
}

// TestReportForms: the three forms hold the same rows, and trouble is shown.
func TestReportForms(t *testing.T) {
	m := sample("sync", 64, 1, 1234, unknown(), 2)
	m.Errors = map[string]int{"status 503": 7}
	m.Fault = "one lost"
	r := &report{Command: "c", Commit: "0123", Rows: rows([]measurement{m}), Measurements: []measurement{m}}
	for form, want := range map[string][]string{
		outputText:     {"sync", "1234 (1234–1234)", "n/a", "ERRORS sync, 64 connections: 7 × status 503", "FAULT sync, 64 connections: round 1: one lost"},
		outputMarkdown: {"| sync | 64 | 1234 (1234–1234) |", "- ERRORS sync", "- commit: `0123`"},
		outputJSON:     {`"cpu_seconds_per_100k": null`, `"status 503": 7`, `"fault": "one lost"`},
	} {
		var b bytes.Buffer
		if err := r.write(&b, form); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s lacks %q:\n%s", form, w, b.String())
			}
		}
		if form == outputJSON && !json.Valid(b.Bytes()) {
			t.Errorf("no JSON:\n%s", b.String())
		}
	}
}

func TestOwnProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		if processSeconds(os.Getpid()).known() {
			t.Errorf("processor time known on %s", runtime.GOOS)
		}
		return
	}
	before, all := processSeconds(os.Getpid()), machineSeconds()
	for x := 1.0; processSeconds(os.Getpid()) < before+0.2; {
		x = math.Sqrt(x + 1)
	}
	// The kernel adds the two counters up apart, each by ticks of its own: half
	// of it tells a wrong unit from their rounding.
	if got := machineSeconds() - all; got < 0.1 {
		t.Errorf("this process worked for 0.2 s, the machine for %v s", got)
	}
	if mib := peakMemory(os.Getpid()); !mib.known() || mib < 1 || mib > 10_000 {
		t.Errorf("peak memory %v MiB", mib)
	}
	if processSeconds(-1).known() || peakMemory(-1).known() {
		t.Error("values of a process that does not exist")
	}
}

func TestFileSystem(t *testing.T) {
	mounts := "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n"
	for dir, want := range map[string]string{"/home/x": "ext4", "/tmp": "tmpfs", "/tmp/a": "tmpfs", "/tmp/disk/a": "xfs", "/tmpfoo": "ext4"} {
		if got := fileSystem(mounts, dir); got != want {
			t.Errorf("%s is on %q, want %q", dir, got, want)
		}
	}
	if got := fileSystem("", "/tmp"); got != "" {
		t.Errorf("got %q of nothing", got)
	}
}
