package ingest_test

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/ingest"
)

// dialFrom connects from one of the machine's own addresses.
func (r *rig) dialFrom(address string) *rawConn {
	r.t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	c, err := d.DialContext(r.t.Context(), "tcp", r.addr)
	if err != nil {
		r.t.Skipf("no second address to send from: %v", err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return &rawConn{t: r.t, conn: c, r: bufio.NewReader(c)}
}

// halfABody is a request that is not complete yet, and the rest of it.
func halfABody() (begin, rest string) {
	body := `{"type":"Sent","eventId":"slow"}`
	return "POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\r\n" + body[:8], body[8:]
}

// trickle opens connections that hold what they can and never end: some with
// half a body, some with half a header, some with nothing.
func (r *rig) trickle(n int) {
	r.t.Helper()
	begin, _ := halfABody()
	for i := range n {
		c := r.dial()
		r.t.Cleanup(c.close)
		switch i % 3 {
		case 0:
			c.write(begin)
		case 1:
			c.write(begin[:20])
		}
	}
}

// Clients that send byte by byte, however many, keep nobody out: not even one
// good request waits for a time-out.
func TestTricklingConnectionsKeepNobodyOut(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxConnections, o.Limits.MaxConcurrent = 20, 4 })
	began := time.Now()
	for range 10 {
		r.trickle(30)
		r.want(r.signed(jetEvent("a")), http.StatusOK)
	}
	if took := time.Since(began); took > 8*time.Second { // the time-outs are 10 s
		t.Errorf("ten good requests took %s", took)
	}
}

// A connection whose request is being worked on keeps its place, whoever comes;
// the bound holds all the same.
func TestConnectionsAreBounded(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Limits.MaxConnections = 2
		p.entered, p.release = entered, release
	})
	var busy [2]*rawConn
	for i := range busy {
		busy[i] = r.dial()
		defer busy[i].close()
		busy[i].send(r.signed(jetEvent("a")))
		<-entered
	}
	r.trickle(20)
	third := r.dial()
	defer third.close()
	third.send(r.signed(jetEvent("c")))
	select {
	case <-entered:
		t.Error("a third request is worked on where two connections are allowed")
	case <-time.After(50 * time.Millisecond):
	}
	go func() { <-entered }()
	close(release)
	for i, c := range []*rawConn{busy[0], busy[1], third} {
		if status := c.status(); status != http.StatusOK {
			t.Errorf("connection %d got %d", i, status)
		}
	}
}

// An idle connection makes room for one with something to say.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxConnections = 1 })
	first := r.dial()
	defer first.close()
	first.send(r.signed(jetEvent("a")))
	if status := first.status(); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	second := r.dial()
	defer second.close()
	second.send(r.signed(jetEvent("b")))
	if status := second.status(); status != http.StatusOK {
		t.Errorf("the second connection got %d", status)
	}
	first.closedByServer()
}

// Who holds most places pays: a client that is merely slow finishes its request
// while another address floods.
func TestAFloodFromOneAddressLeavesOthersAlone(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxConnections = 10 })
	begin, rest := halfABody()
	slow := r.dialFrom("127.0.0.2")
	slow.write(begin)
	r.trickle(60)
	r.want(r.signed(jetEvent("a")), http.StatusOK) // all before it are in by now
	slow.write(rest)
	if status := slow.status(); status != http.StatusOK {
		t.Errorf("the slow client got %d", status)
	}
}

// A connection that was idle for long is not the first to go once it sends
// something again.
func TestANewRequestBeginsItsTimeAnew(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxConnections = 3 })
	old := r.dial()
	defer old.close()
	old.send(r.signed(jetEvent("a")))
	if status := old.status(); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	idle := r.dial()
	defer idle.close()
	idle.send(r.signed(jetEvent("b")))
	if status := idle.status(); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	begin, rest := halfABody()
	old.write(strings.Replace(begin, "Host", "Expect: 100-continue\r\nHost", 1))
	if line, err := old.r.ReadString('\n'); err != nil || !strings.Contains(line, "100") { // it is being read
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := old.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.want(r.signed(jetEvent("c")), http.StatusOK)
	}
	old.write(rest)
	if status := old.status(); status != http.StatusOK {
		t.Errorf("the old connection got %d", status)
	}
}

// Half of the memory for bodies is the most that one client holds with bodies it
// does not finish: another's large ones still fit.
func TestUnfinishedBodiesOfOneClientLeaveRoomForOthers(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxBufferedBytes = 400 << 10 })
	head := "POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n"
	refused := 0
	for range 10 { // each holds 64 KiB with 40
		c := r.dial()
		defer c.close()
		c.write(head + strings.Repeat(" ", 40<<10))
		if err := c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if line, err := c.r.ReadString('\n'); err == nil && strings.Contains(line, "429") {
			refused++
		}
	}
	if refused < 6 {
		t.Errorf("%d of 10 unfinished bodies are refused, want 6 or more", refused)
	}
	body := `{"type":"Sent","eventId":"large","pad":"` + strings.Repeat("x", 40<<10) + `"}`
	good := r.dialFrom("127.0.0.2")
	good.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	if status := good.status(); status != http.StatusOK {
		t.Errorf("the other client's body got %d", status)
	}
}

// A client's share is free again once its bodies are whole, or gone.
func TestTheShareOfAClientIsGivenBack(t *testing.T) {
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Limits.MaxBufferedBytes = 200 << 10 })
	body := `{"type":"Sent","eventId":"large","pad":"` + strings.Repeat("x", 40<<10) + `"}`
	for range 20 {
		c := r.dial()
		c.write("POST /v1/webhooks/vfs/" + urlToken + " HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n" + body)
		c.close()
	}
	until := time.Now().Add(10 * time.Second)
	for range 10 {
		for r.do(r.request(http.MethodPost, "/v1/webhooks/vfs/"+urlToken, body)).StatusCode != http.StatusOK {
			if time.Now().After(until) {
				t.Fatal("the share was never given back")
			}
		}
	}
}
