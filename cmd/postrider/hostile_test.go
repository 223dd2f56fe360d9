package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestTargetsWriteNoLog: net/http tells the standard logger what a target sends that
// nobody asked for, in the target's words. It must not end up on anybody's terminal.
func TestTargetsWriteNoLog(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.write("config.yaml", canaryConfig)
	i.write("bearer.secret", canaryFile+"\n")
	i.serve()
	for range 3 {
		i.run("send", "--source", "token")
	}
	target, delivered := talkative(t)
	out, errs, exit := i.try("replay", "--all", "--url", target, "--allow", "127.0.0.1", "--execute", "--yes", "--max-in-flight", "1")
	if exit != 0 || delivered() < 3 {
		t.Fatalf("exit %d after %d deliveries: %s%s", exit, delivered(), out, errs)
	}
	if strings.Contains(out+errs, "canary words") || strings.Contains(errs, "Unsolicited") {
		t.Errorf("the target's words came through: %s", errs)
	}
}

// talkative is a target that takes everything and goes on talking, and how many
// deliveries it has taken.
func talkative(t *testing.T) (url string, delivered func() int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	n := 0
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go talk(conn, func() { mu.Lock(); n++; mu.Unlock() })
		}
	}()
	return "http://" + l.Addr().String() + "/", func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// talk answers requests, each with more than an answer.
func talk(conn net.Conn, taken func()) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		taken()
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "canary words\r\n")
	}
}
