package spool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
)

// TestManyAtOnce appends, loads, settles and looks from many goroutines, some of
// which do not wait, while segments come and go.
func TestManyAtOnce(t *testing.T) {
	opts := options(t)
	opts.SegmentBytes, opts.MaxBytes = 64<<10, 4<<20
	s := mustOpen(t, opts)
	var left atomic.Int64
	var wait sync.WaitGroup
	for writer := range 16 {
		wait.Go(func() {
			for n := range 60 {
				left.Add(oneLife(t, s, writer, n))
			}
		})
	}
	stop := make(chan struct{})
	var look sync.WaitGroup
	look.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.State()
				s.Pending()
				for _, err := range Read(opts.Dir) {
					if err != nil {
						t.Errorf("read: %v", err)
					}
				}
			}
		}
	})
	wait.Wait()
	close(stop)
	look.Wait()
	s.Close()
	if got := mustOpen(t, opts).State().Records; int64(got) != left.Load() {
		t.Errorf("%d records left, want %d", got, left.Load())
	}
}

// oneLife appends two records, loads them and settles one; every seventh time
// the caller has no time and nothing may be left. It returns how many are left.
func oneLife(t *testing.T, s *Spool, writer, n int) int64 {
	t.Helper()
	recs := []broker.Record{record(n, 1000), record(n+1, 50)}
	recs[0].Topic = fmt.Sprintf("t-%d-%d", writer, n)
	ctx := t.Context()
	if n%7 == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Microsecond)
		defer cancel()
	}
	refs, err := s.Append(ctx, recs)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("append: %v", err)
		}
		return 0
	}
	if r, err := s.Load(refs[0]); err != nil || r.Topic != recs[0].Topic {
		t.Errorf("load: %q %v", r.Topic, err)
	}
	switch n % 10 {
	case 3:
		return 2
	case 4:
		s.Settle(refs[:1], errors.New("too large"))
		return 1
	}
	s.Settle(refs[1:], nil)
	s.Settle(refs[:1], nil)
	return 0
}

// BenchmarkAppend is what a caller gets that waits for the disk: records of 1 KB.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchSpool(b)
			recs := []broker.Record{record(1, 1000)}
			var next atomic.Int64
			var wait sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wait.Go(func() {
					for next.Add(1) <= int64(b.N) {
						refs, err := s.Append(context.Background(), recs)
						if err != nil {
							b.Error(err)
							return
						}
						s.Settle(refs, nil)
					}
				})
			}
			wait.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkDrain is how fast what is there is found, loaded and settled.
func BenchmarkDrain(b *testing.B) {
	s := benchSpool(b)
	recs := make([]broker.Record, 100)
	for i := range recs {
		recs[i] = record(i, 1000)
	}
	for n := 0; n < b.N; n += len(recs) {
		if _, err := s.Append(b.Context(), recs); err != nil {
			b.Fatal(err)
		}
	}
	opts := s.opts
	s.Close()
	b.ResetTimer()
	s, err := Open(opts)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var refs []broker.Ref
	for _, st := range s.Pending() {
		if _, err := s.Load(st.Ref); err != nil {
			b.Fatal(err)
		}
		if refs = append(refs, st.Ref); len(refs) == 50 {
			s.Settle(refs, nil)
			refs = refs[:0]
		}
	}
	s.Settle(refs, nil)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func benchSpool(b *testing.B) *Spool {
	b.Helper()
	s, err := Open(Options{Dir: b.TempDir(), MaxBytes: 4 << 30, Now: time.Now, Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
