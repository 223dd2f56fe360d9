package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// A receiver proves a request before it reads what is in it. Two secrets are
// accepted while the provider is being switched from one to the other.
func ExampleVerify() {
	verifier, err := webhook.New(webhook.Config{
		Type: "jetemail",
		Secrets: []webhook.Secret{
			{ID: "2026-11", Value: []byte("whsec_8f14e45fceea167a5a36dedd4bea2543")},
			{ID: "2026-05", Value: []byte("whsec_c9f0f895fb98ab9159f51fd0297e236d"), NotAfter: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	request := webhook.Request{
		Header: http.Header{"X-Webhook-Signature": {"sha256=e9af827ea2a52dc4194234292a00dd2f0c8b7bc2c23b9c8f4f12eaa6676bc384"}},
		Body:   []byte("{\"id\":\"evt_01\",\"type\":\"outbound.delivered\",\"note\":\"grüße\"}\n"),
	}
	verified, err := webhook.Verify(verifier, request)
	fmt.Println(verified.Proof().KeyID, err)

	request.Body = []byte(`{"id":"evt_01","type":"outbound.bounced"}`)
	_, err = webhook.Verify(verifier, request)
	if refused, ok := errors.AsType[*webhook.RefusedError](err); ok {
		fmt.Println(refused.Reason)
	}
	// Output:
	// 2026-11 <nil>
	// mismatch
}

// A configuration's problems come all at once, each with its field.
func ExampleNew() {
	_, err := webhook.New(webhook.Config{
		Type: "hmac", Header: "X-Signature", Template: "{timestamp}.{bdoy}",
		Secrets: []webhook.Secret{{ID: "a", Value: []byte("changeme")}},
	})
	if problems, ok := errors.AsType[*webhook.ConfigError](err); ok {
		for _, p := range problems.Problems {
			fmt.Println(p)
		}
	}
	// Output:
	// template: at character 13: unknown placeholder {bdoy}; use {body}, {url}, {timestamp}, {id} or {header:X}
	// secrets[0].value: is an example, not a secret; copy it from the provider's dashboard
}

// An explanation says what would have made a request hold.
func ExampleExplain() {
	cfg := webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{
		{ID: "2026-11", Value: []byte("whsec_8f14e45fceea167a5a36dedd4bea2543")},
	}}
	for _, check := range webhook.Explain(cfg, webhook.Request{
		Header: http.Header{"X-Webhook-Signature": {"sha256=e9af827ea2a52dc4194234292a00dd2f0c8b7bc2c23b9c8f4f12eaa6676bc384"}},
		Body:   []byte(`{"id":"evt_01","type":"outbound.delivered","note":"grüße"}`),
	}) {
		fmt.Printf("%-6s %s: %s\n", check.Outcome, check.Step, check.Detail)
	}
	// Output:
	// ok     header X-Webhook-Signature: 1 signature(s), well formed: 32 bytes of hex
	// failed secret "2026-11": does not fit
	// note   near miss: secret "2026-11" fits if the body gains a line break at the end; something on the way, or the program that saved it, changed the bytes
	// failed verdict: refused: mismatch
}
