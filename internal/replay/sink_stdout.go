package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// ErrReaderGone says that who read the output wants no more of it (a pipe into head):
// the run is over, and that is no failure.
var ErrReaderGone = errors.New("replay: nobody reads the output any more")

// streamSink writes an archive's lines to a pipe. What was read from it is not known,
// so that a run into it cannot be resumed.
type streamSink struct{ out *archive.Writer }

// newStreamSink makes a streamSink. A process must not die of SIGPIPE for
// ErrReaderGone to be seen.
func newStreamSink(w io.Writer) *streamSink { return &streamSink{archive.NewWriter(w, false)} }

// Deliver implements Sink. Lines leave at once: somebody may be waiting for them.
func (s *streamSink) Deliver(ctx context.Context, recs []broker.Message) ([]Failure, error) {
	var failed []Failure
	for i := range recs {
		if err := ctx.Err(); err != nil {
			return failed, err
		}
		rec := archived(&recs[i])
		switch err := s.out.Write(&rec); {
		case errors.Is(err, archive.ErrTooLong):
			failed = append(failed, failureOf(&recs[i], err))
		case err != nil:
			return failed, streamError(err)
		}
	}
	return failed, streamError(s.out.Flush())
}

// Flush implements Sink.
func (s *streamSink) Flush(context.Context) (json.RawMessage, error) {
	return nil, streamError(s.out.Flush())
}

// Close implements Sink.
func (s *streamSink) Close(context.Context) error { return nil }

func streamError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return ErrReaderGone
	}
	return fmt.Errorf("replay: the output: %w", err)
}
