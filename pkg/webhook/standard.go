package webhook

import (
	"crypto/sha256"
	"net/http"
	"slices"
)

// buildStandard makes Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
// HMAC-SHA256 over "id.timestamp.body", base64 after "v1,", several separated
// by spaces while the sender rotates its keys; other versions, such as the
// asymmetric v1a, are left out. Svix sends the same under svix-* names.
//
// The webhook-id is signed and fit as an idempotency key. The secret is base64
// after an optional "whsec_"; decode: raw is for senders that use it as it is.
func buildStandard(cfg Config, rep *report) Verifier {
	v := standard("standard_webhooks", cfg, checkDecode(cfg.Decode, "whsec", rep), rep)
	v.layouts = append(v.layouts, layout{signature: "Svix-Signature", timestamp: "Svix-Timestamp", id: "Svix-Id"})
	v.check = oneWebhookID
	return v
}

// oneWebhookID checks that the two headers for a webhook's id agree where both are
// there. One of them is signed; whoever has seen a request could add the other, and
// have the same event taken for a new one.
func oneWebhookID(h http.Header) *RefusedError {
	const own, svix = "Webhook-Id", "Svix-Id"
	ids := append(slices.Clone(h[own]), h[svix]...)
	if len(h[own]) > 0 && len(h[svix]) > 0 && len(slices.Compact(ids)) > 1 {
		return refuse("standard_webhooks", ReasonMalformed, "headers "+own+" and "+svix, "they hold different ids, and only one of them is signed")
	}
	return nil
}

// standard is Standard Webhooks under the headers of its specification, keyed
// with secrets that are written as decode says.
func standard(scheme string, cfg Config, decode string, rep *report) *macVerifier {
	secrets := rep.secrets(cfg, fromProvider, decode)
	return &macVerifier{
		scheme:  scheme,
		newHash: sha256.New,
		size:    sha256.Size,
		layouts: []layout{
			{signature: "Webhook-Signature", timestamp: "Webhook-Timestamp", id: "Webhook-Id"},
		},
		parts: []part{
			{kind: partID},
			{kind: partLiteral, text: "."},
			{kind: partTimestamp},
			{kind: partLiteral, text: "."},
			{kind: partBody},
		},
		list:      listing{prefix: "v1,", separators: " "},
		encoding:  encodingBase64Exact,
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(secrets, sha256.New),
	}
}
