package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// options are those of a test that is not about bounds.
func options(t testing.TB) Options {
	t.Helper()
	return Options{
		Dir: filepath.Join(t.TempDir(), "data", "spool"), Log: quiet(t),
		Now: func() time.Time { return testNow },
	}
}

// quiet is a log that shows itself only where a test failed.
func quiet(t testing.TB) *zap.Logger {
	t.Helper()
	return zap.NewNop()
}

// mustOpen opens a spool that is closed with the test.
func mustOpen(t testing.TB, opts Options) *Spool {
	t.Helper()
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// record is the n-th record of a test; size is that of its value.
func record(n, size int) broker.Record {
	id := fmt.Sprintf("event-%d-", n)
	return broker.Record{
		Topic: fmt.Sprintf("email.topic-%d", n%3), Key: fmt.Appendf(nil, "key-%d", n%7),
		Value:   []byte(id + strings.Repeat("v", max(size-len(id), 0))),
		Headers: []broker.Header{{Key: "event_id", Value: fmt.Appendf(nil, "%d", n)}},
		Time:    testNow.Add(time.Duration(n) * time.Millisecond),
	}
}

func records(from, n int) []broker.Record {
	recs := make([]broker.Record, n)
	for i := range recs {
		recs[i] = record(from+i, 100)
	}
	return recs
}

// mustAppend appends records and fails the test if that does.
func mustAppend(t testing.TB, s *Spool, recs ...broker.Record) []broker.Ref {
	t.Helper()
	refs, err := s.Append(t.Context(), recs)
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

// loadAll loads everything that is pending.
func loadAll(t testing.TB, s *Spool) []broker.Record {
	t.Helper()
	var recs []broker.Record
	for _, st := range s.Pending() {
		r, err := s.Load(st.Ref)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	return recs
}

func TestRecordsOutliveTheProcess(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	want := records(0, 5)
	want = append(want, broker.Record{Topic: "t", Value: []byte{}}, broker.Record{Topic: "t", Key: []byte{}, Time: testNow})
	refs := mustAppend(t, s, want[:3]...)
	refs = append(refs, mustAppend(t, s, want[3:]...)...)
	if diff := cmp.Diff(want, loadAll(t, s)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	s.Settle(refs[1:2], nil)
	s.Settle(refs[1:2], nil) // again: nothing
	if got := s.State(); got.Records != 6 || !got.Oldest.Equal(testNow) || got.Full || got.Failed != "" {
		t.Errorf("state %+v", got)
	}
	s.Close()
	s = mustOpen(t, opts)
	want = append(want[:1:1], want[2:]...)
	if diff := cmp.Diff(want, loadAll(t, s)); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	pending := s.Pending()
	if got := broker.Describe(pending[0].Ref, &want[0]); got != pending[0] {
		t.Errorf("pending %+v, want %+v", pending[0], got)
	}
	if r := s.Report(); r.Records != 6 || r.Settled != 1 || len(r.Damage) != 0 || r.Torn.Bytes != 0 {
		t.Errorf("report %+v", r)
	}
	if _, err := s.Load(refs[1]); !errors.Is(err, ErrNotKept) {
		t.Errorf("load of a settled record: %v", err)
	}
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, options(t))
	refs := mustAppend(t, s, records(0, 1)...)
	s.Close()
	if _, err := s.Append(t.Context(), records(0, 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append: %v", err)
	}
	s.Settle(refs, nil)
	s.Settle(refs, errors.New("no"))
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestOnlyTheOwnerReads(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	mustAppend(t, s, records(0, 1)...)
	s.Settle(mustAppend(t, s, records(1, 1)...), errors.New("too large"))
	err := filepath.Walk(filepath.Dir(opts.Dir), func(path string, info os.FileInfo, err error) error {
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsGoOldestFirst(t *testing.T) {
	opts := options(t)
	opts.SegmentBytes, opts.MaxBytes = 64<<10, 8<<20
	s := mustOpen(t, opts)
	var refs []broker.Ref
	for n := range 300 {
		refs = append(refs, mustAppend(t, s, record(n, 1000))...)
	}
	last := refs[len(refs)-1].Segment
	if last < 4 {
		t.Fatalf("only %d segments", last)
	}
	s.Settle(refs[1:], nil)
	s.Close()
	s = mustOpen(t, opts)
	if got := s.State().Records; got != 1 {
		t.Fatalf("%d records left, want the first", got)
	}
	s.Close()
	s = mustOpen(t, opts) // the notes are where they were
	if got := s.State().Records; got != 1 {
		t.Fatalf("%d records left, want the first", got)
	}
	s.Settle(refs[:1], nil)
	s.Close()
	files, err := filepath.Glob(filepath.Join(opts.Dir, "*.seg"))
	if err != nil || len(files) != 1 {
		t.Errorf("segments left: %v %v", files, err)
	}
	s = mustOpen(t, opts)
	if got := mustAppend(t, s, record(1, 10)); got[0].Seq != 301 {
		t.Errorf("numbers go on at %d, want 301", got[0].Seq)
	}
}

func TestSetAsideAndRequeue(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	want := records(0, 4)
	refs := mustAppend(t, s, want...)
	s.Settle(refs[1:3], errors.New("too large for the topic"))
	if st := s.State(); st.Records != 2 || st.DeadRecords != 2 {
		t.Errorf("state %+v", st)
	}
	var dead []uint64
	for item, err := range Dead(opts.Dir) {
		if err != nil || item.Cause != "too large for the topic" || !item.StoredAt.Equal(testNow) {
			t.Errorf("dead %+v: %v", item, err)
		}
		if diff := cmp.Diff(want[item.Seq-1], item.Record); diff != "" {
			t.Error(diff)
		}
		dead = append(dead, item.Seq)
	}
	if n, err := Requeue(opts.Dir, dead[0]); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := Requeue(opts.Dir, 77); n != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("requeue of what is not there: %d %v", n, err)
	}
	stored, err := s.TakeRequeued()
	if err != nil || len(stored) != 1 || stored[0].Seq != 5 {
		t.Fatalf("taken %+v: %v", stored, err)
	}
	if diff := cmp.Diff([]broker.Record{want[0], want[3], want[1]}, loadAll(t, s)); diff != "" {
		t.Error(diff)
	}
	if again, err := s.TakeRequeued(); len(again) != 0 || err != nil {
		t.Errorf("taken again: %v %v", again, err)
	}
	if st := s.State(); st.DeadRecords != 1 {
		t.Errorf("state %+v", st)
	}
}

func TestReadWhileInUse(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	want := records(0, 3)
	refs := mustAppend(t, s, want...)
	s.Settle(refs[:1], nil)
	var got []broker.Record
	for item, err := range Read(opts.Dir) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item.Record)
	}
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Error(diff)
	}
	mustAppend(t, s, want...) // and nothing was changed
	for _, err := range Read(filepath.Join(opts.Dir, "none")) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no folder: %v", err)
		}
	}
}

func TestAdopt(t *testing.T) {
	old, opts := options(t), options(t)
	s := mustOpen(t, old)
	var want []broker.Record
	for n := range 2*adoptRecords + 5 {
		want = append(want, record(n, 20))
	}
	refs := mustAppend(t, s, want...)
	s.Settle(refs[:1], nil)
	if _, err := Adopt(old, opts.Dir); !errors.Is(err, ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	s.Close()
	young := mustOpen(t, opts)
	mine := mustAppend(t, young, record(9999, 20))
	n, err := Adopt(old, opts.Dir)
	if n != len(want)-1 || err != nil {
		t.Fatal(n, err)
	}
	stored, err := young.TakeRequeued()
	if len(stored) != n || err != nil {
		t.Fatal(len(stored), err)
	}
	young.Settle(mine, nil)
	if diff := cmp.Diff(want[1:], loadAll(t, young)); diff != "" {
		t.Error(diff)
	}
	if n, err := Adopt(old, opts.Dir); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
}

func TestDamagedRequeue(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	s.Settle(mustAppend(t, s, record(0, 20)), errors.New("no"))
	path := filepath.Join(opts.Dir, deadDir, deadName(1))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range Dead(opts.Dir) {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%v", err)
		}
	}
	if _, err := Requeue(opts.Dir, 1); err != nil {
		t.Fatal(err)
	}
	if stored, err := s.TakeRequeued(); len(stored) != 0 || err != nil {
		t.Error(stored, err)
	}
	if got := s.State().DamagedRecords; got != 1 {
		t.Errorf("%d records are counted as damaged, want 1", got)
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, damagedDir, deadName(1))); err != nil {
		t.Error(err)
	}
}
