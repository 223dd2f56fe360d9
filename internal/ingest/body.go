package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
)

// Errors of reading a body.
var (
	errTooLarge   = errors.New("ingest: body over the limit")
	errOverBudget = errors.New("ingest: too many bodies in memory")
	errIncomplete = errors.New("ingest: body ended early")
	errMalformed  = errors.New("ingest: body framing is not HTTP")
)

// budget bounds what all requests hold at once: bytes of bodies, or places for
// requests in progress. Safe for concurrent use.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take reserves n, or nothing and false.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// full reports whether nothing is left.
func (b *budget) full() bool { return b.used.Load() >= b.limit }

// give returns n.
func (b *budget) give(n int64) { b.used.Add(-n) }

// bodyLimits bounds one request's body, in bytes.
type bodyLimits struct {
	received int64 // as received
	inflated int64 // after gzip
}

// maxRatio is how much larger than received a body may inflate; JSON batches of
// like events stay well below it, bombs lie at 1:1000.
const maxRatio = 100

// minInflated is what any compressed body may inflate to, however small it is.
const minInflated = 64 << 10

// freeRead is how much of every body is read without asking the budget, so that
// a few clients that announce or send large bodies never keep the small ones
// out. The bound on connections bounds its sum.
const freeRead = 16 << 10

// shares bounds what each client holds with bodies that are not complete yet:
// one that sends many large ones and finishes none leaves room for others. A
// client's only body may be of any size. Safe for concurrent use.
type shares struct {
	limit int64
	mu    sync.Mutex
	used  map[netip.Prefix]int64 // those that hold something
}

// newShares bounds each client at limit bytes.
func newShares(limit int64) *shares { return &shares{limit: limit, used: make(map[netip.Prefix]int64)} }

// take adds n to what a client holds, of which own is for the same body, or
// returns false.
func (s *shares) take(client netip.Prefix, n, own int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.used[client]
	if held > own && held+n > s.limit {
		return false
	}
	s.used[client] = held + n
	return true
}

// give takes n from what a client holds.
func (s *shares) give(client netip.Prefix, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[client] -= n; s.used[client] == 0 {
		delete(s.used, client)
	}
}

// room is where the memory of bodies comes from.
type room struct {
	all     *budget
	each    *shares
	client  netip.Prefix
	partial int64 // of each, while the body comes in
}

// take reserves n bytes for a body that comes in.
func (r *room) take(n int64) bool {
	if r.each != nil && !r.each.take(r.client, n, r.partial) {
		return false
	}
	if !r.all.take(n) {
		if r.each != nil {
			r.each.give(r.client, n)
		}
		return false
	}
	r.partial += n
	return true
}

// arrived says that the body is whole, or will never be: its client's share is
// free again.
func (r *room) arrived() {
	if r.each != nil && r.partial > 0 {
		r.each.give(r.client, r.partial)
	}
	r.each = nil
}

// body is a request body with its reservation.
type body struct {
	bytes    []byte
	room     room
	reserved int64
}

// release gives the reservation back. Who keeps the bytes afterwards, as the
// quarantine does, has a bound of its own.
func (b *body) release() { b.room.all.give(b.reserved) }

// reserve adds n bytes to the reservation.
func (b *body) reserve(n int64) error {
	if !b.room.take(n) {
		return errOverBudget
	}
	b.reserved += n
	return nil
}

// readBody reads the whole body once and inflates gzip. On success the caller
// releases it. A body that claims to be gzip and is not is kept as it is: whether
// it is worth anything is for the proof and the parser to say, and a dead letter
// keeps its bytes.
func readBody(r *http.Request, lim bodyLimits, from room) (b body, err error) {
	b = body{room: from}
	raw, err := b.read(r.Body, r.ContentLength, lim.received)
	b.room.arrived()
	if err != nil {
		b.release()
		return body{}, err
	}
	_ = r.Body.Close() // else net/http looks for more of it before it answers
	b.bytes = raw
	if !gzipped(r.Header["Content-Encoding"]) {
		return b, nil
	}
	inflated, err := b.inflate(raw, lim.inflated)
	switch {
	case err == nil:
		b.bytes = inflated
	case errors.Is(err, errTooLarge), errors.Is(err, errOverBudget):
		b.release()
		return body{}, err
	}
	return b, nil
}

// gzipped reports whether the one coding of the body is gzip (RFC 9110, section
// 8.4.1): x-gzip is another name for it, identity is none.
func gzipped(values []string) bool {
	var coding string
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch {
			case name == "" || name == "identity":
			case coding != "":
				return false // two codings: nobody sends that, and the proof decides
			default:
				coding = name
			}
		}
	}
	return coding == "gzip" || coding == "x-gzip"
}

// read reads src up to limit. size is the announced length, -1 if there is none.
// Memory is taken as the bytes arrive: an announcement costs the sender nothing
// and is not believed.
func (b *body) read(src io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, errTooLarge
	}
	full := limit + 1 // one more, so that a body of just this size ends without growing
	if size >= 0 {
		full = size + 1
	}
	buf := make([]byte, 0, min(full, freeRead))
	for {
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, readError(err)
		}
		if len(buf) < cap(buf) {
			continue
		}
		if buf, err = b.grow(buf, full); err != nil {
			return nil, err
		}
	}
}

// grow doubles a full buffer, up to full bytes.
func (b *body) grow(buf []byte, full int64) ([]byte, error) {
	larger := max(int64(len(buf))+1, min(2*int64(cap(buf)), full))
	if err := b.reserve(larger - b.reserved); err != nil {
		return nil, err
	}
	return append(make([]byte, 0, larger), buf...), nil
}

// readError tells what a body's end before its time means: over net/http's own
// limit, broken off, or not HTTP.
func readError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", errIncomplete, err)
	}
	return fmt.Errorf("%w: %w", errMalformed, err)
}

// inflate unpacks gzip under its own cap and ratio.
func (b *body) inflate(raw []byte, limit int64) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("ingest: gzip: %w", err)
	}
	limit = min(limit, max(minInflated, maxRatio*int64(len(raw))))
	return b.read(zr, -1, limit)
}
