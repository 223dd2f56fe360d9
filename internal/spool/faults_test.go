package spool

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

// breakOn makes operations of one kind fail until it is called with nil.
func (m *memory) breakOn(op string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = func(o, _ string) error {
		if o == op {
			return err
		}
		return nil
	}
}

// values returns the values of what is pending.
func values(t testing.TB, s *Spool) []string {
	t.Helper()
	var list []string
	for _, r := range loadAll(t, s) {
		list = append(list, string(r.Value))
	}
	return list
}

// TestSyncThatFails: what was not synced is refused, nothing is synced twice,
// the second failure in a row fails the spool, and it comes back by itself.
func TestSyncThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		mustAppend(t, s, record(0, 10))
		vol.breakOn("sync", syscall.EIO)
		if _, err := s.Append(t.Context(), records(1, 2)); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFailed) {
			t.Errorf("first failure: %v", err)
		}
		if st := s.State(); st.Failed != "" || st.Records != 1 {
			t.Errorf("one failure is no trouble yet: %+v", st)
		}
		for range 3 {
			if _, err := s.Append(t.Context(), records(3, 1)); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Errorf("then: %v", err)
			}
		}
		if st := s.State(); !strings.Contains(st.Failed, "input/output error") || st.Full {
			t.Errorf("state %+v", st)
		}
		<-time.After(3 * checkEvery)
		synctest.Wait()
		if s.State().Failed == "" {
			t.Error("it is not better yet")
		}
		vol.breakOn("", nil)
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Failed != "" {
			t.Errorf("it is better: %+v", st)
		}
		mustAppend(t, s, record(4, 10))
		want := []string{string(record(0, 10).Value), string(record(4, 10).Value)}
		if diff := cmp.Diff(want, values(t, s)); diff != "" {
			t.Error(diff)
		}
		s.Close()
		for name, n := range vol.names {
			if n.again {
				t.Errorf("%s was synced again after a sync of it had failed", name)
			}
		}
		if diff := cmp.Diff(want, values(t, mustOpenOn(t, vol.copyOf(), small()))); diff != "" {
			t.Errorf("what was refused came back:\n%s", diff)
		}
	})
}

// TestOneSyncThatFails: the next append goes to a fresh segment and is fine.
func TestOneSyncThatFails(t *testing.T) {
	vol := newMemory()
	s := mustOpenOn(t, vol, small())
	first := mustAppend(t, s, record(0, 10))
	vol.breakOn("sync", syscall.EIO)
	if _, err := s.Append(t.Context(), records(1, 1)); err == nil {
		t.Fatal("no error")
	}
	vol.breakOn("", nil)
	second := mustAppend(t, s, record(2, 10))
	if first[0].Segment == second[0].Segment {
		t.Error("the segment is used again")
	}
	s.Settle(first, nil)
	s.Close()
	s = mustOpenOn(t, vol.copyOf(), small())
	if diff := cmp.Diff([]string{string(record(2, 10).Value)}, values(t, s)); diff != "" {
		t.Error(diff)
	}
	if d := s.Report().Damage; len(d) > 0 {
		t.Errorf("damage %v", d)
	}
}

func TestWriteThatFails(t *testing.T) {
	for _, op := range []string{"write", "create", "syncdir"} {
		t.Run(op, func(t *testing.T) {
			vol := newMemory()
			opts := small()
			s := mustOpenOn(t, vol, opts)
			mustAppend(t, s, record(0, 10))
			vol.breakOn(op, syscall.EIO)
			refused := 0
			for n := range 3 {
				if _, err := s.Append(t.Context(), []broker.Record{record(1+n, int(opts.SegmentBytes))}); err != nil {
					refused++
				}
			}
			if refused != 3 || s.State().Failed == "" {
				t.Errorf("%d refused, state %+v", refused, s.State())
			}
			vol.breakOn("", nil)
			s.Close()
			s = mustOpenOn(t, vol.copyOf(), small())
			if diff := cmp.Diff([]string{string(record(0, 10).Value)}, values(t, s)); diff != "" {
				t.Error(diff)
			}
			if d := s.Report().Damage; len(d) > 0 {
				t.Errorf("damage %v", d)
			}
		})
	}
}

// TestDiskFull: refused while there is no room, settled as ever, fine again when
// there is.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		opts := small()
		s := mustOpenOn(t, vol, opts)
		refs := mustAppend(t, s, record(0, 10))
		vol.breakOn("create", syscall.ENOSPC)
		big := []broker.Record{record(1, int(opts.SegmentBytes))}
		for range 3 {
			if _, err := s.Append(t.Context(), big); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("no space: %v", err)
			}
		}
		if st := s.State(); !st.Full || st.Failed != "" {
			t.Errorf("state %+v", st)
		}
		s.Settle(refs, nil)
		vol.breakOn("", nil)
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Full {
			t.Errorf("state %+v", st)
		}
		mustAppend(t, s, big...)
	})
}

func TestMaxBytes(t *testing.T) {
	vol := newMemory()
	opts := small()
	opts.MaxBytes = 10 << 10
	s := mustOpenOn(t, vol, opts)
	var refs []broker.Ref
	var err error
	for n := 0; err == nil && n < 100; n++ {
		var got []broker.Ref
		got, err = s.Append(t.Context(), []broker.Record{record(n, 1000)})
		refs = append(refs, got...)
	}
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "spool.max_bytes (10240)") {
		t.Errorf("%v", err)
	}
	if st := s.State(); !st.Full || st.Bytes > opts.MaxBytes || st.Records < 8 {
		t.Errorf("state %+v", st)
	}
	s.Settle(append(refs, mustAppend(t, s, records(0, 1)...)...), nil) // a small one fits
	for range 100 {                                                    // it never fills up with what is settled
		s.Settle(mustAppend(t, s, record(1, 1000)), nil)
	}
	if st := s.State(); st.Full || st.Bytes > opts.MaxBytes {
		t.Errorf("state %+v", st)
	}
}

func TestMinFree(t *testing.T) {
	vol := newMemory()
	opts := small()
	opts.MinFree = 1 << 20
	s := mustOpenOn(t, vol, opts)
	vol.mu.Lock()
	vol.free = opts.MinFree + 100
	vol.mu.Unlock()
	refs := mustAppend(t, s, record(0, 1000)) // within what is reserved
	_, err := s.Append(t.Context(), []broker.Record{record(1, int(opts.SegmentBytes))})
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "spool.min_free") {
		t.Errorf("%v", err)
	}
	if st := s.State(); !st.Full {
		t.Errorf("state %+v", st)
	}
	s.Settle(refs, nil)
	vol.mu.Lock()
	vol.free = opts.MinFree + 1<<20
	vol.mu.Unlock()
	if st := s.State(); st.Full {
		t.Errorf("state %+v", st)
	}
	mustAppend(t, s, record(1, int(opts.SegmentBytes)))
}

// TestFullDiskAtStart: what is there can be delivered, which makes room.
func TestFullDiskAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		mustAppend(t, s, records(0, 3)...)
		s.Close()
		vol.breakOn("create", syscall.ENOSPC)
		s = mustOpenOn(t, vol, small())
		if st := s.State(); st.Records != 3 || !st.Full {
			t.Errorf("state %+v", st)
		}
		for _, st := range s.Pending() {
			s.Settle([]broker.Ref{st.Ref}, nil)
		}
		synctest.Wait()
		if names := segmentsOf(t, vol); len(names) != 0 {
			t.Errorf("what is settled takes room: %v", names)
		}
		vol.breakOn("", nil)
		<-time.After(checkEvery)
		synctest.Wait()
		if refs := mustAppend(t, s, record(3, 10)); refs[0].Seq != 4 {
			t.Errorf("numbers go on at %d", refs[0].Seq)
		}
	})
}

// TestLateCommit: a caller that does not wait any longer is told so, and what it
// wanted to append is settled when it is there after all.
func TestLateCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hold := &heldVolume{memory: vol, release: make(chan struct{})}
		s.active.f = &heldFile{file: s.active.f, v: hold}
		outcome := make(chan error, 2)
		for n := range 2 { // one is in the commit, the other waits for the next
			go func() {
				_, err := s.Append(ctx, []broker.Record{record(n, 10)})
				outcome <- err
			}()
			synctest.Wait()
		}
		for range 2 {
			if err := <-outcome; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
		close(hold.release)
		synctest.Wait()
		if st := s.State(); st.Records != 0 {
			t.Errorf("state %+v", st)
		}
		mustAppend(t, s, record(2, 10))
		s.Close()
		s = mustOpenOn(t, vol.copyOf(), small())
		if diff := cmp.Diff([]string{string(record(2, 10).Value)}, values(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

// heldVolume holds syncs up.
type heldVolume struct {
	*memory
	release chan struct{}
}

type heldFile struct {
	file
	v *heldVolume
}

func (f *heldFile) Sync() error {
	<-f.v.release
	return f.file.Sync()
}

// TestNotesAreSynced: what was settled stays settled after a loss of power a
// little later.
func TestNotesAreSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		s.Settle(mustAppend(t, s, records(0, 3)...), nil)
		mustAppend(t, s, record(3, 10))
		s.Settle([]broker.Ref{s.Pending()[0].Ref}, nil)
		<-time.After(checkEvery)
		synctest.Wait()
		for _, n := range vol.names {
			n.data = slices.Clone(n.durable) // the power is lost
		}
		if got := values(t, mustOpenOn(t, vol.copyOf(), small())); len(got) > 0 {
			t.Errorf("delivered again: %v", got)
		}
	})
}

// TestSetAsideLater: a record that cannot be written to dead/ is kept until it can.
func TestSetAsideLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vol := newMemory()
		s := mustOpenOn(t, vol, small())
		refs := mustAppend(t, s, records(0, 2)...)
		vol.breakOn("create", syscall.ENOSPC)
		s.Settle(refs[:1], errors.New("too large"))
		if st := s.State(); st.Records != 2 || st.DeadRecords != 0 {
			t.Errorf("state %+v", st)
		}
		vol.breakOn("", nil)
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Records != 1 || st.DeadRecords != 1 {
			t.Errorf("state %+v", st)
		}
	})
}

// TestDamagedAfterOpen: Load notices, the rest goes on, the segment can go.
func TestDamagedAfterOpen(t *testing.T) {
	vol := newMemory()
	s := mustOpenOn(t, vol, small())
	refs := mustAppend(t, s, records(0, 3)...)
	name := segmentsOf(t, vol)[0]
	vol.names[name].data[refs[1].Offset+60] ^= 1
	if _, err := s.Load(refs[1]); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
	if _, err := s.Load(refs[1]); !errors.Is(err, ErrNotKept) {
		t.Errorf("again: %v", err)
	}
	if st := s.State(); st.Records != 2 || st.DamagedRecords != 1 {
		t.Errorf("state %+v", st)
	}
	if vol.names[damagedDir+"/"+name] == nil {
		t.Error("no copy is kept")
	}
	want := []string{string(record(0, 100).Value), string(record(2, 100).Value)}
	if diff := cmp.Diff(want, values(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestTooLarge(t *testing.T) {
	s := mustOpenOn(t, newMemory(), small())
	_, err := s.Append(t.Context(), []broker.Record{{Topic: "t", Value: make([]byte, maxRecord)}})
	if !errors.Is(err, broker.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

// TestMixedFolders: the segments of two spools in one folder are refused: one's
// notes would settle the other's records.
func TestMixedFolders(t *testing.T) {
	vol, other := newMemory(), newMemory()
	s := mustOpenOn(t, vol, small())
	mustAppend(t, s, records(0, 3)...)
	s.Close()
	for range 3 {
		s = mustOpenOn(t, other, small())
		mustAppend(t, s, records(0, 3)...)
		s.Close()
	}
	maps.Copy(vol.names, other.names)
	if _, err := open(small(), vol); err == nil || !strings.Contains(err.Error(), "mixed") {
		t.Errorf("%v", err)
	}
}

// TestNewerFormat: a file of a newer version is not touched.
func TestNewerFormat(t *testing.T) {
	vol, _ := filled(t, 1, 10)
	name := segmentsOf(t, vol)[0]
	data := vol.names[name].data
	data[6]++
	sum := headerSum(data)
	data[36], data[37], data[38], data[39] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	before := slices.Clone(data)
	if _, err := open(small(), vol); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("%v", err)
	}
	if !slices.Equal(before, vol.names[name].data) {
		t.Error("the file was changed")
	}
}
