package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxResponseHead bounds the status line and headers of a response, in bytes.
const maxResponseHead = 16 << 10

// Errors of reading a response.
var (
	errResponseHead   = errors.New("bench: response head not understood")
	errResponseLength = errors.New("bench: response without Content-Length or chunks")
	errResponseExtra  = errors.New("bench: bytes after the response")
)

// Lengths that are none.
const (
	lengthInChunks = -1
	lengthUnknown  = -2
)

// response is what the generator looks at in an HTTP/1.1 response.
type response struct {
	status int
	length int  // of the body, in bytes, or lengthInChunks
	close  bool // the server closes the connection
}

// lastChunk ends a body in chunks that has no trailers (RFC 9112, section 7.1).
var lastChunk = []byte("\r\n0\r\n\r\n")

// responseReader reads the responses of one connection, one request at a time:
// no pipelining. It does not allocate once it is made.
type responseReader struct {
	conn   io.Reader
	buffer []byte
}

// newResponseReader reads from conn.
func newResponseReader(conn io.Reader) *responseReader {
	return &responseReader{conn: conn, buffer: make([]byte, maxResponseHead)}
}

// next reads one response and throws its body away. Bytes beyond it are an
// error: nothing was asked that they could answer.
func (r *responseReader) next() (response, error) {
	filled, head := 0, -1
	for head < 0 {
		if filled == len(r.buffer) {
			return response{}, fmt.Errorf("%w: longer than %d bytes", errResponseHead, maxResponseHead)
		}
		n, err := r.conn.Read(r.buffer[filled:])
		filled += n
		if head = bytes.Index(r.buffer[:filled], []byte("\r\n\r\n")); head < 0 && err != nil {
			return response{}, fmt.Errorf("bench: read response: %w", err)
		}
	}
	resp, err := parseHead(r.buffer[:head])
	if err != nil {
		return response{}, err
	}
	if resp.length == lengthInChunks {
		return resp, r.chunks(head+len("\r\n"), filled)
	}
	rest := resp.length - (filled - head - len("\r\n\r\n"))
	if rest < 0 {
		return response{}, errResponseExtra
	}
	return resp, r.discard(rest)
}

// chunks reads a short body in chunks up to its end; from is where the empty line before
// it begins.
func (r *responseReader) chunks(from, filled int) error {
	for !bytes.HasSuffix(r.buffer[from:filled], lastChunk) {
		if filled == len(r.buffer) {
			return fmt.Errorf("%w: longer than %d bytes", errResponseHead, maxResponseHead)
		}
		n, err := r.conn.Read(r.buffer[filled:])
		if filled += n; n == 0 && err != nil {
			return fmt.Errorf("bench: read response body: %w", err)
		}
	}
	return nil
}

// discard reads n bytes and forgets them.
func (r *responseReader) discard(n int) error {
	for n > 0 {
		read, err := r.conn.Read(r.buffer[:min(n, len(r.buffer))])
		if n -= read; n > 0 && err != nil {
			return fmt.Errorf("bench: read response body: %w", err)
		}
	}
	return nil
}

// parseHead reads the status line and the two headers that matter; head is
// without the empty line at its end.
func parseHead(head []byte) (response, error) {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return response{}, fmt.Errorf("%w: status line %q", errResponseHead, shorten(line))
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil || status < 200 || status > 599 {
		return response{}, fmt.Errorf("%w: status line %q", errResponseHead, shorten(line))
	}
	resp := response{status: status, length: lengthUnknown}
	if status == 204 || status == 304 {
		resp.length = 0
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if err := resp.header(line); err != nil {
			return response{}, err
		}
	}
	if resp.length == lengthUnknown {
		return response{}, errResponseLength
	}
	return resp, nil
}

// header takes one header line in.
func (r *response) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: header line %q", errResponseHead, shorten(line))
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 {
			return fmt.Errorf("%w: header line %q", errResponseHead, shorten(line))
		}
		r.length = n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")) && bytes.EqualFold(value, []byte("chunked")):
		r.length = lengthInChunks
	case bytes.EqualFold(name, []byte("Connection")):
		r.close = strings.EqualFold(string(value), "close")
	}
	return nil
}

// shorten keeps the beginning of a line that goes into an error.
func shorten(line []byte) []byte { return line[:min(len(line), 60)] }
