package replay

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// watchedSink calls seen with the records of each Deliver.
type watchedSink struct{ seen func([]broker.Message) }

func (s *watchedSink) Deliver(_ context.Context, recs []broker.Message) ([]Failure, error) {
	s.seen(recs)
	return nil, nil
}

func (s *watchedSink) Flush(context.Context) (json.RawMessage, error) { return nil, nil }
func (s *watchedSink) Close(context.Context) error                    { return nil }

// pieceOf is a piece of the only range with so many messages, from an offset on.
func pieceOf(from, n int64) *piece {
	p := &piece{end: mark{next: from}}
	for o := from; o < from+n; o++ {
		p.end.next, p.end.read = o+1, o+1-from
		p.msgs, p.marks = append(p.msgs, broker.Message{Topic: "t", Offset: o}), append(p.marks, p.end)
	}
	return p
}

// jobOf is a job of one range that delivers batches of so many records.
func jobOf(sink Sink, pace Pace, batch int) *job {
	j := &job{
		engine: &Engine{opt: Options{Now: time.Now}}, sink: sink, batch: batch,
		window: newWindow(1000), pacer: newPacer(pace, time.Time{}, time.Now),
	}
	j.run.Progress.Partitions = make([]PartitionProgress, 1)
	return j
}

// TestPaceNeverPassesWhatIsNotDelivered: a batch that the pace cuts up takes the
// position forward by what was delivered of it, not by more.
func TestPaceNeverPassesWhatIsNotDelivered(t *testing.T) {
	sink := &watchedSink{}
	j := jobOf(sink, Pace{Rate: 1000}, 300)
	sink.seen = func(recs []broker.Message) {
		if got, want := j.progress().Partitions[0].Next, recs[0].Offset; got != want {
			t.Errorf("the position is %d while %d is being delivered", got, want)
		}
	}
	if err := j.deliverPiece(t.Context(), t.Context(), pieceOf(0, 300)); err != nil {
		t.Fatal(err)
	}
	if got := j.progress().Partitions[0]; got.Next != 300 || got.Delivered != 300 {
		t.Errorf("got position %d and %d delivered, want 300 of both", got.Next, got.Delivered)
	}
}
