package webhook

import (
	"crypto/sha256"
	"net/http"
	"time"
)

// Names of JetEmail's headers, canonical.
const (
	jetEmailSignature = "X-Webhook-Signature"
	jetEmailID        = "X-Webhook-Id"
	jetEmailTimestamp = "X-Webhook-Timestamp"
)

// jetEmail proves JetEmail's event webhooks as its page on security says
// (https://jetemail.com/docs/webhooks/security.md): X-Webhook-Signature is
// "sha256=" and the lower-case hex of HMAC-SHA256 over the raw body, keyed with
// the secret exactly as it is shown; it looks like Standard Webhooks' but is
// not decoded.
//
// X-Webhook-ID and X-Webhook-Timestamp are not signed. Anybody who has seen one
// webhook can put there what they like, so neither is used and there is no
// tolerance; retries come up to five hours after the first attempt.
//
// Inbound-content webhooks of the same provider have another signature under
// the same header name (https://jetemail.com/docs/inbound/webhooks/security.md):
// hex without a prefix, over id, timestamp and body. They carry mail, not
// events, and are refused by name.
type jetEmail struct {
	macVerifier
}

// buildJetEmail makes the verifier.
func buildJetEmail(cfg Config, rep *report) Verifier {
	return &jetEmail{macVerifier{
		scheme:   "jetemail",
		newHash:  sha256.New,
		size:     sha256.Size,
		layouts:  []layout{{signature: jetEmailSignature}},
		parts:    []part{{kind: partBody}},
		list:     listing{prefix: "sha256=", single: true},
		encoding: encodingHexLower,
		keys:     newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
		check:    jetEmailInbound,
	}}
}

// jetEmailInbound recognizes the signature of an inbound-content webhook.
func jetEmailInbound(h http.Header) *RefusedError {
	values := h[jetEmailSignature]
	var sum [sha256.Size]byte
	if len(values) != 1 || !decodeHex(sum[:], values[0], true) {
		return nil
	}
	return refuse("jetemail", ReasonUnsupportedContent, "header "+jetEmailSignature,
		`a signature without "sha256=" is that of JetEmail's inbound webhook, which delivers mail, not events; `+
			"point only event webhooks (Dashboard, Webhooks) at this address")
}

// sign implements signer; the unsigned headers are set as JetEmail does.
func (v *jetEmail) sign(s Secret, r *Request, now time.Time) {
	setDefaultID(r, jetEmailID, now)
	setUnix(r, jetEmailTimestamp, now)
	v.macVerifier.sign(s, r, now)
}
