package spool

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/broker"
)

// TestPinned: who finds the spool full of what is settled is told which record
// keeps it there.
func TestPinned(t *testing.T) {
	vol, opts := newMemory(), small()
	opts.MaxBytes = 64 << 10
	s := mustOpenOn(t, vol, opts)
	first := mustAppend(t, s, record(0, 100))
	if n := s.State().PinnedBytes; n != 0 {
		t.Errorf("%d bytes pinned by nothing", n)
	}
	var err error
	for n := 1; err == nil && n < 1000; n++ {
		var refs []broker.Ref
		refs, err = s.Append(t.Context(), []broker.Record{record(n, 1000)})
		s.Settle(refs, nil)
	}
	st := s.State()
	if st.PinnedBytes < opts.MaxBytes/2 || st.PinnedBytes >= st.Bytes || !st.Full {
		t.Errorf("state %+v", st)
	}
	want := fmt.Sprintf("of which %d are settled and wait for record %d of topic %s", st.PinnedBytes, first[0].Seq, record(0, 1).Topic)
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want it to say %q", err, want)
	}
	s.Settle(first, nil)
	mustAppend(t, s, record(1, 1000))
	if st := s.State(); st.PinnedBytes != 0 || st.Full {
		t.Errorf("then: %+v", st)
	}
}
