//go:build darwin || linux

package embedded_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
)

// fullDir makes this test binary the child of TestFailedWritesLoseNothing.
var fullDir = flag.String("full.dir", "", "run with limits on the size of files in this folder") //nolint:gochecknoglobals // flags are global

// fullOptions come back at once and have no reserve, so that writes do fail.
func fullOptions(dir string) embedded.Options {
	return embedded.Options{Dir: dir, CleanEvery: 2 * time.Millisecond, MinFreeBytes: 1}
}

// The limit on the size of files makes writes fail on every machine, in the
// middle of a batch, and can be lifted again. It holds for a whole process, hence
// the children.
func TestFailedWritesLoseNothing(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range []string{"TestRepeatedBatch", "TestPublishing"} {
		t.Run(child, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+child+"WhileWritesFail$", "-test.v", "-test.timeout=1m", "-full.dir="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: "+child) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The answer to a batch that could not be written may get lost; its repetition
// must not be taken for a repetition.
func TestRepeatedBatchWhileWritesFail(t *testing.T) {
	needChild(t)
	b := start(t, fullOptions(*fullDir))
	createTopic(t, b, topic, 1)
	wantCode(t, b, 0, "one", nil)

	limitFiles(t, fileSize(t, *fullDir)+40)
	wantCode(t, b, 1, "two", kerr.UnknownServerError)
	for range 20 {
		wantCode(t, b, 1, "two", kerr.NotEnoughReplicas)
	}
	wantError(t, b.Health(), "writing to "+*fullDir, "file too large", "goes on by itself")

	limitFiles(t, 0)
	healthy(t, b)
	for range 3 { // these may, they are
		wantCode(t, b, 1, "two", nil)
	}
	wantCode(t, b, 2, "three", nil)
	for range 2 {
		if got, want := values(t, b, 0), "one two three"; got != want {
			t.Errorf("records = %q, want %q", got, want)
		}
		stop(t, b)
		b = start(t, fullOptions(*fullDir))
	}
}

// Failing writes in the middle of traffic, again and again.
func TestPublishingWhileWritesFail(t *testing.T) {
	needChild(t)
	b := start(t, fullOptions(*fullDir))
	createTopic(t, b, topic, 1)
	acked, failed := publishThrough(t, b, func() {
		for range 4 {
			limitFiles(t, fileSize(t, *fullDir)+300)
			unhealthy(t, b)
			limitFiles(t, 0)
			healthy(t, b)
		}
	})
	if len(acked) == 0 || failed == 0 {
		t.Fatalf("%d acknowledged, %d failed: want some of both", len(acked), failed)
	}
	wantPresent(t, b, acked)
	stop(t, b)
	b = start(t, fullOptions(*fullDir))
	wantPresent(t, b, acked)
}

// The same with a disk that is really full, where the tests may mount one.
func TestFullDiskLosesNothing(t *testing.T) {
	dir := smallDisk(t, 2<<20)
	// Nobody looks ahead, so that writes do fail.
	o := fullOptions(filepath.Join(dir, "data")).WithFree(func(string) (int64, error) { return 1 << 30, nil })
	b := start(t, o)
	createTopic(t, b, topic, 1)
	ballast := filepath.Join(dir, "ballast")
	acked, failed := publishThrough(t, b, func() {
		for range 4 {
			fill(t, ballast)
			unhealthy(t, b)
			if err := os.Remove(ballast); err != nil {
				t.Error(err)
			}
			healthy(t, b)
		}
	})
	if len(acked) == 0 || failed == 0 {
		t.Fatalf("%d acknowledged, %d failed: want some of both", len(acked), failed)
	}
	wantPresent(t, b, acked)
	stop(t, b)
	b = start(t, o)
	wantPresent(t, b, acked)
	stop(t, b) // before the disk goes
}

// publishThrough publishes while trouble runs, and a little after. It returns
// what was acknowledged and how many records were not.
func publishThrough(t *testing.T, b *embedded.Broker, trouble func()) (acked []string, failed int) {
	t.Helper()
	client, err := broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now})
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		over = make(chan struct{})
	)
	publish := func(name string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		err := p.Publish(ctx, []broker.Record{{Topic: topic, Value: []byte(name)}})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed++
			return false
		}
		acked = append(acked, name)
		return true
	}
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				ok := publish(fmt.Sprintf("%d/%d", i, n))
				select {
				case <-over:
					if ok {
						return
					}
				default:
				}
			}
		})
	}
	trouble()
	close(over)
	wg.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return acked, failed
}

func wantPresent(t *testing.T, b *embedded.Broker, acked []string) {
	t.Helper()
	present := strings.Fields(values(t, b, 0))
	slices.Sort(present)
	lost := 0
	for _, name := range acked {
		if _, ok := slices.BinarySearch(present, name); !ok {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(acked))
	}
}

func needChild(t *testing.T) {
	t.Helper()
	if *fullDir == "" {
		t.Skip("only runs as a child of TestFailedWritesLoseNothing")
	}
}

// limitFiles sets the largest size of a file in bytes; 0 is no limit.
func limitFiles(t *testing.T, size int64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur = uint64(size); size == 0 {
		l.Cur = l.Max
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
}

// fileSize waits for the first record.
func fileSize(t *testing.T, dir string) int64 {
	t.Helper()
	var size int64
	eventually(t, func() bool {
		st, err := os.Stat(filepath.Join(dir, "partitions", topic+"-0", "0.dat"))
		if err == nil {
			size = st.Size()
		}
		return size > 0
	}, func() string { return "nothing is written" })
	return size
}

func healthy(t *testing.T, b *embedded.Broker) {
	t.Helper()
	eventually(t, func() bool { return b.Health() == nil }, func() string { return b.Health().Error() })
}

func unhealthy(t *testing.T, b *embedded.Broker) {
	t.Helper()
	eventually(t, func() bool { return b.Health() != nil }, func() string { return "still taking records" })
}

// smallDisk mounts one.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := mountSmall(t, dir, size); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	return dir
}

// fill writes until nothing fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
