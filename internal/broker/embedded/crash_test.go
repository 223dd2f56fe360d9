package embedded_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker/embedded"
)

// crashDir makes this test binary the victim of TestKillNineLosesNothing.
var crashDir = flag.String("crash.dir", "", "publish to an embedded broker on this folder until killed") //nolint:gochecknoglobals // flags are global

const (
	crashRounds  = 4
	crashWriters = 8
)

// TestCrashVictim publishes records with names of its own until it is killed,
// and prints each name when the broker acknowledged it.
func TestCrashVictim(t *testing.T) {
	if *crashDir == "" {
		t.Skip("only runs as the child of TestKillNineLosesNothing")
	}
	b := start(t, embedded.Options{Dir: *crashDir, Sync: true})
	if _, err := dial(t, b).ReadPartitions(topic); err != nil {
		createTopic(t, b, topic, 1)
	}
	w := &kafka.Writer{Addr: kafka.TCP(b.Addr()), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	var wg sync.WaitGroup
	for i := range crashWriters {
		wg.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%d/%d/%d", os.Getpid(), i, n)
				if err := w.WriteMessages(t.Context(), kafka.Message{Value: []byte(name)}); err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stdout.WriteString("ack " + name + "\n"); err != nil {
					return // nobody listens any more
				}
			}
		})
	}
	wg.Wait()
}

func TestKillNineLosesNothing(t *testing.T) {
	t.Parallel()
	dir, seed := t.TempDir(), time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	acked := map[string]bool{}
	for range crashRounds {
		for _, name := range killAfter(t, dir, 50+rng.IntN(400)) {
			acked[name] = true
		}
	}
	if len(acked) < crashRounds*50 {
		t.Fatalf("only %d records were acknowledged", len(acked))
	}

	b := start(t, embedded.Options{Dir: dir})
	found := map[string]int{}
	for v := range strings.FieldsSeq(values(t, b, 0)) {
		found[v]++
	}
	lost := 0
	for name := range acked {
		if found[name] == 0 {
			lost++
		}
		if found[name] > 1 {
			t.Errorf("%s is there %d times", name, found[name])
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged records are lost", lost, len(acked))
	}
}

// killAfter runs the victim, kills it once it has reported n records, and
// returns all that it reported.
func killAfter(t *testing.T, dir string, n int) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestCrashVictim$", "-crash.dir="+dir, "-test.timeout=1m")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for sc := bufio.NewScanner(out); sc.Scan(); {
		name, ok := strings.CutPrefix(sc.Text(), "ack ")
		if !ok {
			t.Logf("victim: %s", sc.Text())
			continue
		}
		if names = append(names, name); len(names) == n {
			cmd.Process.Kill()
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if len(names) < n {
		t.Fatalf("the victim ended by itself after %d records: %s", len(names), errs.String())
	}
	return names
}
