package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// A process may die before its second checkpoint, which is the first to know of
// records.
func TestFileSinkGoesOnAfterItsFirstCheckpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	s := mustSink(t, path, &Run{})
	run := &Run{Sink: flush(t, s), Resumed: 1} // of nothing
	deliver(t, s, messages(0, 3))
	if err := s.out.Flush(); err != nil { // and the process dies
		t.Fatal(err)
	}
	s.file.Close()

	s = mustSink(t, path, run)
	deliver(t, s, messages(0, 4))
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffsets(t, path, 0, 4)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// slowSink delivers when it is let.
type slowSink struct{ let chan struct{} }

func (s slowSink) Deliver(ctx context.Context, _ []broker.Message) ([]Failure, error) {
	select {
	case <-s.let:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (slowSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }
func (slowSink) Close(context.Context) error                    { return nil }

// A target that answers late is no trouble of a checkpoint's: one lane or many, what
// was delivered before is written down, and the run is heard of.
func TestCheckpointsDoNotWaitForDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := slowSink{make(chan struct{})}
		j := &job{
			engine: &Engine{opt: Options{Now: time.Now}}, sink: s, merged: true, window: newWindow(10), batch: 1,
			pacer: newPacer(Pace{}, time.Time{}, time.Now),
		}
		j.run.Progress.Partitions = make([]PartitionProgress, 1)
		l := &lane{job: j, ctx: t.Context(), deliver: t.Context(), left: -1}
		go func() {
			if err := l.take(&piece{msgs: messages(0, 1), marks: []mark{{next: 1}}, end: mark{next: 1}}, 0); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if c, n, err := j.flush(t.Context()); err != nil || n != 0 || c.Progress.Partitions[0].Next != 0 {
			t.Errorf("a checkpoint of %d records up to %+v, %v, want one of nothing", n, c, err)
		}
		close(s.let)
		synctest.Wait()
		if c, n, err := j.flush(t.Context()); err != nil || n != 1 || c.Progress.Partitions[0].Next != 1 {
			t.Errorf("a checkpoint of %d records up to %+v, %v, want one of all", n, c, err)
		}
	})
}

// countingSink counts.
type countingSink struct {
	batches, records int
}

func (s *countingSink) Deliver(_ context.Context, recs []broker.Message) ([]Failure, error) {
	s.batches++
	s.records += len(recs)
	return nil, nil
}

func (*countingSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }
func (*countingSink) Close(context.Context) error                    { return nil }

// At the pace of their own times, records that are due go together: one at a time they
// would fall behind.
func TestWhatIsDueGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &countingSink{}
		j := &job{
			engine: &Engine{opt: Options{Now: time.Now}}, sink: sink, merged: true, window: newWindow(1000), batch: 500,
			pacer: newPacer(Pace{Speed: 1}, time.Time{}, time.Now),
		}
		j.run.Progress.Partitions = make([]PartitionProgress, 1)
		l := &lane{job: j, ctx: t.Context(), deliver: t.Context(), left: -1}
		began := time.Now()
		p := &piece{msgs: messages(0, 400)} // a millisecond apart
		p.msgs[399].Time = p.msgs[0].Time.Add(time.Hour)
		for i := range p.msgs {
			p.marks = append(p.marks, mark{next: int64(i + 1)})
		}
		if err := l.take(p, 0); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second) // the target was slow
		for i := 1; i < len(p.msgs); i++ {
			if err := l.take(p, i); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); sink.records != 400 || sink.batches > 3 || took != time.Hour {
			t.Errorf("%d records in %d batches after %v, want 400 in at most 3 after an hour", sink.records, sink.batches, took)
		}
	})
}

// A range that cannot be read is not at its end: nothing later than it is delivered.
func TestAMergeStopsWhereARangeBreaks(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	streams := []*stream{{pieces: make(chan *piece, 1)}, {pieces: make(chan *piece), err: broken}}
	streams[0].pieces <- &piece{msgs: messages(0, 1)}
	close(streams[1].pieces)
	err := drain(t.Context(), streams, func(p *piece, i int) error {
		t.Errorf("delivered %d", p.msgs[i].Offset)
		return nil
	}, func(*piece) error { return nil })
	if !errors.Is(err, broken) {
		t.Errorf("drain = %v, want that it is broken", err)
	}
}

// The window asks for a checkpoint while there is still room to go on in.
func TestWindowAsksInTime(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{1: 0, 2: 2, 3: 3, 10: 6} {
		w, asked := newWindow(size), 0
		for i := 1; i <= size && asked == 0; i++ {
			if err := w.enter(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			select {
			case <-w.full:
				asked = i
			default:
			}
		}
		if asked != want {
			t.Errorf("a window of %d asks at %d, want %d", size, asked, want)
		}
	}
}

// Large records of an archive are not gathered by the hundred.
func TestLargeRecordsOfAFileMakeSmallPieces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	s := mustSink(t, path, nil)
	recs := messages(0, 8)
	for i := range recs {
		recs[i].Value = bytes.Repeat([]byte("x"), 1<<20)
	}
	deliver(t, s, recs)
	flush(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	req := Request{FromFile: path, Exact: true}
	choose, err := newChooser(&req, "message")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{plan: &Plan{Request: req, Ranges: []Range{{To: -1}}}, choose: choose}
	read := 0
	err = r.read(t.Context(), 0, 0, func(p *piece) error {
		if read += len(p.msgs); len(p.msgs) > 3 {
			t.Errorf("a piece of %d records of a mebibyte", len(p.msgs))
		}
		return nil
	})
	if err != nil || read != 8 {
		t.Errorf("read %d records, %v", read, err)
	}
}

// Where a run ends within a batch, the file does not keep the part before that: a
// resumed run would put it there twice.
func TestFileSinkKeepsNoPartOfABatch(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*fileSink, context.Context, []broker.Message) bool{
		"its context ends": func(s *fileSink, ctx context.Context, recs []broker.Message) bool {
			_, err := s.Deliver(endsAfter(ctx, 3), recs)
			return errors.Is(err, context.Canceled)
		},
		"a record is too long": func(s *fileSink, ctx context.Context, recs []broker.Message) bool {
			recs[3].Value = make([]byte, archive.MaxLine)
			failed, err := s.Deliver(ctx, recs)
			return err == nil && len(failed) == 1
		},
	} {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		s := mustSink(t, path, &Run{})
		deliver(t, s, messages(0, 2))
		run := &Run{Sink: flush(t, s), Resumed: 1}
		if !stop(s, t.Context(), messages(2, 5)) {
			t.Errorf("%s: the batch is delivered", name)
		}
		if state, err := s.Flush(t.Context()); err == nil {
			t.Errorf("%s: Flush = %s, want that there is nothing more to go on from", name, state)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s = mustSink(t, path, run)
		deliver(t, s, messages(2, 5))
		flush(t, s)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOffsets(t, path, 0, 7)
	}
}

// endsAfter is a context that is found ended after so many looks.
func endsAfter(ctx context.Context, looks int) context.Context { return &endingContext{ctx, looks} }

type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
