package replay

import (
	"context"
	"encoding/json"
	"errors"
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
	if err := j.deliverPiece(t.Context(), pieceOf(0, 300), j.byHand(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := j.progress().Partitions[0]; got.Next != 300 || got.Delivered != 300 {
		t.Errorf("got position %d and %d delivered, want 300 of both", got.Next, got.Delivered)
	}
}

// TestFlightsLandInOrder: what is acknowledged early waits for what is in front of it,
// and behind a failure the position stays where it is.
func TestFlightsLandInOrder(t *testing.T) {
	j := jobOf(&watchedSink{}, Pace{}, 10)
	answers := make(chan error)
	flights := make(chan flight, 8)
	landed := make(chan error, 1)
	ctx, stop := context.WithCancelCause(t.Context())
	go func() { landed <- j.land(flights, stop) }()
	send := func(from, n int64) {
		to := func(b *batch, done, n int) error {
			f := flight{b: b, done: done, n: n}
			if n > 0 {
				f.wait = func() ([]Failure, error) { return nil, <-answers }
			}
			flights <- f
			return nil
		}
		if err := j.deliverPiece(t.Context(), pieceOf(from, n), to); err != nil {
			t.Fatal(err)
		}
	}
	position := func() int64 { return j.progress().Partitions[0].Next }
	send(0, 10)
	send(10, 10)
	send(20, 0) // a piece of which nothing is selected
	if got := position(); got != 0 {
		t.Errorf("nothing is acknowledged, the position is %d", got)
	}
	answers <- nil
	lost := errors.New("lost")
	answers <- lost // taken once the first is settled
	send(20, 10)
	answers <- nil
	close(flights)
	if err := <-landed; !errors.Is(err, lost) || !errors.Is(context.Cause(ctx), lost) {
		t.Errorf("got %v, and the lane is told %v, want the first failure", err, context.Cause(ctx))
	}
	if got := position(); got != 10 {
		t.Errorf("the position is %d, want 10: what follows failed", got)
	}
}

// TestClock: times are written as the standard library does.
func TestClock(t *testing.T) {
	var c clock
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0),
		time.Unix(0, 999_999_999),
		time.Unix(-1, 5_000_000),
		time.Unix(1_700_000_000, 7_999_999),
		time.Unix(1_700_000_000, 70_000_000),
		time.Date(12345, 1, 2, 3, 4, 5, 678_000_000, time.UTC),
		time.Date(12345, 1, 2, 3, 4, 5, 679_000_000, time.UTC),
		time.Date(-3, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
	} {
		if got, want := string(c.append([]byte("at "), at)), "at "+at.UTC().Format(timeLayout); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
