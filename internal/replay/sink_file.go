package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// fileState is what a checkpoint holds of a file: it is cut there when a run is
// resumed, so that no record is in it twice.
type fileState struct {
	Size    int64 `json:"size"`    // bytes
	Records int64 `json:"records"` // in them
}

// fileSink writes an archive. Records go into it as they are, without marks, so that
// they come back as they were.
//
// A file that cannot be written (a full disk) ends the run, which can be resumed: the
// file then ends where the last checkpoint says, on a whole record.
type fileSink struct {
	file   *os.File
	out    *archive.Writer
	base   int64 // where this process began to write
	state  fileState
	added  int64 // records since state
	failed error
	goOn   bool // beyond records that cannot be archived
}

// newFileSink opens the file of a run. A new run does not touch a file that exists. A
// resumed one goes on in its own: as far as the last checkpoint says, or from the
// beginning, if the run ended before its first.
func newFileSink(path string, run *Run) (*fileSink, error) {
	s := &fileSink{goOn: run == nil || run.Plan.Request.GoOn}
	if run != nil && run.Sink != nil {
		if err := json.Unmarshal(run.Sink, &s.state); err != nil || s.state.Size < 0 {
			return nil, fmt.Errorf("replay: the checkpoint of run %s says nothing of its file %s; begin anew with another file", run.ID, path)
		}
	}
	var err error
	if s.file, err = openTarget(path, s.state, run); err != nil {
		return nil, err
	}
	s.base = s.state.Size
	s.out = archive.NewWriter(s.file, strings.HasSuffix(path, ".zst"))
	return s, nil
}

// openTarget opens a file to go on at its state.
func openTarget(path string, state fileState, run *Run) (*os.File, error) {
	if run != nil && run.Resumed > 0 {
		f, err := reopen(path, state, run.Sink != nil)
		if err == nil || state.Size > 0 || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the path is the user's choice
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("replay: %s exists already and is not overwritten; choose another file, or remove it", path)
	case err != nil:
		return nil, fmt.Errorf("replay: %w", err)
	}
	if err := syncFolder(path); err != nil {
		return nil, errors.Join(fmt.Errorf("replay: %w", err), f.Close())
	}
	return f, nil
}

// reopen opens the file of an earlier process and cuts off what it wrote after its
// last checkpoint. The first is before the first record: a file with something in it is
// ours only if there was one.
func reopen(path string, state fileState, begun bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("replay: the file of this run cannot be opened: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is no regular file", path)
	case info.Size() < state.Size:
		err = fmt.Errorf("%s has %d bytes and had %d at the last checkpoint: it was changed since, and cannot be gone on with; begin anew with another file",
			path, info.Size(), state.Size)
	case !begun && info.Size() > 0:
		err = fmt.Errorf("%s exists already, is not of this run, and is not overwritten; move it away", path)
	default:
		err = cut(f, state.Size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replay: %w", err), f.Close())
	}
	return f, nil
}

// cut ends a file at a size, where writing goes on.
func cut(f *os.File, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	_, err := f.Seek(size, io.SeekStart)
	return err
}

// syncFolder makes a new file's name outlive a loss of power.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it was only read
	return dir.Sync()
}

// Deliver implements Sink. Where it stops within recs, what it has written of them is
// not to stay: a run that is resumed delivers all of them.
func (s *fileSink) Deliver(ctx context.Context, recs []broker.Message) ([]Failure, error) {
	var failed []Failure
	for i := range recs {
		if err := ctx.Err(); err != nil {
			return failed, s.fail(err)
		}
		rec := archived(&recs[i])
		switch err := s.out.Write(&rec); {
		case err == nil:
			s.added++
		case errors.Is(err, archive.ErrTooLong):
			failed = append(failed, failureOf(&recs[i], err))
			if !s.goOn {
				_ = s.fail(err) // the run ends of the failure
				return failed, nil
			}
		default:
			return failed, s.fail(err)
		}
	}
	return failed, nil
}

// Flush implements Sink.
func (s *fileSink) Flush(context.Context) (json.RawMessage, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	if err := s.out.Flush(); err != nil {
		return nil, s.fail(err)
	}
	if err := s.file.Sync(); err != nil {
		return nil, s.fail(err)
	}
	s.state = fileState{Size: s.base + s.out.Size(), Records: s.state.Records + s.added}
	s.added = 0
	return json.Marshal(s.state)
}

// Close implements Sink. What was not flushed is cut off: no checkpoint knows of it.
func (s *fileSink) Close(context.Context) error {
	if err := errors.Join(cut(s.file, s.state.Size), s.file.Close()); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// fail ends writing. What has no checkpoint is cut off at once: on a full disk that
// makes room, and the file is whole.
func (s *fileSink) fail(err error) error {
	if s.failed == nil {
		s.failed = fmt.Errorf("replay: %w; the file is whole up to the last checkpoint (%d records); resume the run when the cause is gone",
			err, s.state.Records)
		_ = cut(s.file, s.state.Size) // Close tries again and tells
	}
	return s.failed
}

// archived is a record as archives hold it.
func archived(m *broker.Message) archive.Record {
	return archive.Record{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: m.Key, Value: m.Value, Headers: m.Headers,
	}
}

func failureOf(m *broker.Message, err error) Failure {
	return Failure{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Error: err.Error()}
}
