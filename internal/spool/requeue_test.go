package spool

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// adopted returns a spool whose requeue/ has a file of moved records, and that
// file.
func adopted(t *testing.T, recs []broker.Record) (s *Spool, dir, path string) {
	t.Helper()
	old, opts := options(t), options(t)
	gone := mustOpen(t, old)
	mustAppend(t, gone, recs...)
	gone.Close()
	s = mustOpen(t, opts)
	if n, err := Adopt(old, opts.Dir); n != len(recs) || err != nil {
		t.Fatal(n, err)
	}
	files, err := filepath.Glob(filepath.Join(opts.Dir, requeueDir, "*"+recordExt))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return s, opts.Dir, files[0]
}

// change changes the bytes of a file.
func change(t *testing.T, path string, how func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, how(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamageInRequeueCostsWhatItTouches: of a file of many records the whole ones
// are taken, the others are counted, and the file is kept.
func TestDamageInRequeueCostsWhatItTouches(t *testing.T) {
	recs := records(0, 50)
	frame := func(r *broker.Record) int { return segment.FrameHead + len(segment.AppendRecord(nil, r, testNow)) }
	size, last := frame(&recs[0]), frame(&recs[len(recs)-1])
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 4; return b }
	}
	tests := map[string]struct {
		how  func([]byte) []byte
		lost int // of the first ones, or of the last ones if negative
	}{
		"a record":          {flip(segment.HeaderSize + size/2), 1},
		"a frame's head":    {flip(segment.HeaderSize + 5), 1},
		"the header":        {flip(3), 0},
		"the header's salt": {flip(13), 0},
		"two records":       {func(b []byte) []byte { return flip(60 + size)(flip(60)(b)) }, 2},
		"zeros at its end":  {func(b []byte) []byte { clear(b[len(b)-2*last:]); return b }, -2},
		"cut at a frame":    {func(b []byte) []byte { return b[:len(b)-3*last] }, -3},
		"cut in a frame":    {func(b []byte) []byte { return b[:len(b)-last-1] }, -2},
		"empty":             {func([]byte) []byte { return nil }, 50},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, dir, path := adopted(t, recs)
			change(t, path, test.how)
			want := recs[max(test.lost, 0) : len(recs)+min(test.lost, 0)]
			taken, err := s.TakeRequeued()
			if len(taken) != len(want) || err != nil {
				t.Errorf("%d were taken, want %d: %v", len(taken), len(want), err)
			}
			if diff := cmp.Diff(want, append([]broker.Record{}, loadAll(t, s)...)); diff != "" {
				t.Error(diff)
			}
			if got := s.State().DamagedRecords; got != len(recs)-len(want) {
				t.Errorf("%d records are counted as damaged, want %d", got, len(recs)-len(want))
			}
			if _, err := os.Stat(filepath.Join(dir, damagedDir, filepath.Base(path))); err != nil {
				t.Error("the file is not kept:", err)
			}
			if again, err := s.TakeRequeued(); len(again) != 0 || err != nil {
				t.Errorf("taken again: %v %v", again, err)
			}
		})
	}
}
