//go:build unix

package replay_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/archive"
)

const (
	kills       = 50
	killRecords = 7500 // of which four fifths are wanted
	killWindow  = 100
	killRate    = 1000
	// beginning is about how long a process takes to deliver its first record.
	beginning = 60 * time.Millisecond
)

// childVar makes the test binary a process that executes or resumes one run.
const childVar = "POSTRIDER_TEST_REPLAY_CHILD"

// child is what such a process is told.
type child struct {
	Brokers []string
	Prefix  string
	ID      string
	Plan    *replay.Plan // nil: resume
	// Room is how many bytes its files may have; 0: any. Reaching it must fail the run.
	Room uint64
	// Heap says that it tells the most memory that it held, in a line of its own.
	Heap bool
}

// TestChildProcess is no test: it is what is killed.
func TestChildProcess(t *testing.T) {
	told := os.Getenv(childVar)
	if told == "" {
		t.Skip("runs only as a process of its own")
	}
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	c.limit(t)
	e := newEngine(t, c.Brokers, c.Prefix, c.ID)
	if _, err := os.Stdout.WriteString("begins\n"); err != nil {
		t.Fatal(err)
	}
	var run replay.Run
	var err error
	heap := &heap{}
	if c.Plan != nil {
		run, err = e.Execute(t.Context(), c.Plan, heap.look)
	} else {
		run, err = e.Resume(t.Context(), c.ID, heap.look)
	}
	if c.Heap {
		fmt.Printf("heap %d\n", heap.most) //nolint:forbidigo // this is what its parent reads
	}
	switch {
	case c.Room > 0 && run.State == replay.Failed && errors.Is(err, syscall.EFBIG):
	case c.Room > 0 || err != nil || run.State != replay.Completed:
		t.Fatalf("state %s, %v", run.State, err)
	}
}

// limit lets the process write no file larger than Room.
func (c *child) limit(t *testing.T) {
	t.Helper()
	if c.Room == 0 {
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // a write fails instead
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: c.Room, Max: c.Room}); err != nil {
		t.Fatal(err)
	}
}

// heap notes how much memory is held at most.
type heap struct{ most uint64 }

func (h *heap) look(replay.Progress) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.most = max(h.most, m.HeapInuse)
}

// killing kills the processes of one run at random moments until it has been killed
// often enough, and then lets it end.
type killing struct {
	*rig
	plan *replay.Plan
	id   string
	life time.Duration // of the next process, on average
	// after is called when a process is dead, with the run as it remembers itself.
	after func(run *replay.Run)
}

func (k *killing) run() {
	k.Helper()
	k.id, k.life = uuid.Must(uuid.NewV7()).String(), beginning
	for n := range kills {
		run, known := k.kill()
		if !known {
			continue // it died before it was written down
		}
		if run.State != replay.Interrupted {
			k.Fatalf("kill %d: the run is %s, want interrupted", n+1, run.State)
		}
		if k.after != nil {
			k.after(run)
		}
		// A fifth is left for the last process, which is not killed.
		behind := k.plan.Matching*4/5*int64(n+1)/kills - run.Progress.Delivered
		k.life = beginning + max(0, time.Duration(behind)*time.Second/killRate)
	}
	run, err := k.engine.Resume(k.ctx, k.id, nil)
	if err != nil || run.State != replay.Completed {
		k.Fatalf("after %d kills: state %s, %v", kills, run.State, err)
	}
	if run.Progress.Delivered != k.plan.Matching || len(run.Gaps) != 0 {
		k.Errorf("the run says that it delivered %d with gaps %v, want %d with none", run.Progress.Delivered, run.Gaps, k.plan.Matching)
	}
	if run.Resumed < kills/2 {
		k.Errorf("the run was resumed %d times, want nearly %d", run.Resumed, kills)
	}
}

// kill starts a process and kills it. The first lives until it is known.
func (k *killing) kill() (*replay.Run, bool) {
	k.Helper()
	_, err := k.engine.Run(k.ctx, k.id)
	first := wantUnknown(err)
	cmd, output := k.start(first)
	line := make(chan string, 1)
	ended := make(chan string, 1)
	go func() {
		r := bufio.NewReader(output)
		begins, _ := r.ReadString('\n') // or the end: then the rest says why
		line <- begins
		rest, _ := io.ReadAll(r)
		ended <- begins + string(rest)
	}()
	<-line
	for first && wantUnknown(err) && k.ctx.Err() == nil {
		_, err = k.engine.Run(k.ctx, k.id)
	}
	timer := time.NewTimer(rand.N(2 * k.life))
	defer timer.Stop()
	select {
	case <-timer.C:
	case said := <-ended:
		ended <- said
		k.Fatalf("the process ended by itself before it was killed:\n%s", said)
	}
	if err := cmd.Process.Kill(); err != nil {
		k.Fatal(err)
	}
	<-ended
	_ = cmd.Wait() // killed
	run, err := k.engine.Run(k.ctx, k.id)
	if wantUnknown(err) {
		return nil, false
	}
	if err != nil {
		k.Fatal(err)
	}
	return &run, true
}

// start starts a process that works on the run.
func (k *killing) start(first bool) (*exec.Cmd, io.Reader) {
	k.Helper()
	c := child{ID: k.id}
	if first {
		c.Plan = k.plan
	}
	cmd := k.process(c)
	output, err := cmd.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}
	return cmd, output
}

// process is a process to start, on the rig's brokers and topics.
func (r *rig) process(c child) *exec.Cmd {
	r.Helper()
	c.Brokers, c.Prefix = r.brokers, r.prefix
	told, err := json.Marshal(c)
	if err != nil {
		r.Fatal(err)
	}
	cmd := exec.CommandContext(r.ctx, os.Args[0], "-test.run=^TestChildProcess$")
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	cmd.Stderr = os.Stderr
	return cmd
}

// killed is the request of these proofs.
func killed(topic string, to replay.Target) replay.Request {
	return replay.Request{Select: wanted(topic), To: to, Pace: replay.Pace{Rate: killRate, MaxInFlight: killWindow}}
}

// TestKilledTopicReplayHasNoGap: a run whose process is killed fifty times copies every
// record, in order, and no kill repeats more than may be in flight.
func TestKilledTopicReplayHasNoGap(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source, target := r.topic("source", 3, nil), r.topic("target", 3, nil)
		r.publish(numbered(source, killRecords))
		want := filter(r.held(source, nil), isWanted)
		k := &killing{rig: r, plan: r.plan(killed(source, replay.Target{Kind: replay.ToTopic, Topic: target}))}
		if k.plan.Matching != int64(len(want)) {
			r.Fatalf("planned %d records, want %d", k.plan.Matching, len(want))
		}
		ends := map[int]int64{}
		k.after = func(run *replay.Run) {
			copies := r.held(target, ends)
			ends = r.ends(target)
			if n := uncovered(r, run, copies); n > killWindow {
				r.Errorf("a process left %d records behind that no checkpoint covers, want at most %d", n, killWindow)
			}
		}
		k.run()
		copies := r.held(target, nil)
		repeats := inOrder(r, copies, want)
		if repeats > kills*killWindow {
			r.Errorf("%d records were repeated by %d kills, want at most %d by each", repeats, kills, killWindow)
		}
		r.Logf("%d kills repeated %d of %d records", kills, repeats, len(want))
	})
}

// uncovered counts the originals that were copied and that the run does not know of.
func uncovered(r *rig, run *replay.Run, copies []broker.Message) int {
	next := map[int]int64{}
	for _, p := range run.Progress.Partitions {
		next[p.Partition] = p.Next
	}
	found := map[string]struct{}{}
	for i := range copies {
		of := header(&copies[i], replay.HeaderOf)
		if at := place(r, of); at.Offset >= next[at.Partition] {
			found[of] = struct{}{}
		}
	}
	return len(found)
}

// inOrder wants the copies, without the repeats, to be just these records, in order
// within each partition. It returns how many repeats there were.
func inOrder(r *rig, copies, want []broker.Message) (repeats int) {
	r.Helper()
	next := map[int]int64{}       // of the originals' partitions
	seen := map[string]struct{}{} // originals
	for i := range copies {
		of := header(&copies[i], replay.HeaderOf)
		if _, again := seen[of]; again {
			repeats++
			continue
		}
		seen[of] = struct{}{}
		m := &copies[i]
		at := place(r, of)
		if at.Offset < next[at.Partition] {
			r.Errorf("%s was copied for the first time after a later record of its partition", of)
		}
		next[at.Partition] = at.Offset + 1
		if m.Partition != at.Partition {
			r.Errorf("%s went to partition %d", of, m.Partition)
		}
	}
	missing := 0
	for _, of := range places(want) {
		if _, ok := seen[of]; !ok {
			missing++
		}
	}
	if missing > 0 || len(seen) != len(want) {
		r.Errorf("%d of %d records are missing at the target, which has %d others", missing, len(want), len(seen)-len(want)+missing)
	}
	return repeats
}

// place reads what Place writes.
func place(r *rig, s string) broker.Position {
	r.Helper()
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		r.Fatalf("the mark %s is %q", replay.HeaderOf, s)
	}
	var at broker.Position
	if json.Unmarshal([]byte(parts[1]), &at.Partition) != nil || json.Unmarshal([]byte(parts[2]), &at.Offset) != nil {
		r.Fatalf("the mark %s is %q", replay.HeaderOf, s)
	}
	at.Topic = parts[0]
	return at
}

// TestKilledFileReplayHasEachRecordOnce: a run into a file, killed fifty times, leaves
// every record there once.
func TestKilledFileReplayHasEachRecordOnce(t *testing.T) {
	onBrokers(t, func(r *rig) {
		source := r.topic("source", 3, nil)
		r.publish(numbered(source, killRecords))
		want := filter(r.held(source, nil), isWanted)
		path := filepath.Join(r.TempDir(), "killed.jsonl.zst")
		k := &killing{rig: r, plan: r.plan(killed(source, replay.Target{Kind: replay.ToFile, File: path}))}
		k.run()
		got := archived(r, path)
		next := map[int]int64{}
		for i := range got {
			if p := got[i].Partition; got[i].Offset < next[p] {
				r.Errorf("%s is not in order or there twice", replay.Place(got[i].Topic, p, got[i].Offset))
			}
			next[got[i].Partition] = got[i].Offset + 1
		}
		if len(got) != len(want) {
			r.Errorf("the file has %d records, want %d", len(got), len(want))
		}
	})
}

// archived reads a file.
func archived(r *rig, path string) []archive.Record {
	r.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	in := archive.NewReader(f)
	defer in.Close()
	var all []archive.Record
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, rec)
	}
}
