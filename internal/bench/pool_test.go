package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

const testSecret = "whsec_0123456789abcdef0123456789abcdef"

func newTestPool(t *testing.T, size int) *pool {
	t.Helper()
	p, err := newPool(size, 0, credentials{secret: testSecret}, func() time.Time { return time.Unix(1_760_000_000, 0) })
	if err != nil {
		t.Fatalf("pool: %v", err)
	}
	return p
}

// TestPoolRequests reads what the generator sends as a server would: it is
// HTTP, its proof holds, and no two events are the same, refreshed ones
// included.
func TestPoolRequests(t *testing.T) {
	v, err := webhook.New(webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{{ID: "test", Value: []byte(testSecret)}}})
	if err != nil {
		t.Fatalf("verifier: %v", err)
	}
	p := newTestPool(t, 10)
	events, messages := map[string]bool{}, map[string]bool{}
	for range 3 {
		for raw := p.take(); raw != nil; raw = p.take() {
			id, uid := readEvent(t, v, raw)
			events[id], messages[uid] = true, true
		}
		if err := p.refresh(false); err != nil {
			t.Fatalf("refresh: %v", err)
		}
	}
	if len(events) != 30 || len(messages) != 30 {
		t.Errorf("%d event ids and %d message uids in 30 requests", len(events), len(messages))
	}
}

// readEvent parses and proves one request and returns its event's id and the
// message's uid.
func readEvent(t *testing.T, v webhook.Verifier, raw []byte) (id, uid string) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatalf("request: %v\n%s", err, raw)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		t.Fatalf("body of %d bytes, announced %d: %v", len(body), r.ContentLength, err)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/webhooks/jetemail" {
		t.Fatalf("request to %s %s", r.Method, r.URL.Path)
	}
	if _, err := webhook.Verify(v, webhook.Request{Header: r.Header, Body: body}); err != nil {
		t.Fatalf("verify: %v", err)
	}
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Data struct {
			UID string `json:"uid"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Type != "outbound.delivered" {
		t.Fatalf("event of type %q: %v", e.Type, err)
	}
	return e.ID, e.Data.UID
}

func TestPoolRefreshKeepsUnused(t *testing.T) {
	p := newTestPool(t, 3)
	second := p.requests[1]
	first := p.take()
	if err := p.refresh(false); err != nil {
		t.Fatalf("refresh: %v", err)
	}
	if bytes.Equal(p.take(), first) {
		t.Error("a used request comes again")
	}
	if !bytes.Equal(p.take(), second) {
		t.Error("an unused request was made anew")
	}
}

func TestPoolRepeats(t *testing.T) {
	p := newTestPool(t, 2)
	if err := p.refresh(true); err != nil {
		t.Fatalf("refresh: %v", err)
	}
	first, _, third := p.take(), p.take(), p.take()
	if !bytes.Equal(first, third) {
		t.Error("a repeating pool of two must begin anew with the third")
	}
}

// BenchmarkNewRequest is what one request costs before the measured time.
func BenchmarkNewRequest(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := singleRequest(i, testSecret, time.Unix(1_760_000_000, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
