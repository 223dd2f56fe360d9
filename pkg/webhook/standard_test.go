package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	oracle "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/webhook"
)

const standardSig = "v1,Z1dPprpisbs90pWQfayzDZF2xd8YlGycsejICHTED1M="

func TestStandardWebhooksChanges(t *testing.T) {
	const sig, ts, id = "Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"
	const wrong = "v1,AAAAprpisbs90pWQfayzDZF2xd8YlGycsejICHTED1M="
	runChanges(t, "standard webhooks", []change{
		{"no signature", set(sig), webhook.ReasonMissing},
		{"no timestamp", set(ts), webhook.ReasonMissing},
		{"no id", set(id), webhook.ReasonMissing},
		{"second of a list", set(sig, wrong+" "+standardSig), ""},
		{"beside an asymmetric one", set(sig, "v1a,AAAA "+standardSig), ""},
		{"only an asymmetric one", set(sig, "v1a,"+strings.TrimPrefix(standardSig, "v1,")), webhook.ReasonMalformed},
		{"no version", set(sig, strings.TrimPrefix(standardSig, "v1,")), webhook.ReasonMalformed},
		{"no padding", set(sig, strings.TrimSuffix(standardSig, "=")), webhook.ReasonMalformed},
		{"wrong one", set(sig, wrong), webhook.ReasonMismatch},
		{"another time", set(ts, "1790000001"), webhook.ReasonMismatch},
		{"a moved dot", func(r *webhook.Request) {
			set(id, "msg_ours1.1790000000")(r)
		}, webhook.ReasonMismatch},
	})
}

func TestStandardWebhooksFamiliesDoNotMix(t *testing.T) {
	cfg := webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)}
	r := request("svix-id", "msg_ours1", "webhook-timestamp", "1790000000", "webhook-signature", standardSig)
	if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMissing {
		t.Errorf("reason = %q, want missing", got.Reason)
	}
}

func TestStandardWebhooksRawSecret(t *testing.T) {
	cfg := webhook.Config{Type: "standard_webhooks", Decode: "raw", Secrets: one("aha-whsec-0123456789abcdef")}
	r := request()
	o, err := oracle.NewWebhookRaw(cfg.Secrets[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	text, err := o.Sign("m1", signedAt, r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = headers("webhook-id", "m1", "webhook-timestamp", "1790000000", "webhook-signature", text)
	if got := refusal(t, cfg, r); got.Reason != "" {
		t.Errorf("refused: %v", &got)
	}
}

// The published library signs what we take, and takes what we sign.
func TestStandardWebhooksAgainstPublishedLibrary(t *testing.T) {
	o, err := oracle.NewWebhook(testStandard)
	if err != nil {
		t.Fatal(err)
	}
	cfg := webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)}
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		id := rapid.StringMatching(`[a-zA-Z0-9_.-]{1,40}`).Draw(t, "id")
		at := time.Unix(rapid.Int64Range(1, 99999999999).Draw(t, "time"), 0)
		theirs, err := o.Sign(id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		r := webhook.Request{Body: body, ReceivedAt: at, Header: headers("webhook-id", id)}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &r, at); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("Webhook-Signature"); got != theirs {
			t.Fatalf("our signature differs from the library's")
		}
		if err := o.VerifyIgnoringTimestamp(body, r.Header); err != nil {
			t.Fatalf("the library refuses ours: %v", err)
		}
		if _, err := webhook.Verify(v, r); err != nil {
			t.Fatalf("we refuse theirs: %v", err)
		}
	})
}

// The vector that the reference libraries of Standard Webhooks publish
// (https://github.com/standard-webhooks/standard-webhooks, libraries/go/webhook_test.go,
// TestWebhookSign). Its secret is published with it, so no source may have it: it is
// given here as bytes.
func TestStandardPublishedVector(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1614265330, 0)
	cfg := webhook.Config{Type: "standard_webhooks", Decode: "raw", Secrets: []webhook.Secret{{ID: "a", Value: secret}}}
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"Webhook-", "Svix-"} {
		r := webhook.Request{Method: http.MethodPost, Body: []byte(`{"test": 2432232314}`), ReceivedAt: at, Header: http.Header{
			prefix + "Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, prefix + "Timestamp": {"1614265330"},
			prefix + "Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		}}
		if _, err := webhook.Verify(v, r); err != nil {
			t.Errorf("%s: %v", prefix, err)
		}
	}
}

func TestAMandrillSourceHasAKeyOfItsOwn(t *testing.T) {
	_, err := webhook.New(webhook.Config{Type: "mandrill", Secrets: []webhook.Secret{{ID: "a", Value: []byte("test-webhook")}}})
	if err == nil {
		t.Error("the key that everybody knows is a source's secret")
	}
}
