package webhook

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// DefaultMaxBytes bounds a body where Receiver.MaxBytes is zero: the largest
// batches that providers document stay below it.
const DefaultMaxBytes = 5 << 20

// Receiver takes proven webhooks out of net/http's requests. Its fields are not
// changed once it is in use; then it is safe for concurrent use.
//
// It bounds one body, not the sum of them nor the time that they take: give the
// http.Server its ReadHeaderTimeout and ReadTimeout.
type Receiver struct {
	Verifier Verifier // nil refuses everything
	// MaxBytes bounds the body, as received and again without its gzip; 0 is
	// DefaultMaxBytes.
	MaxBytes int64
	// PublicURL is what the provider calls, without the path: "https://hooks.example.com".
	// It is needed by schemes that sign the address; the Host header is no
	// substitute, since whoever sends the request writes it.
	PublicURL string
	// Trusted are the proxies whose X-Forwarded-For is believed; see ClientIP.
	Trusted []netip.Prefix
	// Failed learns why a request was not answered with 200: a *RefusedError, a
	// *ReadError, an *UnavailableError, or what the function behind Handler returned.
	// nil: nobody does.
	Failed func(r *http.Request, err error)
	// Now is the clock that signed times are held against; nil is time.Now.
	Now func() time.Time
}

// ReadError says that an HTTP request holds no webhook that could be proven.
type ReadError struct {
	// Status is what to answer: 405 not a POST, 413 the body is over the limit, 400
	// it is not HTTP, 503 it ended early or came too slowly; a provider then sends
	// it again.
	Status int
	Err    error
}

// Error implements error.
func (e *ReadError) Error() string { return "webhook: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// The causes that net/http has no error for.
var (
	errNoPost   = errors.New("a webhook is a POST")
	errTooLarge = errors.New("the body is over the limit")
)

// Status is the answer to a request that err became of: 200 for nil, 401 for a
// *RefusedError, what a *ReadError says, and 503 for everything else, which has
// the provider send the webhook again. Some discard a webhook at any 4xx.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return http.StatusUnauthorized
	}
	if e, ok := errors.AsType[*ReadError](err); ok {
		return e.Status
	}
	return http.StatusServiceUnavailable
}

// Handler answers webhooks: 200 once handle has returned nil, else as Status
// says. A provider counts an event as delivered at 200, and sends it again else:
// handle returns nil when it is safe, and recognises what it was given before.
func (rc *Receiver) Handler(handle func(ctx context.Context, v Verified) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := rc.Receive(r)
		unread := err != nil
		if err == nil {
			err = handle(r.Context(), v)
		}
		if err != nil && rc.Failed != nil {
			rc.Failed(r, err)
		}
		rc.answer(w, Status(err), unread)
	})
}

// answer writes a status without a body. What is left of a body that was not read
// is not waited for.
func (rc *Receiver) answer(w http.ResponseWriter, status int, unread bool) {
	h := w.Header()
	if unread {
		h.Set("Connection", "close")
	}
	switch challenge := Challenge(rc.Verifier); {
	case status == http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case status == http.StatusUnauthorized && challenge != "":
		h.Set("WWW-Authenticate", challenge)
	}
	w.WriteHeader(status)
}

// Receive reads and proves one request, for servers that answer it themselves.
// The error is a *RefusedError, a *ReadError or an *UnavailableError. The body is read only if all that
// the proof needs beside it is there, once, and kept as it came, but for gzip:
// providers sign what they wrote, and a proxy may undo gzip on the way. A body that
// claims to be gzip and is not stays as it is.
//
// A token in the path is the wildcard {token} of the pattern that net/http's
// ServeMux routes by ("/hooks/shop/{token}"); other routers set it with
// r.SetPathValue.
func (rc *Receiver) Receive(r *http.Request) (Verified, error) {
	if r.Method != http.MethodPost {
		return Verified{}, &ReadError{Status: http.StatusMethodNotAllowed, Err: errNoPost}
	}
	req := rc.request(r)
	if rc.Verifier != nil {
		if err := rc.Verifier.Missing(&req); err != nil {
			return Verified{}, err
		}
		body, err := readBody(r, cmp.Or(rc.MaxBytes, DefaultMaxBytes))
		if err != nil {
			return Verified{}, err
		}
		req.Body = body
	}
	return Verify(rc.Verifier, req)
}

// request is the unproven request, its body still to come.
func (rc *Receiver) request(r *http.Request) Request {
	req := Request{
		Method:     r.Method,
		Header:     r.Header,
		PathToken:  r.PathValue("token"),
		RemoteAddr: ClientIP(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), rc.Trusted),
		ReceivedAt: rc.now(),
	}
	if rc.PublicURL != "" {
		req.URL = strings.TrimSuffix(rc.PublicURL, "/") + r.URL.RequestURI()
	}
	if r.URL.RawQuery != "" {
		req.Query = r.URL.Query()
	}
	return req
}

func (rc *Receiver) now() time.Time {
	if rc.Now != nil {
		return rc.Now()
	}
	return time.Now() //nolint:forbidigo // the default of a clock that can be set
}

// readBody reads a body of at most limit bytes and undoes gzip.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	raw, err := readUpTo(r.Body, limit)
	if err != nil {
		return nil, err
	}
	if !gzipped(r.Header["Content-Encoding"]) {
		return raw, nil
	}
	return inflate(raw, limit)
}

// readUpTo reads src, which may be nil, to its end.
func readUpTo(src io.Reader, limit int64) ([]byte, error) {
	if src == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(src, max(limit, limit+1))) // no limit is one, too
	if int64(len(b)) > limit {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, brokenBody(err)
	}
	return b, nil
}

func tooLarge(limit int64) error {
	return &ReadError{Status: http.StatusRequestEntityTooLarge, Err: fmt.Errorf("%w of %d bytes", errTooLarge, limit)}
}

// brokenBody tells a body that broke off from one that is not HTTP.
func brokenBody(err error) error {
	status := http.StatusBadRequest
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	} else if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		status = http.StatusServiceUnavailable
	}
	return &ReadError{Status: status, Err: fmt.Errorf("reading the body: %w", err)}
}

// Bounds of inflating: what any compressed body may come to, and how many times
// its size. JSON batches of like events stay well below it, bombs lie at 1:1000.
const (
	minInflated = 64 << 10
	maxRatio    = 100
)

// inflate undoes gzip, or keeps what is none.
func inflate(raw []byte, limit int64) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw, nil //nolint:nilerr // whether it is worth anything is for the proof to say
	}
	inflated, err := readUpTo(zr, min(limit, max(minInflated, maxRatio*int64(len(raw)))))
	switch {
	case err == nil:
		return inflated, nil
	case errors.Is(err, errTooLarge):
		return nil, err
	}
	return raw, nil
}

// gzipped reports whether the one coding of the body is gzip (RFC 9110, section
// 8.4.1): x-gzip is another name for it, identity is none.
func gzipped(values []string) bool {
	coding := ""
	for name := range strings.SplitSeq(strings.Join(values, ","), ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); {
		case name == "" || name == "identity":
		case coding != "":
			return false // two codings: nobody sends that, and the proof decides
		default:
			coding = name
		}
	}
	return coding == "gzip" || coding == "x-gzip"
}
