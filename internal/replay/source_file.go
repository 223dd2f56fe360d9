package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay/archive"
)

// fileSource reads an archive in place of topics: one lane, in the order of the file.
// Not safe for concurrent use.
type fileSource struct {
	path string
	file *os.File
	in   *archive.Reader
	at   int64 // number of the next record
	to   int64 // exclusive; negative: the end of the file
}

// openFileSource opens an archive at a record. With to negative it is read up to its
// end, otherwise it must hold that many records: so many were planned with.
func openFileSource(path string, from, to int64) (*fileSource, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's choice
	if err != nil {
		return nil, fmt.Errorf("replay: the archive cannot be opened: %w", err)
	}
	s := &fileSource{path: path, file: f, in: archive.NewReader(f), at: from, to: to}
	if err := s.in.Skip(from); err != nil {
		if err = s.explain(err); !errors.Is(err, io.EOF) {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// next returns the next record, with the topic, partition and offset that it was
// archived from, and its number in the file. At the end the error is io.EOF.
func (s *fileSource) next(ctx context.Context) (m broker.Message, number int64, err error) {
	if s.to >= 0 && s.at >= s.to {
		return m, 0, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return m, 0, err
	}
	rec, err := s.in.Next()
	if err != nil {
		return m, 0, s.explain(err)
	}
	number, s.at = s.at, s.at+1
	return broker.Message{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Time: rec.Time,
		Key: rec.Key, Value: rec.Value, Headers: rec.Headers,
	}, number, nil
}

// close closes the file.
func (s *fileSource) close() {
	s.in.Close()
	_ = s.file.Close() // it was only read
}

// explain tells the end of the file from an end too early, and says which file.
func (s *fileSource) explain(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("replay: %s: %w", s.path, err)
	case s.to >= 0:
		return fmt.Errorf("replay: %s has %d records and had at least %d when the replay was planned: it was changed; plan anew",
			s.path, s.in.Line(), s.to)
	}
	return io.EOF
}
