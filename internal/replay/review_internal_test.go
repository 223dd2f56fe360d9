package replay

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/internal/broker"
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
		j := &job{engine: &Engine{opt: Options{Now: time.Now}}, sink: s, merged: true, window: newWindow(10)}
		j.run.Progress.Partitions = make([]PartitionProgress, 1)
		p := &piece{msgs: messages(0, 1), marks: []mark{{next: 1}}, end: mark{next: 1}}
		var b batch
		b.add(p, 0)
		go func() {
			if err := j.hand(t.Context(), &b, 0, 1); err != nil {
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
