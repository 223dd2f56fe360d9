package spool

import (
	"cmp"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// toRequeue appends records, has them set aside and puts their files into requeue/.
func toRequeue(t *testing.T, vol *memory, s *Spool, count int) {
	t.Helper()
	s.Settle(mustAppend(t, s, records(0, count)...), errors.New("refused"))
	list, err := vol.List(deadDir)
	if err != nil || len(list) != count {
		t.Fatal(list, err)
	}
	for _, name := range list {
		if err := vol.Rename(deadDir+"/"+name, requeueDir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRequeuedFileThatStays: nothing is published of a file that cannot be
// removed, however often that is tried; it is once that is possible.
func TestRequeuedFileThatStays(t *testing.T) {
	for _, op := range []string{"remove", "rename"} {
		t.Run(op, func(t *testing.T) {
			vol := newMemory()
			s := mustOpenOn(t, vol, small())
			toRequeue(t, vol, s, 1)
			want := 1
			if op == "rename" { // which is what a damaged file needs
				list, _ := vol.List(requeueDir)
				n := vol.names[requeueDir+"/"+list[0]]
				n.data[len(n.data)-1] ^= 1
				want = 0
			}
			vol.breakOn(op, syscall.EACCES)
			for range 3 {
				if stored, err := s.TakeRequeued(); len(stored) != 0 || !errors.Is(err, syscall.EACCES) || s.State().Records != 0 {
					t.Errorf("%d records to publish, %d kept, %v", len(stored), s.State().Records, err)
				}
			}
			vol.breakOn("", nil)
			if stored, err := s.TakeRequeued(); len(stored) != want || err != nil || s.State().Records != want {
				t.Errorf("%d records to publish, %d kept, %v; want %d", len(stored), s.State().Records, err, want)
			}
			if list, _ := vol.List(requeueDir); len(list) > 0 {
				t.Errorf("left: %v", list)
			}
		})
	}
}

// TestRequeuedFileIsGone: a removal is no failure for not being durable yet, nor
// for someone else being quicker.
func TestRequeuedFileIsGone(t *testing.T) {
	for op, refusal := range map[string]error{"syncdir": syscall.EIO, "remove": os.ErrNotExist} {
		t.Run(op, func(t *testing.T) {
			vol := newMemory()
			s := mustOpenOn(t, vol, small())
			toRequeue(t, vol, s, 1)
			vol.breakOn(op, refusal)
			if stored, err := s.TakeRequeued(); len(stored) != 1 || s.State().Records != 1 || (err != nil) != (op == "syncdir") {
				t.Errorf("%d records to publish, %d kept, %v", len(stored), s.State().Records, err)
			}
		})
	}
}

// shut is a volume of which one file cannot be opened, or not be read.
type shut struct {
	volume
	name       string
	open, read error
}

func (v *shut) Open(name string, create bool, size int64) (file, error) {
	if name != v.name || create {
		return v.volume.Open(name, create, size)
	}
	if v.open != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: v.open}
	}
	f, err := v.volume.Open(name, create, size)
	return shutFile{f, v.read}, err
}

type shutFile struct {
	file
	err error
}

func (f shutFile) ReadAt(b []byte, at int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.file.ReadAt(b, at)
}

// TestRequeuedFileThatCannotBeRead: that is no damage. It stays, the others are
// taken, and it is tried again.
func TestRequeuedFileThatCannotBeRead(t *testing.T) {
	for name, v := range map[string]shut{
		"too many open files": {open: syscall.EMFILE}, "no right to it": {open: syscall.EACCES}, "the disk does not read": {read: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			vol := newMemory()
			v.volume, v.name = vol, requeueDir+"/"+deadName(1)
			s := mustOpenOn(t, &v, small())
			toRequeue(t, vol, s, 2)
			cause := cmp.Or(v.open, v.read)
			for round, want := range []int{1, 0} {
				stored, err := s.TakeRequeued()
				if len(stored) != want || !errors.Is(err, errUnread) || !errors.Is(err, cause) {
					t.Errorf("round %d: %d records to publish, %v", round, len(stored), err)
				}
			}
			if list, _ := vol.List(damagedDir); len(list) > 0 {
				t.Errorf("damaged: %v", list)
			}
			v.open, v.read = nil, nil
			if stored, err := s.TakeRequeued(); len(stored) != 1 || err != nil {
				t.Errorf("then: %d records to publish, %v", len(stored), err)
			}
		})
	}
}

// TestSetAsideKeepsMinFree: a record that Kafka refuses takes no disk from others;
// it waits in the log, which is said once, until there is room.
func TestSetAsideKeepsMinFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zapcore.InfoLevel)
		vol, opts := newMemory(), small()
		opts.MinFree, opts.Log = 1<<20, zap.New(core)
		s := mustOpenOn(t, vol, opts)
		refs := mustAppend(t, s, records(0, 3)...)
		free := func(n int64) {
			vol.mu.Lock()
			defer vol.mu.Unlock()
			vol.free = n
		}
		free(opts.MinFree + 10)
		s.Settle(refs, errors.New("too large"))
		for n := range int64(5) { // another amount each time
			free(opts.MinFree + n)
			<-time.After(checkEvery)
			synctest.Wait()
		}
		if st := s.State(); st.Records != 3 || st.DeadRecords != 0 {
			t.Errorf("without room: %+v", st)
		}
		if n := logged.FilterMessageSnippet("could not be set aside").Len(); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		free(opts.MinFree + 1<<20)
		<-time.After(checkEvery)
		synctest.Wait()
		if st := s.State(); st.Records != 0 || st.DeadRecords != 3 {
			t.Errorf("with room: %+v", st)
		}
		if n := logged.FilterMessageSnippet("can be set aside again").Len(); n != 1 {
			t.Errorf("its end said %d times, want once", n)
		}
	})
}
