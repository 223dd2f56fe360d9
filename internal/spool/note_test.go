package spool

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

// breakNth makes the writes with these numbers, from 1, fail from now on.
func (m *memory) breakNth(numbers ...int) {
	fails := map[int]bool{}
	for _, n := range numbers {
		fails[n] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	m.fault = func(op, _ string) error {
		if op != "write" {
			return nil
		}
		n++
		if fails[n] {
			return syscall.EIO
		}
		return nil
	}
}

// TestNoteFailsInFreshSegment: the segment that takes not even the notes owed to
// it is no segment to write records to. They are refused, and a second later all
// is well.
func TestNoteFailsInFreshSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		mustAppend(t, s, record(0, 10))
		vol.breakNth(1, 3) // the record; then, after the header, the note of it
		for n := range 2 {
			if _, err := s.Append(t.Context(), records(1+n, 1)); !errors.Is(err, syscall.EIO) {
				t.Errorf("append %d: %v", n, err)
			}
		}
		<-time.After(checkEvery)
		synctest.Wait()
		mustAppend(t, s, record(3, 10))
		want := []string{string(record(0, 10).Value), string(record(3, 10).Value)}
		if diff := cmp.Diff(want, values(t, s)); diff != "" {
			t.Error(diff)
		}
		s.Close()
		if diff := cmp.Diff(want, values(t, mustOpenOn(t, vol.copyOf(), small()))); diff != "" {
			t.Errorf("after a restart:\n%s", diff)
		}
	})
}

// TestNoteFailsBeforeTheRecords: a note that fails while a commit is about to
// write takes its segment away; the records go to a fresh one.
func TestNoteFailsBeforeTheRecords(t *testing.T) {
	const rounds = 40 // who comes first of the two that wait is not ours to say
	for range rounds {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		first := mustAppend(t, s, record(0, 10))
		s.writing.Lock()
		settled := make(chan struct{})
		go func() { defer close(settled); s.Settle(first, nil) }()
		req, err := newRequest([]broker.Record{record(1, 10)}, testNow)
		if err == nil {
			err = s.enqueue(req)
		}
		if err != nil {
			t.Fatal(err)
		}
		for s.State().Records > 0 || s.waiting() > 0 { // both are on their way to the lock
			<-time.After(time.Microsecond)
		}
		vol.breakNth(1)
		s.writing.Unlock()
		<-settled
		if <-req.done; req.err != nil && !errors.Is(req.err, syscall.EIO) {
			t.Fatal(req.err)
		}
		mustAppend(t, s, record(2, 10))
		s.Close()
	}
}

// waiting is how many appends the committer has not taken yet.
func (s *Spool) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}
