package webhook

import "crypto/sha256"

// buildEmailit makes Emailit's webhooks as its page says
// (https://emailit.com/docs/webhooks/request-signature.md): X-Emailit-Signature is
// the lower-case hex of HMAC-SHA256 over the unix seconds of X-Emailit-Timestamp,
// "." and the body, keyed with the whole secret, "whsec_" included. A retry is
// signed anew; five minutes is the tolerance that the page recommends.
func buildEmailit(cfg Config, rep *report) Verifier {
	return &macVerifier{
		scheme:    "emailit",
		newHash:   sha256.New,
		size:      sha256.Size,
		layouts:   []layout{{signature: "X-Emailit-Signature", timestamp: "X-Emailit-Timestamp"}},
		parts:     []part{{kind: partTimestamp}, {kind: partLiteral, text: "."}, {kind: partBody}},
		list:      listing{single: true},
		encoding:  encodingHexLower,
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}
}
