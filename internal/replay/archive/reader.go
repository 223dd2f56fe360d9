package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	readBuffer = 256 << 10
	// maxWindow bounds what decompressing holds in memory, in bytes; that of the
	// Writer here is 8 MiB, as is that of the zstd program up to level 19.
	maxWindow = 32 << 20
)

// Reader reads an archive, a record at a time and in bounded memory. Not safe for
// concurrent use. After an error it returns the same again.
type Reader struct {
	from   io.Reader
	buf    *bufio.Reader // nil until the first line is asked for
	zstd   *zstd.Decoder // nil: not compressed
	long   []byte        // a line that is longer than buf
	parser parser
	line   int64
	most   int // MaxLine; tests have less
	ended  error
}

// NewReader makes a Reader. Whether the archive is compressed shows at its beginning.
func NewReader(r io.Reader) *Reader { return &Reader{from: r, most: MaxLine} }

// Next returns the next record, which is the caller's to keep. At the end the error
// is io.EOF; what is damaged is a *LineError, which wraps ErrTruncated where the
// archive was cut off.
func (a *Reader) Next() (Record, error) {
	var r Record
	line, err := a.read()
	if err != nil {
		return r, err
	}
	if err := a.parser.parse(line, &r); err != nil {
		return Record{}, a.end(whole(line, err))
	}
	return r, nil
}

// whole tells a line that was cut off from one that was written so.
func whole(line []byte, err error) error {
	switch {
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case line[len(line)-1] == '\n':
		return errors.New("no valid JSON: the object is not closed")
	}
	return ErrTruncated
}

// Skip passes over n records without looking into them. io.EOF says that there are
// fewer.
func (a *Reader) Skip(n int64) error {
	for ; n > 0; n-- {
		if _, err := a.read(); err != nil {
			return err
		}
	}
	return nil
}

// Line is the number of the line that was read last, from 1; 0 before the first.
func (a *Reader) Line() int64 { return a.line }

// Close gives memory back. It does not close what is read from.
func (a *Reader) Close() {
	a.ended = errors.New("archive: the reader is closed")
	if a.zstd != nil {
		a.zstd.Close()
	}
}

// read returns the next line, with its end if it has one. It is valid until the
// next call.
func (a *Reader) read() ([]byte, error) {
	if a.ended != nil {
		return nil, a.ended
	}
	if a.buf == nil {
		if err := a.sniff(); err != nil {
			return nil, a.end(err)
		}
	}
	line, err := a.slice()
	if len(line) == 0 && errors.Is(err, io.EOF) {
		a.ended = io.EOF
		return nil, io.EOF
	}
	a.line++
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, a.end(err)
	}
	return line, nil
}

// slice returns what is left up to the next line feed or the end.
func (a *Reader) slice() ([]byte, error) {
	line, err := a.buf.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	a.long = a.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		a.long = append(a.long, line...)
		if len(a.long) > a.most {
			return nil, ErrTooLong
		}
		line, err = a.buf.ReadSlice('\n')
	}
	a.long = append(a.long, line...)
	if len(a.long) > a.most {
		return nil, ErrTooLong
	}
	return a.long, err
}

// sniff looks whether the archive is compressed.
func (a *Reader) sniff() error {
	a.buf = bufio.NewReaderSize(a.from, readBuffer)
	start, err := a.buf.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !isZstd(start) {
		return nil
	}
	a.zstd, err = zstd.NewReader(a.buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(1<<62))
	if err != nil {
		return err
	}
	a.buf = bufio.NewReaderSize(a.zstd, readBuffer)
	return nil
}

// isZstd tells a zstd frame, or a skippable one, by its magic number (RFC 8878
// sections 3.1.1 and 3.1.2).
func isZstd(start []byte) bool {
	return bytes.Equal(start, []byte{0x28, 0xB5, 0x2F, 0xFD}) ||
		len(start) == 4 && start[0]&0xF0 == 0x50 && bytes.Equal(start[1:], []byte{0x2A, 0x4D, 0x18})
}

// end makes an error the last one.
func (a *Reader) end(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrTruncated
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrWindowSizeTooSmall):
		err = fmt.Errorf("%w; at most %d MiB: compress it again without --long and --ultra", err, maxWindow>>20)
	}
	a.ended = &LineError{Line: max(a.line, 1), Err: err}
	return a.ended
}
