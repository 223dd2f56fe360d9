package ingest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/webhook"
)

// signedWith takes a body through the pipeline, signed under a nonce by a
// template that covers the body or not.
func (l *line) signedWith(template, nonce, body string) (ingest.Result, error) {
	l.t.Helper()
	cfg := webhook.Config{
		Type: "hmac", Header: "X-Sig", IDHeader: "X-Id", Timestamp: "X-Time", Template: template,
		Secrets: []webhook.Secret{{ID: "a", Value: []byte(jetSecret)}},
	}
	verifier, err := webhook.New(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	req := webhook.Request{Method: http.MethodPost, Header: http.Header{"X-Id": {nonce}}, Body: []byte(body), ReceivedAt: time.Now()}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &req, req.ReceivedAt); err != nil {
		l.t.Fatal(err)
	}
	v, err := webhook.Verify(verifier, req)
	if err != nil {
		l.t.Fatal(err)
	}
	if p := v.Proof(); p.Nonce != nonce {
		l.t.Fatalf("the proof has nonce %q, want %q", p.Nonce, nonce)
	}
	return l.acceptVerified(v, l.src)
}

const (
	covers = "{id}.{timestamp}.{body}"
	bare   = "{timestamp}.{id}"
)

// Where the signature does not cover the body, somebody else's body under a
// known nonce is refused, whatever becomes of repeats.
func TestKnownNonceUnderAnotherBodyIsRefused(t *testing.T) {
	for _, mode := range []dedupe.Mode{dedupe.Drop, dedupe.Mark, dedupe.Off} {
		l := newLine(t, nil)
		l.src.Dedupe, l.src.DedupeWindow = mode, time.Nanosecond // which is not the nonce's
		if _, err := l.signedWith(bare, "n1", jetEvent("a")); err != nil {
			t.Fatal(err)
		}
		_, err := l.signedWith(bare, "n1", jetEvent("forged"))
		refused, ok := errors.AsType[*webhook.RefusedError](err)
		if !ok || refused.Reason != webhook.ReasonReplayed {
			t.Errorf("%s: got %v, want it refused", mode, err)
		}
		if _, err := l.signedWith(bare, "n1", jetEvent("a")); err != nil {
			t.Errorf("%s: the same body again: %v", mode, err)
		}
		if _, err := l.signedWith(bare, "n2", jetEvent("forged")); err != nil {
			t.Errorf("%s: the body under a nonce of its own: %v", mode, err)
		}
		l.balance(0)
		if got := gathered(t, l.m, "postrider_events_total", "result=refused"); got != 1 {
			t.Errorf("%s: %v refused, want 1", mode, got)
		}
	}
}

// A nonce is bound by what was accepted under it, not by what failed.
func TestNonceOfAFailedRequestIsFree(t *testing.T) {
	l := newLine(t, nil)
	l.pub.fail = func(broker.Record) error { return broker.ErrDeadline }
	if _, err := l.signedWith(bare, "n1", jetEvent("a")); err == nil {
		t.Fatal("accepted")
	}
	l.pub.fail = nil
	if _, err := l.signedWith(bare, "n1", jetEvent("b")); err != nil {
		t.Error(err)
	}
	l.wantPublished("b")
}

// Where the signature covers the body, other content under a known nonce is
// genuine: it is published and marked.
func TestKnownNonceUnderASignedBodyIsAConflict(t *testing.T) {
	l := newLine(t, nil)
	for _, body := range []string{jetEvent("a"), jetEvent("b"), "[" + jetEvent("a") + "," + jetEvent("c") + "]"} {
		if r, err := l.signedWith(covers, "n1", body); err != nil || r != ingest.ResultPublished {
			t.Errorf("got %q, %v", r, err)
		}
	}
	l.wantPublished("a b! c!")
	if r, err := l.signedWith(covers, "n1", jetEvent("b")); err != nil || r != ingest.ResultDuplicate {
		t.Errorf("the same again: %q, %v", r, err)
	}
}

// Mailgun signs every domain's events with one key, and never the body: what came to
// one source proves no other body at the next.
func TestKnownNonceAtAnotherSourceIsRefused(t *testing.T) {
	cfg := webhook.Config{Type: "mailgun", Secrets: []webhook.Secret{{Value: []byte(jetSecret)}}, Tolerance: time.Hour}
	verifier, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	verified := func(body string) webhook.Verified {
		v, err := webhook.Verify(verifier, webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body), ReceivedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	l := newLine(t, nil)
	other := *l.src
	other.Name, other.Normalize.Name, other.Normalize.ID, other.Dedupe = "other", "other", "other", dedupe.Off
	req := webhook.Request{Header: http.Header{}, Body: []byte(jetEvent("a"))}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &req, time.Now()); err != nil {
		t.Fatal(err)
	}
	genuine := string(req.Body)
	for _, src := range []*ingest.Source{l.src, &other} {
		if _, err := l.acceptVerified(verified(genuine), src); err != nil {
			t.Fatalf("%s: the event itself: %v", src.Name, err)
		}
	}
	forged := verified(strings.ReplaceAll(genuine, "recipient@example.com", "forged@example.com"))
	for _, src := range []*ingest.Source{l.src, &other} {
		_, err := l.acceptVerified(forged, src)
		refused, ok := errors.AsType[*webhook.RefusedError](err)
		if !ok || refused.Reason != webhook.ReasonReplayed {
			t.Errorf("%s: got %v, want it refused", src.Name, err)
		}
	}
	l = newLine(t, nil) // that saw it at one source only
	if _, err := l.acceptVerified(verified(genuine), l.src); err != nil {
		t.Fatal(err)
	}
	if _, err := l.acceptVerified(forged, &other); err == nil {
		t.Error("another source takes another body under the token")
	}
}
