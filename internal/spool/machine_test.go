package spool

import (
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/broker"
)

// machine holds a spool against a list: whatever is done to it, what is promised
// and not settled is there, once, in order, and nothing else.
type machine struct {
	vol  *memory
	opts Options
	s    *Spool
	n    int
	want []want
	// unsure: records that were refused by a failing disk; they may be there.
	unsure map[string]bool
	// refused counts them all: a report may take them for lost as long as their
	// segment is there.
	refused int
	// again: what was settled before a loss of power may be there again.
	again map[string]bool
}

type want struct {
	seq   uint64
	value string
}

func newMachine(t *rapid.T) *machine {
	m := &machine{vol: newMemory(), opts: small(), unsure: map[string]bool{}, again: map[string]bool{}}
	m.opts.MaxBytes = 48 << 10
	m.open(t)
	return m
}

func (m *machine) open(t *rapid.T) {
	s, err := open(m.opts, m.vol)
	if err != nil {
		t.Fatal(err)
	}
	m.s = s
	m.learn(t)
}

// learn takes over what a new process finds, after looking whether it may be so.
func (m *machine) learn(t *rapid.T) {
	m.refused += len(m.unsure)
	if d := m.s.Report().Lost(); d > m.refused {
		t.Errorf("%d records reported as lost", d)
	}
	m.check(t)
	m.want = nil
	for _, st := range m.s.Pending() {
		r, err := m.s.Load(st.Ref)
		if err != nil {
			t.Fatal(err)
		}
		m.want = append(m.want, want{st.Seq, string(r.Value)})
	}
	clear(m.unsure)
	clear(m.again)
}

func (m *machine) append(t *rapid.T) {
	recs := make([]broker.Record, rapid.IntRange(1, 5).Draw(t, "records"))
	for i := range recs {
		recs[i] = record(m.n, rapid.IntRange(30, 3000).Draw(t, "size"))
		m.n++
	}
	refs, err := m.s.Append(t.Context(), recs)
	for i := range recs {
		if err != nil {
			m.unsure[string(recs[i].Value)] = true
			continue
		}
		m.want = append(m.want, want{refs[i].Seq, string(recs[i].Value)})
	}
	if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrFailed) && !errors.Is(err, syscall.EIO) {
		t.Errorf("append: %v", err)
	}
}

func (m *machine) settle(t *rapid.T) {
	pending := m.s.Pending()
	if len(pending) == 0 {
		return
	}
	from := rapid.IntRange(0, len(pending)-1).Draw(t, "from")
	to := rapid.IntRange(from+1, len(pending)).Draw(t, "to")
	var refs []broker.Ref
	for _, st := range pending[from:to] {
		refs = append(refs, st.Ref)
		m.want = slices.DeleteFunc(m.want, func(w want) bool {
			if w.seq == st.Seq {
				m.again[w.value] = true
			}
			return w.seq == st.Seq
		})
	}
	m.s.Settle(refs, nil)
}

// kill ends the process: what it wrote is there, synced or not.
func (m *machine) kill(t *rapid.T) {
	m.s.writing.Lock() // no note is half way
	m.s.mu.Lock()
	noted := len(m.s.owed) == 0
	m.vol.mu.Lock()
	m.vol.ops, m.vol.offAt = 1, 1 // it does nothing any more
	m.vol.mu.Unlock()
	m.s.mu.Unlock()
	m.s.writing.Unlock()
	m.s.Close()
	m.vol = m.vol.copyOf()
	if noted { // and so are its notes
		clear(m.again)
	}
	m.open(t)
}

// lose ends the process and the machine.
func (m *machine) lose(t *rapid.T) {
	m.vol.mu.Lock()
	m.vol.ops, m.vol.offAt = 1, 1
	m.vol.mu.Unlock()
	m.s.Close()
	m.vol = m.vol.lose(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "power"), 3)))
	m.open(t)
}

func (m *machine) reopen(t *rapid.T) {
	m.s.Close()
	clear(m.again)
	m.open(t)
}

// trouble makes the disk fail or mends it. A new process follows, since a spool
// that has failed takes a second to look again.
func (m *machine) trouble(t *rapid.T) {
	op := rapid.SampledFrom([]string{"sync", "write", "create", "syncdir", "remove"}).Draw(t, "op")
	m.vol.breakOn(op, rapid.SampledFrom([]error{syscall.EIO, syscall.ENOSPC}).Draw(t, "error"))
	for range rapid.IntRange(1, 3).Draw(t, "appends") {
		m.append(t)
	}
	m.settle(t)
	m.vol.breakOn("", nil)
	if m.s.State().Full || m.s.State().Failed != "" {
		m.s.Close()
		m.open(t)
	}
}

// check holds what is pending against the list.
func (m *machine) check(t *rapid.T) {
	var got []want
	for _, st := range m.s.Pending() {
		r, err := m.s.Load(st.Ref)
		if err != nil {
			t.Fatal(err)
		}
		w := want{st.Seq, string(r.Value)}
		if m.unsure[w.value] || m.again[w.value] && !slices.Contains(m.want, w) {
			continue
		}
		got = append(got, w)
	}
	if !slices.Equal(got, m.want) {
		t.Errorf("pending: %d records %.20v, want %d %.20v", len(got), got, len(m.want), m.want)
	}
	if st := m.s.State(); st.Bytes > m.opts.MaxBytes+m.opts.MaxBytes/8 {
		t.Errorf("%d bytes, at most %d", st.Bytes, m.opts.MaxBytes)
	}
}

func TestStateMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		defer func() { m.s.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"append2": m.append,
			"settle":  m.settle,
			"kill":    m.kill,
			"lose":    m.lose,
			"reopen":  m.reopen,
			"trouble": m.trouble,
			"":        m.check,
		})
	})
}
