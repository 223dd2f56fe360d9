package webhook

import "crypto/sha256"

// buildMailomat makes Mailomat's webhooks as its page says
// (https://api.mailomat.swiss/docs/#tag/webhook-security): X-MOM-Webhook-Signature
// is "sha256=" and the hex of HMAC-SHA256 over three headers, X-MOM-Webhook-Id,
// -Event and -Timestamp, with dots between them, keyed with the secret as it is
// shown. The algorithm is that one, whatever the header names.
//
// The body is not covered: whoever has seen one signed request before it got here
// can send another body with its headers. The id is the Proof's Nonce.
func buildMailomat(cfg Config, rep *report) Verifier {
	rep.uncovered("mailomat")
	return &macVerifier{
		scheme:  "mailomat",
		newHash: sha256.New,
		size:    sha256.Size,
		layouts: []layout{{
			signature: "X-Mom-Webhook-Signature", timestamp: "X-Mom-Webhook-Timestamp", id: "X-Mom-Webhook-Id",
		}},
		parts: []part{
			{kind: partID},
			{kind: partLiteral, text: "."},
			{kind: partHeader, text: "X-Mom-Webhook-Event"},
			{kind: partLiteral, text: "."},
			{kind: partTimestamp},
		},
		list:      listing{prefix: "sha256=", single: true},
		encoding:  encodingHexLower,
		tolerance: checkTolerance(cfg.Tolerance, rep),
		unique:    true,
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}
}

// uncovered warns of a scheme that does not protect the body.
func (r *report) uncovered(scheme string) {
	r.warning("type", "%s does not sign the body: whoever has seen one signed request before it got here can send any body with its signature; "+
		"an id that came already is refused with another body", scheme)
}
