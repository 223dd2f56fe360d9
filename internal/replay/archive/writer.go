package archive

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// writeBuffer is how much is gathered before it is written, in bytes.
const writeBuffer = 256 << 10

// Writer writes an archive. After an error it is of no more use: what was written
// since the last Flush may be incomplete. Not safe for concurrent use.
type Writer struct {
	file   counter
	buf    *bufio.Writer // of whole lines, or of what zstd makes of them
	zstd   *zstd.Encoder // nil: not compressed
	open   bool          // a zstd frame has begun
	line   []byte
	most   int // MaxLine; tests have less
	failed error
}

// NewWriter makes a Writer. w takes what is written, in order and nothing else.
func NewWriter(w io.Writer, compress bool) *Writer {
	a := &Writer{file: counter{w: w}, most: MaxLine}
	a.buf = bufio.NewWriterSize(&a.file, writeBuffer)
	if compress {
		// One goroutine, the caller's: the same records make the same bytes.
		a.zstd, a.failed = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	}
	return a
}

// Write adds a record. ErrTooLong and records that are none (no topic, a negative
// offset) leave the Writer as it was.
func (a *Writer) Write(r *Record) error {
	if a.failed != nil {
		return a.failed
	}
	if err := r.check(); err != nil {
		return err
	}
	if len(r.Key)+len(r.Value) > a.most {
		return fmt.Errorf("archive: %w", ErrTooLong)
	}
	line, err := appendLine(a.line[:0], r)
	if err != nil {
		return err
	}
	a.keep(line)
	if len(line) > a.most {
		return fmt.Errorf("archive: %w", ErrTooLong)
	}
	_, err = a.target().Write(line)
	return a.fail(err)
}

// Flush hands everything to the writer below. The archive may be cut here: a
// compressed one ends its frame.
func (a *Writer) Flush() error {
	if a.failed != nil {
		return a.failed
	}
	if a.open {
		a.open = false
		if err := a.zstd.Close(); err != nil {
			return a.fail(err)
		}
	}
	return a.fail(a.buf.Flush())
}

// Size is how many bytes the writer below has taken: after Flush, all of the archive.
func (a *Writer) Size() int64 { return a.file.n }

// target is where lines go.
func (a *Writer) target() io.Writer {
	if a.zstd == nil {
		return a.buf
	}
	if !a.open {
		a.zstd.Reset(a.buf)
		a.open = true
	}
	return a.zstd
}

// keep holds on to a line's memory for the next one unless it is unusually large.
func (a *Writer) keep(line []byte) {
	if cap(line) <= 4<<20 {
		a.line = line
	}
}

func (a *Writer) fail(err error) error {
	if err != nil {
		a.failed = fmt.Errorf("archive: %w", err)
	}
	return a.failed
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
