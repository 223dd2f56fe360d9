package replay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// messages are n records of one partition from an offset on.
func messages(from, n int) []broker.Message {
	list := make([]broker.Message, n)
	for i := range list {
		list[i] = broker.Message{
			Topic: "t", Offset: int64(from + i), Time: time.UnixMilli(int64(1000 + i)).UTC(),
			Key: []byte("k"), Value: []byte(`{"a":1}`), Headers: []broker.Header{{Key: "h", Value: []byte("v")}},
		}
	}
	return list
}

func deliver(t *testing.T, s Sink, recs []broker.Message) {
	t.Helper()
	failed, err := s.Deliver(t.Context(), recs)
	if err != nil || len(failed) > 0 {
		t.Fatalf("Deliver: %v, refused %v", err, failed)
	}
}

func flush(t *testing.T, s Sink) json.RawMessage {
	t.Helper()
	state, err := s.Flush(t.Context())
	if err != nil {
		t.Fatalf("Flush: %v", err)
	}
	return state
}

func mustSink(t *testing.T, path string, run *Run) *fileSink {
	t.Helper()
	s, err := newFileSink(path, run)
	if err != nil {
		t.Fatalf("newFileSink: %v", err)
	}
	return s
}

// wantOffsets wants an archive of exactly these offsets.
func wantOffsets(t *testing.T, path string, from, to int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := archive.NewReader(f)
	defer r.Close()
	for want := from; ; want++ {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) && want == to {
			return
		}
		if err != nil || rec.Offset != want {
			t.Fatalf("record %d of %s: offset %d, %v; want %d, up to %d", r.Line(), path, rec.Offset, err, want, to)
		}
	}
}

// TestFileSinkResumes: whatever was written after a checkpoint when the process died,
// the file holds every record once in the end.
func TestFileSinkResumes(t *testing.T) {
	for _, name := range []string{"a.jsonl", "a.jsonl.zst"} {
		path := filepath.Join(t.TempDir(), name)
		s := mustSink(t, path, &Run{})
		deliver(t, s, messages(0, 3))
		run := &Run{Sink: flush(t, s), Resumed: 1}
		deliver(t, s, messages(3, 2000)) // and the process dies, some of it on disk
		if err := s.out.Flush(); err != nil {
			t.Fatal(err)
		}
		s.file.Close()

		s = mustSink(t, path, run)
		deliver(t, s, messages(3, 4))
		state := flush(t, s)
		deliver(t, s, messages(7, 5000)) // not in a checkpoint: gone when closed
		if err := s.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		wantOffsets(t, path, 0, 7)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		var got fileState
		if err := json.Unmarshal(state, &got); err != nil {
			t.Fatal(err)
		}
		if want := (fileState{Size: info.Size(), Records: 7}); got != want {
			t.Errorf("%s: state = %+v, want %+v", name, got, want)
		}
		if got := info.Mode(); got != 0o600 {
			t.Errorf("%s: mode = %v, want that only its owner reads it", name, got)
		}
	}
}

// TestFileSinkRefuses: no file is overwritten, and none is gone on with that is not
// as it was left.
func TestFileSinkRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		run        Run
		want       string
	}{
		{"new run", path, Run{}, "exists already and is not overwritten"},
		{"resumed without a checkpoint", path, Run{Resumed: 1}, "is not of this run"},
		{"shorter than at the checkpoint", path, Run{Resumed: 1, Sink: json.RawMessage(`{"size":5}`)}, "has 4 bytes and had 5"},
		{"a folder", dir, Run{Resumed: 1, Sink: json.RawMessage(`{"size":0}`)}, "is a directory"},
		{"gone", path + "x", Run{Resumed: 1, Sink: json.RawMessage(`{"size":5}`)}, "no such file"},
		{"no folder", filepath.Join(dir, "none", "a"), Run{}, "no such file"},
		{"damaged checkpoint", path, Run{Resumed: 1, Sink: json.RawMessage(`[]`)}, "says nothing of its file"},
	} {
		if s, err := newFileSink(tt.path, &tt.run); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want an error: %s", tt.name, s, err, tt.want)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("the file now holds %q, %v", b, err)
	}
}

// TestFileSinkBeforeFirstCheckpoint: a run that died before its first checkpoint left
// an empty file or none.
func TestFileSinkBeforeFirstCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	for range 2 {
		s := mustSink(t, path, &Run{Resumed: 1})
		s.file.Close()
	}
	s := mustSink(t, path, &Run{Resumed: 1})
	deliver(t, s, messages(0, 1))
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffsets(t, path, 0, 1)
}

// TestFileSinkDiskFull: when nothing more can be written, the run ends, the file is
// whole up to the checkpoint, and the run can be resumed.
func TestFileSinkDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	s := mustSink(t, path, &Run{})
	deliver(t, s, messages(0, 2))
	state := flush(t, s)
	s.out = archive.NewWriter(&fullDisk{s.file, 300}, false)
	deliver(t, s, messages(2, 5))
	if _, err := s.Flush(t.Context()); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "whole up to the last checkpoint (2 records)") {
		t.Errorf("Flush: %v, want no space, and what is to be done", err)
	}
	if _, err := s.Deliver(t.Context(), messages(7, 1)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Deliver after it: %v, want the same", err)
	}
	wantOffsets(t, path, 0, 2)
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	s = mustSink(t, path, &Run{Sink: state, Resumed: 1})
	deliver(t, s, messages(2, 5))
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffsets(t, path, 0, 7)
}

// fullDisk is a file on a disk with little room left.
type fullDisk struct {
	f    *os.File
	left int
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.left)
	d.left -= n
	if n, err := d.f.Write(b[:n]); err != nil {
		return n, err
	}
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// TestFileSinkTooLong: a record that no archive takes is refused alone.
func TestFileSinkTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	s := mustSink(t, path, &Run{Plan: Plan{Request: Request{GoOn: true}}})
	recs := messages(0, 2)
	long := messages(9, 1)
	long[0].Value = make([]byte, archive.MaxLine+1)
	failed, err := s.Deliver(t.Context(), append(long, recs...))
	want := []Failure{{Topic: "t", Offset: 9, Error: "archive: " + archive.ErrTooLong.Error()}}
	if diff := cmp.Diff(want, failed); err != nil || diff != "" {
		t.Errorf("Deliver: %v, refused (-want +got):\n%s", err, diff)
	}
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffsets(t, path, 0, 2)
}

// TestSinksStop: a delivery ends with its context.
func TestSinksStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := mustSink(t, filepath.Join(t.TempDir(), "a"), &Run{})
	defer file.Close(t.Context())
	for _, s := range []Sink{file, newStreamSink(io.Discard)} {
		if _, err := s.Deliver(ctx, messages(0, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("%T: %v, want cancelled", s, err)
		}
	}
}

// TestStreamSinkReaderGone: each record comes at once, and who reads may leave.
func TestStreamSinkReaderGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s := newStreamSink(w)
	deliver(t, s, messages(5, 1))
	rec, err := archive.NewReader(r).Next()
	if err != nil || rec.Offset != 5 {
		t.Errorf("first record: offset %d, %v; want 5", rec.Offset, err)
	}
	r.Close()
	if _, err := s.Deliver(t.Context(), messages(6, 1)); !errors.Is(err, ErrReaderGone) {
		t.Errorf("Deliver to nobody: %v, want that the reader is gone", err)
	}
}
