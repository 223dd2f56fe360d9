package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// scriptTarget is an HTTP server that deliveries go to.
type scriptTarget struct {
	mu       sync.Mutex
	statuses []int
	log      string
	verifier *oracle.Webhook
}

// ServeHTTP implements http.Handler. It notes the answer, the path, the id, the attempt
// and whether the signature is right, as a library that is not ours sees it.
func (g *scriptTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	status := http.StatusNoContent
	if len(g.statuses) > 0 {
		status, g.statuses = g.statuses[0], g.statuses[1:]
	}
	signed := "signed"
	if err := g.verifier.Verify(body, r.Header); err != nil {
		signed = err.Error()
	}
	f, err := os.OpenFile(g.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	fmt.Fprintf(f, "%d %s %s attempt %s %s %s\n", status, r.URL.Path, r.Header.Get("Webhook-Id"), r.Header.Get("Postrider-Attempt"), signed, body)
	w.WriteHeader(status)
}

type targetKey struct{}

// cmdTarget starts a target whose secret is in secrets/crm, or has the one that runs
// answer anew.
func cmdTarget(ts *testscript.TestScript, neg bool, args []string) {
	g, ok := ts.Value(targetKey{}).(*scriptTarget)
	if neg || !ok {
		ts.Fatalf("usage: target STATUS...")
	}
	var statuses []int
	for _, text := range args {
		status, err := strconv.Atoi(text)
		ts.Check(err)
		statuses = append(statuses, status)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.statuses = statuses
	if g.verifier == nil {
		g.serve(ts)
	}
}

// serve starts it.
func (g *scriptTarget) serve(ts *testscript.TestScript) {
	verifier, err := oracle.NewWebhook(strings.TrimSpace(ts.ReadFile("secrets/crm")))
	ts.Check(err)
	g.log, g.verifier = ts.MkAbs("target.log"), verifier
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", ts.Getenv("TARGET"))
	ts.Check(err)
	s := &http.Server{Handler: g, ReadHeaderTimeout: startTimeout}
	go func() { _ = s.Serve(l) }() // until Close
	ts.Defer(func() { _ = s.Close() })
}

// cmdRequests waits until the target got so many requests.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: requests N")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := os.ReadFile(ts.MkAbs("target.log"))
		if n := strings.Count(string(got), "\n"); err == nil && n >= want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("the target got\n%s\nwant %d requests", got, want)
		}
	}
}
