package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

// TestFolderThatGoes: what would be written into files that nobody finds again is
// refused, and the state says why.
func TestFolderThatGoes(t *testing.T) {
	tests := map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".moved") },
		"replaced": func(dir string) error {
			if err := os.Rename(dir, dir+".moved"); err != nil {
				return err
			}
			s, err := Open(Options{Dir: dir, Now: time.Now, Log: quiet(t)})
			if err != nil {
				return err
			}
			return s.Close()
		},
		"without its lock": func(dir string) error { return os.Remove(filepath.Join(dir, lockName)) },
	}
	for name, how := range tests {
		t.Run(name, func(t *testing.T) {
			opts := options(t)
			opts.Dir = filepath.Join(opts.Dir, "spool")
			s := mustOpen(t, opts)
			refs := mustAppend(t, s, record(0, 20))
			if err := how(opts.Dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := s.Append(t.Context(), records(1, 1))
				if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "removed, moved or replaced") || !strings.Contains(err.Error(), opts.Dir) {
					t.Errorf("appended: %v", err)
				}
			}
			if st := s.State(); !strings.Contains(st.Failed, "removed, moved or replaced") || st.Full || st.Records != 1 {
				t.Errorf("state %+v", st)
			}
			if _, err := s.Load(refs[0]); err != nil {
				t.Error("what was there can be published:", err)
			}
		})
	}
}

// TestSegmentThatGoes: a fresh one is begun.
func TestSegmentThatGoes(t *testing.T) {
	opts := options(t)
	s := mustOpen(t, opts)
	mustAppend(t, s, record(0, 20))
	files, err := filepath.Glob(filepath.Join(opts.Dir, "*"+segmentExt))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), records(1, 1)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "removed or replaced") {
		t.Errorf("appended: %v", err)
	}
	mustAppend(t, s, record(2, 20))
	s.Close()
	if diff := cmp.Diff([]broker.Record{record(2, 20)}, loadAll(t, mustOpen(t, opts))); diff != "" {
		t.Error(diff)
	}
}

// TestFolderThatComesBack: it is noticed without an append, nothing is written to
// the folder in its place, and it goes on when the first is back.
func TestFolderThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		refs := mustAppend(t, s, records(0, 3)...)
		back := vol.take()
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Failed == "" {
			t.Errorf("nobody noticed: %+v", st)
		}
		if _, err := s.Append(t.Context(), records(3, 1)); !errors.Is(err, ErrFailed) {
			t.Errorf("appended: %v", err)
		}
		s.Settle(refs[:1], nil)
		s.Settle(refs[1:2], errors.New("refused"))
		<-time.After(3 * checkEvery)
		synctest.Wait()
		if len(vol.names) > 0 {
			t.Errorf("written to a folder of others: %v", vol.names)
		}
		back()
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Failed != "" || st.Records != 1 || st.DeadRecords != 1 {
			t.Errorf("it is back: %+v", st)
		}
		mustAppend(t, s, record(4, 10))
		s.Close()
		s = mustOpenOn(t, vol.copyOf(), small())
		want := []string{string(record(2, 100).Value), string(record(4, 10).Value)}
		if diff := cmp.Diff(want, values(t, s)); diff != "" || len(s.Report().Damage) > 0 {
			t.Error(diff, s.Report().Damage)
		}
	})
}
