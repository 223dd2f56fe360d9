package webhook_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// The vectors of these tests are ours: computed with Python's hmac module and
// checked with OpenSSL, then written down here.
const (
	testBody   = "{\"id\":\"evt_01\",\"type\":\"outbound.delivered\",\"note\":\"grüße\"}\n"
	testSecret = "whsec_8f14e45fceea167a5a36dedd4bea2543"
	// testStandard is bytes 0 to 31 in base64.
	testStandard = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

	sumSHA256  = "e9af827ea2a52dc4194234292a00dd2f0c8b7bc2c23b9c8f4f12eaa6676bc384"
	sumInbound = "a12cdccf9078570b54b81ff5b4226f5c6f63cce8b57cc97279d61bd362e542a1" // job_77.1790000000.body
)

// signedAt is the signed time of every vector that has one.
var signedAt = time.Unix(1790000000, 0).UTC()

// headers makes headers from pairs.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// request makes a request that arrived three seconds after signedAt.
func request(pairs ...string) webhook.Request {
	return webhook.Request{
		Method: http.MethodPost, Header: headers(pairs...), Body: []byte(testBody),
		ReceivedAt: signedAt.Add(3 * time.Second),
	}
}

// one is a single secret.
func one(value string) []webhook.Secret {
	return []webhook.Secret{{ID: "2026-11", Value: []byte(value)}}
}

// goodCase is a configuration and a request it proves.
type goodCase struct {
	name   string
	cfg    webhook.Config
	req    webhook.Request
	signed time.Time
}

// goodCases is at least one vector of each scheme.
func goodCases() []goodCase {
	stamped := []string{"X-Sig", "v1=be7e365e035e54ada21077342e33432e2bf9741c46ca4adc28f9ddc3258ddbfe", "X-Time", "1790000000", "X-Id", "id-9"}
	withURL := request(stamped...)
	withURL.URL = "https://hooks.example.com/x?a=1"
	inPath, inQuery := request(), request()
	inPath.PathToken = "tok-5d41402abc4b2a76b9719d911017c592"
	inQuery.Query = url.Values{"token": {"tok-5d41402abc4b2a76b9719d911017c592"}, "campaign": {"spring"}}
	tokens := webhook.Config{Type: "token", Secrets: one(inPath.PathToken)}
	standard := webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)}
	const standardSig = "v1,Z1dPprpisbs90pWQfayzDZF2xd8YlGycsejICHTED1M="

	return append([]goodCase{
		{
			"jetemail",
			webhook.Config{Type: "jetemail", Secrets: one(testSecret)},
			request("X-Webhook-Signature", "sha256="+sumSHA256, "X-Webhook-ID", "evt", "X-Webhook-Timestamp", "1"),
			time.Time{},
		},
		{"hmac sha256", webhook.Config{Type: "hmac", Header: "x-sig", Secrets: one(testSecret)}, request("X-Sig", sumSHA256), time.Time{}},
		{
			"hmac sha1",
			webhook.Config{Type: "hmac", Header: "X-Sig", Algorithm: "sha1", Encoding: "base64", Secrets: one(testSecret)},
			request("X-Sig", "qwGEijpLDum768HjcjtApUEwkag="),
			time.Time{},
		},
		{
			"hmac sha512",
			webhook.Config{Type: "hmac", Header: "X-Sig", Algorithm: "sha512", Encoding: "base64", Prefix: "sha512 ", Secrets: one(testSecret)},
			request("X-Sig", "sha512 cczJqgiimhEnbT2+SITfn+npDhQuknF44Me/79mhyMRe6HxxV2n4sADLXBEDU7wO1XexXQmJLD/k98RGza8y+Q=="),
			time.Time{},
		},
		{"hmac template", webhook.Config{
			Type: "hmac", Header: "X-Sig", Prefix: "v1=", Timestamp: "X-Time", IDHeader: "X-Id",
			Template: "v0:{timestamp}:{url}|{id}|{body}", Secrets: one(testSecret),
		}, withURL, signedAt},
		{"standard webhooks", standard, request("webhook-id", "msg_ours1", "webhook-timestamp", "1790000000", "webhook-signature", standardSig), signedAt},
		{"svix", standard, request("svix-id", "msg_ours1", "svix-timestamp", "1790000000", "svix-signature", standardSig), signedAt},
		{
			"basic",
			webhook.Config{Type: "basic", Secrets: []webhook.Secret{{ID: "2026-11", Username: "hooks", Password: []byte("pass:word with spaces ü")}}},
			request("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("hooks:pass:word with spaces ü"))),
			time.Time{},
		},
		{"bearer", webhook.Config{Type: "bearer", Secrets: one(testSecret)}, request("Authorization", "bearer "+testSecret), time.Time{}},
		{"header", webhook.Config{Type: "header", Header: "x-shop-token", Secrets: one(testSecret)}, request("X-Shop-Token", testSecret), time.Time{}},
		{"token in path", tokens, inPath, time.Time{}},
		{"token in query", tokens, inQuery, time.Time{}},
		{"none", webhook.Config{Type: "none"}, request(), time.Time{}},
	}, append(presetCases(), providerCases()...)...)
}

func TestGoodRequests(t *testing.T) {
	for _, c := range goodCases() {
		t.Run(c.name, func(t *testing.T) {
			want := webhook.Proof{Scheme: c.cfg.Type, KeyID: "2026-11", Signed: c.signed, Covered: c.cfg.Covers().Body}
			want.Nonce = map[string]string{
				"hmac template": "id-9", "standard webhooks": "msg_ours1", "svix": "msg_ours1",
				"ahasend": "msg_ours1", "sweego": "msg_ours1", "mailomat": "8d0c7e2a-1111", "mailgun": mailgunToken,
			}[c.name]
			want.Unique = c.name == "mailomat" || c.name == "mailgun"
			if c.cfg.Type == "none" {
				want.KeyID = ""
			}
			got, err := verify(t, c.cfg, c.req)
			if err != nil {
				t.Fatalf("Verify(): %v", err)
			}
			if diff := cmp.Diff(want, got.Proof()); diff != "" {
				t.Errorf("proof (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostileRequests(t *testing.T) {
	for _, c := range goodCases() {
		t.Run(c.name, func(t *testing.T) { webhooktest.Run(t, c.cfg, c.req) })
	}
}

func TestSignedRequestsAreProven(t *testing.T) {
	for _, c := range goodCases() {
		t.Run(c.name, func(t *testing.T) {
			c.cfg = signing(t, c.cfg)
			r := webhook.Request{Body: c.req.Body, URL: "https://hooks.example.com/y", Query: c.req.Query, ReceivedAt: signedAt}
			var secret webhook.Secret
			if len(c.cfg.Secrets) > 0 {
				secret = c.cfg.Secrets[0]
			}
			if err := webhook.Sign(c.cfg, secret, &r, signedAt); err != nil {
				t.Fatalf("Sign(): %v", err)
			}
			webhooktest.Run(t, c.cfg, r)
		})
	}
}

func verify(t *testing.T, cfg webhook.Config, r webhook.Request) (webhook.Verified, error) {
	t.Helper()
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatalf("New(): %v", err)
	}
	return webhook.Verify(v, r)
}

// refusal verifies r and returns why it was refused; "" if it was taken.
func refusal(t *testing.T, cfg webhook.Config, r webhook.Request) webhook.RefusedError {
	t.Helper()
	_, err := verify(t, cfg, r)
	if err == nil {
		return webhook.RefusedError{}
	}
	var e *webhook.RefusedError
	if !errors.As(err, &e) {
		t.Fatalf("error %T, want *RefusedError", err)
	}
	return *e
}

// change is one element of a good request changed.
type change struct {
	name   string
	change func(r *webhook.Request)
	want   webhook.Reason // "" for taken
}

// set replaces a header by values; none removes it.
func set(name string, values ...string) func(*webhook.Request) {
	return func(r *webhook.Request) {
		r.Header = r.Header.Clone()
		r.Header.Del(name)
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
}

func runChanges(t *testing.T, name string, changes []change) {
	t.Helper()
	for _, c := range goodCases() {
		if c.name != name {
			continue
		}
		for _, m := range changes {
			t.Run(m.name, func(t *testing.T) {
				r := c.req
				m.change(&r)
				got := refusal(t, c.cfg, r)
				if got.Reason != m.want {
					t.Errorf("reason = %q, want %q", got.Reason, m.want)
				}
				if complete := slices.Contains([]webhook.Reason{webhook.ReasonMismatch, webhook.ReasonStale, webhook.ReasonFuture}, m.want); got.Complete != complete {
					t.Errorf("complete = %v, want %v", got.Complete, complete)
				}
			})
		}
		return
	}
	t.Fatalf("no good case %q", name)
}
