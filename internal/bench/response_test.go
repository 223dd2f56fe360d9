package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestResponses(t *testing.T) {
	long := "X-Long: " + strings.Repeat("x", maxResponseHead)
	for _, tt := range []struct {
		name, text string
		want       response
		err        error
	}{
		{"empty 200", "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n", response{status: 200}, nil},
		{"busy", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n", response{status: 503, close: true}, nil},
		{"with a body", "HTTP/1.1 404 Not Found\r\nContent-Length:5\r\n\r\nhello", response{status: 404, length: 5}, nil},
		{"large body", "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + strings.Repeat("x", 40000), response{status: 200, length: 40000}, nil},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", response{status: 204}, nil},
		{"no chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", response{status: 200, length: lengthInChunks}, nil},
		{"chunks", "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", response{status: 500, length: lengthInChunks}, nil},
		{"cut off in the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", response{}, io.EOF},
		{"endless chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + long, response{}, errResponseHead},
		{"no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", response{}, errResponseLength},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", response{}, errResponseHead},
		{"two responses", strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 2), response{}, errResponseExtra},
		{"no HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n", response{}, errResponseHead},
		{"no status", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", response{}, errResponseHead},
		{"no header", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", response{}, errResponseHead},
		{"endless head", "HTTP/1.1 200 OK\r\n" + long, response{}, errResponseHead},
		{"cut off in the head", "HTTP/1.1 200 OK\r\nContent-Le", response{}, io.EOF},
		{"cut off in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", response{}, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newResponseReader(strings.NewReader(tt.text)).next()
			if !errors.Is(err, tt.err) || (err == nil && got != tt.want) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestResponsesInPieces reads three responses that arrive byte by byte.
func TestResponsesInPieces(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
	r := newResponseReader(iotest.OneByteReader(strings.NewReader(text)))
	for i, want := range []response{{status: 200}, {status: 401, length: 2}, {status: 200, length: lengthInChunks}} {
		if got, err := r.next(); err != nil || got != want {
			t.Errorf("response %d: got %+v, %v, want %+v", i, got, err, want)
		}
	}
}

func TestResponseReaderDoesNotAllocate(t *testing.T) {
	const text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sat, 21 Nov 2026 19:00:00 GMT\r\n\r\n"
	source := strings.NewReader(text)
	r := newResponseReader(source)
	allocs := testing.AllocsPerRun(100, func() {
		source.Reset(text)
		if _, err := r.next(); err != nil {
			t.Fatalf("next: %v", err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a response, want none", allocs)
	}
}
