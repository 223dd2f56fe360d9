package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// JetEmail's webhooks in a plain server of net/http. The answer is 200 once the
// function has returned nil; an error is answered 503, and JetEmail sends the
// event again.
func ExampleReceiver() {
	verifier, err := webhook.New(webhook.Config{
		Type:    "jetemail",
		Secrets: []webhook.Secret{{ID: "2026-11", Value: []byte("whsec_8f14e45fceea167a5a36dedd4bea2543")}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := &webhook.Receiver{
		Verifier: verifier,
		Failed:   func(_ *http.Request, err error) { fmt.Println(err) },
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/jetemail", receiver.Handler(func(_ context.Context, v webhook.Verified) error {
		var e struct{ ID, Type string }
		if err := json.Unmarshal(v.Request().Body, &e); err != nil {
			e.Type = "unreadable" // the same bytes again would not help: keep them aside, and accept them
		}
		fmt.Println("proven by", v.Proof().KeyID+":", e.Type, e.ID)
		return nil
	}))
	server := httptest.NewServer(mux) // in a program: an http.Server with ReadHeaderTimeout and ReadTimeout
	defer server.Close()

	const body = "{\"id\":\"evt_01\",\"type\":\"outbound.delivered\",\"note\":\"grüße\"}\n"
	signature := http.Header{"X-Webhook-Signature": {"sha256=e9af827ea2a52dc4194234292a00dd2f0c8b7bc2c23b9c8f4f12eaa6676bc384"}}
	fmt.Println(deliver(server.URL+"/hooks/jetemail", signature, body))
	fmt.Println(deliver(server.URL+"/hooks/jetemail", signature, strings.Replace(body, "delivered", "bounced", 1)))
	// Output:
	// proven by 2026-11: outbound.delivered evt_01
	// 200 OK
	// webhook: jetemail: mismatch (header X-Webhook-Signature): it fits none of the configured secrets; try: postrider verify
	// 401 Unauthorized
}

// Standard Webhooks, which Svix, Resend and others send: the id of the webhook is
// signed, stays the same over retries, and so tells a repeat.
func ExampleReceiver_standardWebhooks() {
	cfg := webhook.Config{
		Type:    "standard_webhooks",
		Secrets: []webhook.Secret{{ID: "2026-11", Value: []byte("whsec_cG9zdHJpZGVyLWV4YW1wbGUtc2VjcmV0LTE=")}},
	}
	verifier, err := webhook.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	seen := make(map[string]bool) // in a program: a table of the database that the effect goes to
	receiver := &webhook.Receiver{Verifier: verifier}
	server := httptest.NewServer(receiver.Handler(func(_ context.Context, v webhook.Verified) error {
		if id := v.Proof().Nonce; !seen[id] {
			seen[id] = true
			fmt.Printf("%s: %s\n", id, v.Request().Body)
		}
		return nil
	}))
	defer server.Close()

	header := signed(cfg, webhook.Request{Header: http.Header{"Webhook-Id": {"msg_1"}}, Body: []byte(`{"type":"email.opened"}`)})
	fmt.Println(deliver(server.URL, header, `{"type":"email.opened"}`))
	fmt.Println(deliver(server.URL, header, `{"type":"email.opened"}`))
	// Output:
	// msg_1: {"type":"email.opened"}
	// 200 OK
	// 200 OK
}

// A provider that signs in its own way: here a timestamp and the body, in hex,
// behind a prefix. Three fields of Config say so.
func ExampleReceiver_hmac() {
	cfg := webhook.Config{
		Type: "hmac", Header: "X-Acme-Signature", Prefix: "v0=", Timestamp: "X-Acme-Timestamp", Template: "{timestamp}.{body}",
		Secrets: []webhook.Secret{
			{ID: "new", Value: []byte("b2c5a7e0f1d94e6c8a3b")},
			{ID: "old", Value: []byte("0e3d7c1a9b8f4d2e6a5c"), NotAfter: time.Now().Add(time.Hour)},
		},
	}
	verifier, err := webhook.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := &webhook.Receiver{Verifier: verifier, MaxBytes: 1 << 20}
	server := httptest.NewServer(receiver.Handler(func(_ context.Context, v webhook.Verified) error {
		fmt.Println("taken with the secret", v.Proof().KeyID)
		return nil
	}))
	defer server.Close()

	header := signed(cfg, webhook.Request{Header: http.Header{}, Body: []byte(`{}`)})
	fmt.Println(deliver(server.URL, header, `{}`))
	fmt.Println(deliver(server.URL, header, strings.Repeat(" ", 2<<20)))
	// Output:
	// taken with the secret new
	// 200 OK
	// 413 Request Entity Too Large
}

// A server that answers itself.
func ExampleReceiver_Receive() {
	verifier, err := webhook.New(webhook.Config{Type: "bearer", Secrets: []webhook.Secret{{ID: "a", Value: []byte("b2c5a7e0f1d94e6c8a3b")}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := &webhook.Receiver{Verifier: verifier}
	handle := func(w http.ResponseWriter, r *http.Request) {
		verified, err := receiver.Receive(r)
		if refused, ok := errors.AsType[*webhook.RefusedError](err); ok {
			fmt.Println("refused:", refused.Reason) // the label of a counter
		}
		if err != nil {
			w.WriteHeader(webhook.Status(err))
			return
		}
		_, _ = fmt.Fprintf(w, "%d bytes\n", len(verified.Request().Body))
	}
	w := httptest.NewRecorder()
	handle(w, httptest.NewRequest(http.MethodPost, "/hooks", nil))
	fmt.Println(w.Code)
	// Output:
	// refused: missing_proof
	// 401
}

// signed returns the headers that a provider sends with a request.
func signed(cfg webhook.Config, r webhook.Request) http.Header {
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, time.Now()); err != nil {
		panic(err)
	}
	return r.Header
}

// deliver posts a webhook as a provider would, and returns the answer's status.
func deliver(url string, header http.Header, body string) string {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return err.Error()
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	return answer.Status
}
