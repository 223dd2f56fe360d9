//go:build linux || darwin

package spool

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

var kills = flag.Int("spool.kills", 25, "how many processes to kill")

// What this test binary does when it is started as a child.
const (
	childDir  = "POSTRIDER_TEST_SPOOL_CHILD"
	childMode = "POSTRIDER_TEST_SPOOL_MODE"
)

// runChild is the main function of a child.
func runChild(dir string) int {
	opts := Options{Dir: dir, SegmentBytes: 64 << 10, MaxBytes: 16 << 20, Now: time.Now, Log: zap.NewNop()}
	if os.Getenv(childMode) == "limit" {
		return runLimited(opts)
	}
	s, err := Open(opts)
	if err != nil {
		say("error", err)
		return 1
	}
	say("open", s.State().Records)
	if os.Getenv(childMode) == "hold" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	}
	var wait sync.WaitGroup
	for writer := range 8 {
		wait.Go(func() { childWrites(s, writer) })
	}
	wait.Wait()
	return 0
}

// say tells the parent something.
func say(words ...any) { fmt.Fprintln(os.Stdout, words...) }

// childWrites appends for ever and prints what was promised. Every third record
// is settled, which is printed before it is done.
func childWrites(s *Spool, writer int) {
	for n := 0; ; n++ {
		recs := []broker.Record{record(n, 300+n%900), record(n+1, 40)}[:1+n%2]
		for i := range recs {
			recs[i].Value = fmt.Appendf(nil, "%d-%d-%d-%d %s", os.Getpid(), writer, n, i, recs[i].Value)
		}
		refs, err := s.Append(context.Background(), recs)
		if err != nil {
			say("error", err)
			return
		}
		for i, ref := range refs {
			id, _, _ := strings.Cut(string(recs[i].Value), " ")
			say("promised", ref.Seq, id)
		}
		if n%3 == 0 {
			say("settled", refs[0].Seq)
			s.Settle(refs[:1], nil)
		}
	}
}

// child starts this test binary as a child.
func child(t *testing.T, dir, mode string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childMode+"="+mode)
	cmd.Stderr = os.Stderr
	in, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewScanner(pipe)
}

// TestKill kills processes in the middle of their work: what they had printed as
// promised is there, and what was settled well before stays settled.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	promised := map[uint64]string{}
	total := 0
	for round := range *kills {
		cmd, _, out := child(t, dir, "write")
		settled := watch(t, out, promised, 50+rand.IntN(1500), cmd.Process.Kill)
		_ = cmd.Wait()
		total += len(promised)
		s := mustOpen(t, Options{Dir: dir, SegmentBytes: 64 << 10, MaxBytes: 16 << 20, Now: time.Now, Log: zap.NewNop()})
		pending := s.Pending()
		checkPromised(t, s, pending, promised, settled)
		if d := s.Report().Damage; len(d) > 0 {
			t.Errorf("damage %v", d)
		}
		for _, st := range pending { // most of it, so that segments go
			if rand.IntN(10) > 0 {
				delete(promised, st.Seq)
				s.Settle([]broker.Ref{st.Ref}, nil)
			}
		}
		total -= len(promised)
		s.Close()
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d processes killed, %d records promised by them, none lost", *kills, total)
}

// watch notes what a child prints and kills it after some lines. It returns the
// records that may be settled.
func watch(t *testing.T, out *bufio.Scanner, promised map[uint64]string, lines int, kill func() error) map[uint64]bool {
	t.Helper()
	settled := map[uint64]bool{}
	for n := 0; out.Scan(); n++ {
		f := strings.Fields(out.Text())
		switch {
		case len(f) == 3 && f[0] == "promised":
			seq, _ := strconv.ParseUint(f[1], 10, 64)
			promised[seq] = f[2]
		case len(f) == 2 && f[0] == "settled":
			seq, _ := strconv.ParseUint(f[1], 10, 64)
			settled[seq] = true
		case len(f) > 0 && f[0] == "error":
			t.Errorf("child: %s", out.Text())
		}
		if n == lines {
			if err := kill(); err != nil {
				t.Error(err)
			}
		}
	}
	return settled
}

// checkPromised wants the promised records, save those that may be settled; of
// those at most one a writer is delivered again.
func checkPromised(t *testing.T, s *Spool, pending []broker.Stored, promised map[uint64]string, settled map[uint64]bool) {
	t.Helper()
	again := 0
	found := map[uint64]bool{}
	for _, st := range pending {
		r, err := s.Load(st.Ref)
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := strings.Cut(string(r.Value), " ")
		if want, ok := promised[st.Seq]; ok && want != id {
			t.Errorf("record %d is %s, want %s", st.Seq, id, want)
		}
		found[st.Seq] = true
		if settled[st.Seq] {
			again++
		}
	}
	for seq, id := range promised {
		switch {
		case settled[seq]:
			delete(promised, seq)
		case !found[seq]:
			t.Errorf("record %d (%s) was promised and is lost", seq, id)
		}
	}
	if again > 8 {
		t.Errorf("%d settled records are delivered again, at most one a writer may be", again)
	}
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	cmd, in, out := child(t, dir, "hold")
	if !out.Scan() || !strings.HasPrefix(out.Text(), "open") {
		t.Fatalf("child: %s", out.Text())
	}
	opts := Options{Dir: dir, Now: time.Now, Log: zap.NewNop()}
	_, err := Open(opts)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	s := mustOpen(t, opts)
	if _, err := Open(opts); !errors.Is(err, ErrLocked) {
		t.Errorf("twice in one process: %v", err)
	}
	s.Close()
	mustOpen(t, opts)
}

// runLimited fills a spool up to the file size that the process may write.
func runLimited(opts Options) int {
	opts.SegmentBytes = 1 << 20
	s, err := Open(opts)
	if err != nil {
		say("error", err)
		return 1
	}
	limit := syscall.Rlimit{Cur: 100 << 10, Max: 1 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		say("skip", err)
		return 0
	}
	n := 0
	for ; err == nil; n++ {
		_, err = s.Append(context.Background(), records(n, 1))
	}
	if errors.Is(err, ErrFull) && n > 100 {
		say("refused full many")
	}
	limit.Cur = 1 << 30
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		say("error", err)
		return 1
	}
	for s.State().Full {
		<-time.After(10 * time.Millisecond)
	}
	if _, err = s.Append(context.Background(), records(n-1, 1)); err != nil {
		say("error", err)
	}
	say("kept", n)
	return 0
}

// TestFileSizeLimit runs into a real limit of the kernel.
func TestFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	cmd, _, out := child(t, dir, "limit")
	var lines []string
	for out.Scan() {
		lines = append(lines, out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, lines)
	}
	if len(lines) == 1 && strings.HasPrefix(lines[0], "skip") {
		t.Skip(lines[0])
	}
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "refused full many") {
		t.Fatal(lines)
	}
	s := mustOpen(t, Options{Dir: dir, Now: time.Now, Log: zap.NewNop()})
	if got := fmt.Sprint("kept ", s.State().Records); got != lines[1] {
		t.Errorf("%s, the child said %s", got, lines[1])
	}
}

func TestNotWritable(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(filepath.Join(base, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: filepath.Join(base, "file", "spool"), Now: time.Now, Log: zap.NewNop()})
	if err == nil || !strings.Contains(err.Error(), "spool.dir") {
		t.Errorf("%v", err)
	}
}
