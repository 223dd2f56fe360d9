package ingest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
)

// rawConn is a TCP connection for requests that a well-behaved client would not
// send.
type rawConn struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (r *rig) dial() *rawConn {
	r.t.Helper()
	c, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return &rawConn{t: r.t, conn: c, r: bufio.NewReader(c)}
}

func (c *rawConn) close() { c.conn.Close() }

func (c *rawConn) send(req *http.Request) {
	c.t.Helper()
	if err := req.Write(c.conn); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawConn) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// status reads an answer.
func (c *rawConn) status() int {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// closedByServer waits until the server closes the connection, whatever it
// sends before.
func (c *rawConn) closedByServer() {
	c.t.Helper()
	_, err := io.Copy(io.Discard, c.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Error("the server keeps the connection")
	}
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.ReadHeaderTimeout = 50 * time.Millisecond })
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/jet HTTP/1.1\r\nHost: x\r\n")
	c.closedByServer()
}

func TestSlowBodyIsCutOff(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.ReadTimeout = 100 * time.Millisecond })
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"type\":")
	if status := c.status(); status != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503: the network may be to blame, and a 4xx would make providers discard the event", status)
	}
	c.closedByServer()
	if len(r.pub.topic("raw")) != 0 {
		t.Error("half a body was published")
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.IdleTimeout = 50 * time.Millisecond })
	c := r.dial()
	defer c.close()
	c.send(r.signed(jetEvent("a")))
	if status := c.status(); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	c.closedByServer()
}

func TestLargeHeadersAreRefused(t *testing.T) {
	r := start(t, nil)
	req := r.signed(jetEvent("a"))
	req.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	r2 := r.dial()
	defer r2.close()
	c := make(chan struct{})
	go func() { defer close(c); _ = req.Write(r2.conn) }()
	if status := r2.status(); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d, want 431", status)
	}
	r2.close()
	<-c
}

func TestMissingProofIsAnsweredBeforeTheBody(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/jet HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n") // no body follows
	if status := c.status(); status != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", status)
	}
	c.closedByServer()
}

func TestAnnouncedSizeOverTheLimitIsAnsweredBeforeTheBody(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
	if status := c.status(); status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", status)
	}
}

func TestChunkedBodyIsBounded(t *testing.T) {
	r := start(t, nil)
	req := r.request("POST", "/v1/webhooks/vfs/"+urlToken, "")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", 80<<10))), -1
	r.want(req, http.StatusRequestEntityTooLarge)
	small := r.request("POST", "/v1/webhooks/vfs/"+urlToken, "")
	body := `{"type":"Sent","eventId":"1","pad":"` + strings.Repeat("y", 20<<10) + `"}`
	small.Body, small.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	r.want(small, http.StatusOK)
	if raw := r.pub.topic("raw"); len(raw) != 1 || string(raw[0].Value) != body {
		t.Error("the chunked body is not in the raw topic as it was sent")
	}
}

func TestRequestsInProgressAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.MaxConcurrent = 1
		p.entered, p.release = entered, release
	})
	first := r.dial()
	defer first.close()
	first.send(r.signed(jetEvent("a")))
	<-entered
	res := r.want(r.signed(jetEvent("b")), http.StatusTooManyRequests)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	if status := first.status(); status != http.StatusOK {
		t.Errorf("the first request got %d", status)
	}
}

// Where all places are taken a request is told so before its body is read: it
// costs neither its sender nor us anything.
func TestOverloadIsAnsweredBeforeTheBody(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.MaxConcurrent = 1
		p.entered, p.release = entered, release
	})
	first := r.dial()
	defer first.close()
	first.send(r.signed(jetEvent("a")))
	<-entered
	second := r.dial()
	defer second.close()
	second.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n") // no body follows
	if status := second.status(); status != http.StatusTooManyRequests {
		t.Errorf("got %d, want 429", status)
	}
	close(release)
	if status := first.status(); status != http.StatusOK {
		t.Errorf("the first request got %d", status)
	}
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.MaxBufferedBytes = 60 << 10
		p.entered, p.release = entered, release
	})
	body := jetEvent("a") + strings.Repeat(" ", 40<<10)
	first := r.dial()
	defer first.close()
	first.send(r.signed(body))
	<-entered
	res := r.want(r.signed(body), http.StatusTooManyRequests)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	go func() { <-entered }()
	small := r.dial()
	defer small.close()
	small.send(r.signed(jetEvent("b"))) // passes all the same
	close(release)
	if a, b := first.status(), small.status(); a != http.StatusOK || b != http.StatusOK {
		t.Errorf("the first request got %d, the small one %d", a, b)
	}
	go func() { <-entered }()
	r.want(r.signed(body), http.StatusOK) // the memory is given back
}

func TestAnnouncedBodiesTakeNoMemory(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxBufferedBytes = 128 << 10 })
	for range 20 {
		c := r.dial()
		defer c.close()
		c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
	}
	r.want(r.signed(jetEvent("a")+strings.Repeat(" ", 40<<10)), http.StatusOK)
}

func TestLargeBatchesWaitForEachOther(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.MaxBufferedBytes = 1 << 20 // room for one of these batches
		o.Limits.Budget = 100 * time.Millisecond
		p.entered, p.release = entered, release
	})
	batch := "[" + strings.Repeat(`{"type":"Opened"},`, 600) + `{"type":"Opened"}]`
	path := "/v1/webhooks/vfs/" + urlToken
	first := r.dial()
	defer first.close()
	first.send(r.request("POST", path, batch))
	<-entered
	res := r.want(r.request("POST", path, batch), http.StatusTooManyRequests)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	go func() { <-entered }()
	go func() { release <- struct{}{}; release <- struct{}{} }()
	r.want(r.signed(jetEvent("a")), http.StatusOK)
	first.status()
	go func() { <-entered; release <- struct{}{} }()
	if res := r.do(r.request("POST", path, batch)); res.StatusCode == http.StatusTooManyRequests {
		t.Error("the memory was not given back")
	}
}

func TestMalformedFramingIsTheClientsFault(t *testing.T) {
	r := start(t, nil)
	c := r.dial()
	defer c.close()
	c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if status := c.status(); status != http.StatusBadRequest {
		t.Errorf("got %d, want 400", status)
	}
}

func TestRefusalReachesAClientThatIsStillSending(t *testing.T) {
	r := start(t, nil)
	for range 20 {
		r.want(r.request("POST", "/v1/webhooks/jet", strings.Repeat("x", 60<<10)), http.StatusUnauthorized)
		r.want(r.request("POST", "/v1/webhooks/nobody", strings.Repeat("x", 60<<10)), http.StatusNotFound)
	}
}

func TestLimitsMustBeSet(t *testing.T) {
	for name, unset := range map[string]func(*ingest.Limits){
		"read header timeout": func(l *ingest.Limits) { l.ReadHeaderTimeout = 0 },
		"read timeout":        func(l *ingest.Limits) { l.ReadTimeout = 0 },
		"write timeout":       func(l *ingest.Limits) { l.WriteTimeout = 0 },
		"idle timeout":        func(l *ingest.Limits) { l.IdleTimeout = 0 },
		"publish budget":      func(l *ingest.Limits) { l.Budget = 0 },
		"header bytes":        func(l *ingest.Limits) { l.MaxHeaderBytes = 0 },
		"connections":         func(l *ingest.Limits) { l.MaxConnections = 0 },
		"concurrent requests": func(l *ingest.Limits) { l.MaxConcurrent = 0 },
		"inflated bytes":      func(l *ingest.Limits) { l.MaxInflatedBytes = 0 },
		"buffered bytes":      func(l *ingest.Limits) { l.MaxBufferedBytes = 0 },
	} {
		l := testLimits()
		unset(&l)
		if _, err := ingest.New(ingest.Options{Limits: l}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}
