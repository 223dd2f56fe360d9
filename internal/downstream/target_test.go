//go:build unix

package downstream_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// secret signs all deliveries here.
const secret = "whsec_c2lnbmluZyBzZWNyZXQgb2YgMzIgYnl0ZXMhIQ=="

// target is an HTTP server without net/http's manners: it plays a script for each
// webhook-id, byte by byte, and notes what it was sent.
type target struct {
	listener net.Listener
	scripts  map[string]script
	others   fault // where there is no script
	verify   *oracle.Webhook
	served   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	got   map[string][]arrival
}

// script is what becomes of one event: so many attempts meet the fault, then all is well.
type script struct {
	fault fault
	times int
}

// fault answers a request, or not. It reports whether the connection may be used again.
type fault func(c *net.TCPConn, req *http.Request) (reuse bool)

// always is more attempts than any schedule has.
const always = 1 << 20

// arrival is one request.
type arrival struct {
	at      time.Time
	attempt int
	stamp   time.Time // webhook-timestamp
	err     error     // of its signature
}

// serveTarget starts a target; what has no script is answered 200.
func serveTarget(t *testing.T, scripts map[string]script) *target {
	t.Helper()
	return serveFault(t, scripts, status(http.StatusOK))
}

// serveFault starts a target; others becomes of what has no script.
func serveFault(t *testing.T, scripts map[string]script, others fault) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	verify, err := oracle.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	g := &target{listener: l, scripts: scripts, others: others, verify: verify, conns: map[net.Conn]bool{}, got: map[string][]arrival{}}
	g.served.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *target) url() string { return "http://" + g.listener.Addr().String() + "/hooks?token=geheim" }

func (g *target) close() {
	g.listener.Close()
	g.mu.Lock()
	for c := range g.conns {
		c.Close()
	}
	g.mu.Unlock()
	g.served.Wait()
}

func (g *target) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return
		}
		g.mu.Lock()
		g.conns[c] = true
		g.mu.Unlock()
		g.served.Go(func() {
			defer func() {
				g.mu.Lock()
				delete(g.conns, c)
				g.mu.Unlock()
				c.Close()
			}()
			g.serve(tcp)
		})
	}
}

// serve plays request after request.
func (g *target) serve(c *net.TCPConn) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		id := req.Header.Get("webhook-id")
		s := g.scripts[id]
		attempt, _ := strconv.Atoi(req.Header.Get("Postrider-Attempt"))
		play := s.fault
		if play == nil || attempt > s.times {
			play = g.others
		}
		a := arrival{at: time.Now(), attempt: attempt}
		body, err := io.ReadAll(req.Body)
		if err == nil {
			a.err = g.verify.Verify(body, req.Header)
		}
		if seconds, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64); err == nil {
			a.stamp = time.Unix(seconds, 0)
		}
		g.mu.Lock()
		g.got[id] = append(g.got[id], a)
		g.mu.Unlock()
		if !play(c, req) {
			return
		}
	}
}

// arrivals are the attempts with one event. What the transport sent twice, since the
// connection was no good, is one.
func (g *target) arrivals(id string) []arrival {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.CompactFunc(slices.Clone(g.got[id]), func(a, b arrival) bool { return a.attempt == b.attempt })
}

// ids are those that came.
func (g *target) ids() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.got)
}

// status answers in the proper way, with some more headers.
func status(code int, headers ...string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		length := "Content-Length: 0\r\n"
		if code == http.StatusNoContent || code == http.StatusNotModified {
			length = ""
		}
		_, err := fmt.Fprintf(c, "HTTP/1.1 %d Whatever\r\n%s%s\r\n", code, length, strings.Join(append(headers, ""), "\r\n"))
		return err == nil
	}
}

// whole sends a whole answer; the connection can be used again.
func whole(s string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		_, err := io.WriteString(c, s)
		return err == nil
	}
}

// text sends bytes and ends the connection in order.
func text(s string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		_, _ = io.WriteString(c, s)
		return false
	}
}

// reset sends bytes and breaks the connection.
func reset(s string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		_, _ = io.WriteString(c, s)
		_ = c.SetLinger(0)
		return false
	}
}

// hang sends bytes and nothing more until the other side has had enough.
func hang(s string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		_, _ = io.WriteString(c, s)
		_, _ = io.Copy(io.Discard, c)
		return false
	}
}

// drip sends some bytes, and then others again and again, slowly.
func drip(s, again string, every time.Duration) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		_, err := io.WriteString(c, s)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for err == nil {
			_, err = io.WriteString(c, again)
			<-tick.C
		}
		return false
	}
}

// flood sends some bytes, and then others again and again, as fast as they are taken.
func flood(s, again string) fault {
	return func(c *net.TCPConn, _ *http.Request) bool {
		again := strings.Repeat(again, 1+64<<10/len(again))
		_, err := io.WriteString(c, s)
		for err == nil {
			_, err = io.WriteString(c, again)
		}
		return false
	}
}

// deaf answers once, has the connection look as if it could be used again, and breaks it
// when it is.
func deaf() fault {
	return func(c *net.TCPConn, req *http.Request) bool {
		status(http.StatusOK)(c, req)
		_, _ = io.ReadFull(c, make([]byte, 1)) // the next request begins
		_ = c.SetLinger(0)
		return false
	}
}

// bomb is an answer whose body grows a thousandfold if it is unpacked.
func bomb(code int) fault {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, 64<<20))
	_ = w.Close()
	return whole(fmt.Sprintf("HTTP/1.1 %d Whatever\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", code, packed.Len(), packed.String()))
}

// What a fault has to lead to.
type outcome uint8

const (
	arrives  outcome = iota // it is a delivery all the same
	soon                    // is tried again in place, then after the delay
	later                   // is tried again after the delay
	withheld                // waits longer than any test: the target asked for it
)

// act is one fault with what it has to lead to.
type act struct {
	name  string
	fault fault
	want  outcome
}

// acts are all that the target can do once it has read a request.
func acts(trap string) []act {
	var list []act
	add := func(want outcome, name string, f fault) { list = append(list, act{name, f, want}) }
	for _, code := range []int{200, 201, 202, 204, 206, 299} {
		add(arrives, strconv.Itoa(code), status(code))
	}
	for _, code := range []int{300, 301, 302, 303, 304, 307, 308} {
		add(later, strconv.Itoa(code), status(code, "Location: "+trap))
	}
	for _, code := range []int{400, 401, 402, 403, 404, 405, 406, 409, 411, 413, 415, 422, 451, 499} {
		add(later, strconv.Itoa(code), status(code))
	}
	for _, code := range []int{408, 425, 429, 500, 501, 502, 503, 504, 507, 599} {
		add(soon, strconv.Itoa(code), status(code))
	}
	for _, after := range []string{"86400", "Fri, 01 Jan 2100 00:00:00 GMT", "9223372036854775807", "99999999999999999999999"} {
		add(withheld, "429 until "+after, status(429, "Retry-After: "+after))
		add(withheld, "503 until "+after, status(503, "Retry-After: "+after))
	}
	for _, after := range []string{"-1", "-9223372036854775808", "0", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT", "1e9", "0x7fffffff"} {
		add(soon, "429 until "+strconv.Quote(after), status(429, "Retry-After: "+after))
	}
	for _, code := range []int{200, 302, 400, 503} {
		want := map[int]outcome{200: arrives, 302: later, 400: later, 503: soon}[code]
		head := fmt.Sprintf("HTTP/1.1 %d Whatever\r\n", code)
		add(want, strconv.Itoa(code)+" half a body, end", text(head+"Content-Length: 100\r\n\r\nhalf"))
		add(want, strconv.Itoa(code)+" half a body, reset", reset(head+"Content-Length: 100\r\n\r\nhalf"))
		add(want, strconv.Itoa(code)+" half a body, silence", hang(head+"Content-Length: 100\r\n\r\nhalf"))
		add(want, strconv.Itoa(code)+" broken chunks", text(head+"Transfer-Encoding: chunked\r\n\r\n5\r\nhal"))
		add(want, strconv.Itoa(code)+" endless body", flood(head+"\r\n", "more"))
		add(want, strconv.Itoa(code)+" slow body", drip(head+"\r\n", "x", 20*time.Millisecond))
		add(want, strconv.Itoa(code)+" gzip bomb", bomb(code))
		add(soon, strconv.Itoa(code)+" status line, reset", reset(head))
		add(soon, strconv.Itoa(code)+" status line, end", text(head))
		add(soon, strconv.Itoa(code)+" status line, silence", hang(head))
		add(soon, strconv.Itoa(code)+" slow headers", drip(head, "X-More: more\r\n", 20*time.Millisecond))
		add(soon, strconv.Itoa(code)+" endless headers", flood(head, "X-More: more\r\n"))
		add(soon, strconv.Itoa(code)+" endless header", flood(head+"X-More: ", "more"))
	}
	add(arrives, "103 before 200", whole("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	add(soon, "103 without end", flood("", "HTTP/1.1 103 Early Hints\r\n\r\n"))
	add(soon, "100 and silence", hang("HTTP/1.1 100 Continue\r\n\r\n"))
	add(soon, "end", text(""))
	add(soon, "reset", reset(""))
	add(soon, "silence", hang(""))
	add(soon, "half a status line, reset", reset("HTTP/1.1 2"))
	add(soon, "half a status line, silence", hang("HTTP/1.1 2"))
	add(soon, "slow status line", drip("HTTP/1.1 200 ", "O", 20*time.Millisecond))
	add(soon, "no HTTP", text("220 mail.example.com ESMTP\r\n"))
	add(soon, "no HTTP at all", flood("", "\x00\xff"))
	add(soon, "a code of letters", text("HTTP/1.1 abc OK\r\n\r\n"))
	add(soon, "lengths that contradict", text("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"))
	return list
}
