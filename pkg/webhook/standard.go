package webhook

import "crypto/sha256"

// buildStandard makes Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
// HMAC-SHA256 over "id.timestamp.body", base64 after "v1,", several separated
// by spaces while the sender rotates its keys; other versions, such as the
// asymmetric v1a, are left out. Svix sends the same under svix-* names.
//
// The webhook-id is signed and fit as an idempotency key. The secret is base64
// after an optional "whsec_"; decode: raw is for senders that use it as it is.
func buildStandard(cfg Config, rep *report) Verifier {
	secrets := rep.secrets(cfg, fromProvider, checkDecode(cfg.Decode, "whsec", rep))
	return &macVerifier{
		scheme:  "standard_webhooks",
		newHash: sha256.New,
		size:    sha256.Size,
		layouts: []layout{
			{signature: "Webhook-Signature", timestamp: "Webhook-Timestamp", id: "Webhook-Id"},
			{signature: "Svix-Signature", timestamp: "Svix-Timestamp", id: "Svix-Id"},
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
