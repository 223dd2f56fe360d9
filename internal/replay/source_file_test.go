package replay

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// archiveOf is a file with these records.
func archiveOf(t *testing.T, recs []broker.Message) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.jsonl.zst")
	s := mustSink(t, path, &Run{})
	deliver(t, s, recs)
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFileSource: an archive gives the records that were put in, from any number on.
func TestFileSource(t *testing.T) {
	want := messages(100, 5)
	want[1].Key, want[1].Value, want[1].Headers = nil, []byte{}, nil
	want[2].Key, want[2].Value = []byte{}, nil
	path := archiveOf(t, want)
	for _, tt := range []struct{ from, to, end int64 }{{0, -1, 5}, {0, 5, 5}, {2, 4, 4}, {5, -1, 5}, {5, 5, 5}, {9, -1, 5}} {
		s, err := openFileSource(path, tt.from, tt.to)
		if err != nil {
			t.Fatalf("from %d to %d: %v", tt.from, tt.to, err)
		}
		defer s.close()
		for i := tt.from; i < tt.end; i++ {
			m, number, err := s.next(t.Context())
			if err != nil || number != i || !cmp.Equal(m, want[i]) {
				t.Errorf("from %d to %d: number %d, %v, want %d (-want +got):\n%s", tt.from, tt.to, number, err, i, cmp.Diff(want[i], m))
			}
		}
		if _, _, err := s.next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("from %d to %d: at the end %v, want EOF", tt.from, tt.to, err)
		}
	}
}

// TestFileSourceDamage: a file that is not what was planned with is told, by name.
func TestFileSourceDamage(t *testing.T) {
	path := archiveOf(t, messages(0, 3))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(cut, b[:len(b)-6], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		from, to   int64
		want       string
	}{
		{"shorter", path, 0, 4, "has 3 records and had at least 4 when"},
		{"shorter than what was done", path, 4, 9, "has 3 records and had at least 9 when"},
		{"cut off", cut, 0, 3, "cut: archive: line "},
		{"gone", path + "x", 0, -1, "no such file"},
	} {
		if err := exhaust(t.Context(), tt.path, tt.from, tt.to); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error: %s", tt.name, err, tt.want)
		}
	}
	if err := exhaust(t.Context(), cut, 0, 3); !errors.Is(err, archive.ErrTruncated) {
		t.Errorf("cut off: %v, want that", err)
	}
}

// exhaust reads an archive to its end or first error.
func exhaust(ctx context.Context, path string, from, to int64) error {
	s, err := openFileSource(path, from, to)
	if err != nil {
		return err
	}
	defer s.close()
	for err == nil {
		_, _, err = s.next(ctx)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
