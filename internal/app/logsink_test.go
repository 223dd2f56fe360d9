package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/config"
)

// tap is a reader of the log that can stop reading.
type tap struct {
	open chan struct{} // closed: it reads

	mu  sync.Mutex
	got bytes.Buffer
}

func (r *tap) Write(p []byte) (int, error) {
	<-r.open
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.Write(p)
}

func (r *tap) lines(t *testing.T) []map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(r.got.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

func testLogger(t *testing.T, r *tap) *zap.Logger {
	t.Helper()
	log, _, err := NewLogger(config.Log{Level: "info", Format: "json"}, r, false)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// TestLogThatNobodyReadsStopsNothing logs more than is kept while the reader
// sleeps, then wakes it.
func TestLogThatNobodyReadsStopsNothing(t *testing.T) {
	r := &tap{open: make(chan struct{})}
	log := testLogger(t, r)
	const lines = 2000
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for i := range lines {
			log.Info(fmt.Sprintf("line %d", i), zap.String("fill", strings.Repeat("x", 1024))) // unequal: they are not sampled
		}
	}()
	select {
	case <-logged:
	case <-time.After(10 * time.Second):
		t.Fatal("logging waits for the reader")
	}
	began := time.Now()
	_ = log.Sync()
	if took := time.Since(began); took > 5*logPatience {
		t.Errorf("Sync took %s", took)
	}
	close(r.open)
	log.Info("last")
	_ = log.Sync()
	got, dropped := r.lines(t), 0
	for i, line := range got {
		n, isNumber := line["lines"].(float64)
		if isNumber && line["reason_code"] == "log_dropped" {
			dropped += int(n)
			continue
		}
		if want := fmt.Sprintf("line %d", i); dropped == 0 && line["msg"] != want {
			t.Fatalf("line %d is %v, want %s; nothing is said to be dropped before it", i, line["msg"], want)
		}
	}
	if dropped == 0 || len(got)-2+dropped < lines {
		t.Errorf("%d lines written, %d said to be dropped, of %d", len(got), dropped, lines)
	}
	if size := r.got.Len(); size > 3*maxPendingLog {
		t.Errorf("%d bytes were kept", size)
	}
}

func TestLogIsCompleteAfterSync(t *testing.T) {
	r := &tap{open: make(chan struct{})}
	close(r.open)
	log := testLogger(t, r)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				log.Info(fmt.Sprintf("%d/%d", w, i))
			}
		})
	}
	wg.Wait()
	_ = log.Sync()
	if got := len(r.lines(t)); got != 400 {
		t.Errorf("%d lines, want 400", got)
	}
}
