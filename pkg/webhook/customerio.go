package webhook

import "crypto/sha256"

// buildCustomerIO makes Customer.io's reporting webhooks as its page says
// (https://docs.customer.io/journeys/webhooks/, "Securely verify requests"):
// X-CIO-Signature is the hex of HMAC-SHA256 over "v0:", the unix seconds of
// X-CIO-Timestamp, ":" and the body, keyed with the webhook's signing key as it is
// shown.
func buildCustomerIO(cfg Config, rep *report) Verifier {
	return &macVerifier{
		scheme:  "customerio",
		newHash: sha256.New,
		size:    sha256.Size,
		layouts: []layout{{signature: "X-Cio-Signature", timestamp: "X-Cio-Timestamp"}},
		parts: []part{
			{kind: partLiteral, text: "v0:"},
			{kind: partTimestamp},
			{kind: partLiteral, text: ":"},
			{kind: partBody},
		},
		list:      listing{single: true},
		encoding:  encodingHexLower,
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}
}
