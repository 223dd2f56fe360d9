package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReceiverOutlivesItsLog runs the program with a standard error that nobody
// reads: a pipe that is full, and one that is closed.
func TestReceiverOutlivesItsLog(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testing.T, *os.File, *os.File){
		"full":   func(t *testing.T, _, w *os.File) { t.Helper(); fillPipe(t, w) },
		"closed": func(_ *testing.T, r, _ *os.File) { _ = r.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstall(t)
			i.write("config.yaml", canaryConfig)
			i.write("bearer.secret", canaryFile+"\n")
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			spoil(t, r, w)
			p := i.serveInto(w)
			for range 300 { // each leaves a line at level debug
				if status := i.raw(post("/v1/webhooks/header", vfsBody, "X-Shop-Key: not-this-one")); status != http.StatusUnauthorized {
					t.Fatalf("a bad request got %d", status)
				}
			}
			if status := i.raw(post("/v1/webhooks/header", vfsBody, "X-Shop-Key: "+canaryHeader)); status != http.StatusOK {
				t.Errorf("a good request got %d", status)
			}
			if exit, err := p.signal(syscall.SIGTERM); err != nil || exit != 0 {
				t.Errorf("SIGTERM: exit code %d, %v", exit, err)
			}
		})
	}
}

// fillPipe writes until the pipe takes no more.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for {
			_, err := w.WriteString(strings.Repeat(".", size))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
}

// serveInto starts the receiver with standard error going into w.
func (i *install) serveInto(w *os.File) *process {
	i.t.Helper()
	ready := filepath.Join(i.dir, "serve.ready")
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(i.t.Context(), filepath.Join(binary, "postrider"), "serve")
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = i.dir, append(slices.Clone(i.env), "POSTRIDER_TEST_READY_FILE="+ready), w
	if err := p.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells
		close(p.ended)
	}()
	i.t.Cleanup(p.kill)
	if err := p.await(ready); err != nil {
		i.t.Fatal(err)
	}
	return p
}
