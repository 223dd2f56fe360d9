package webhook

import "crypto/sha256"

// buildMailtrap makes Mailtrap's webhooks as its page and its libraries say
// (https://docs.mailtrap.io/email-api-smtp/advanced/webhooks, source
// https://github.com/mailtrap/mailtrap-docs): Mailtrap-Signature is the lower-case
// hex of HMAC-SHA256 over the body, keyed with the webhook's signing secret as it
// is shown. Nothing signs a time.
func buildMailtrap(cfg Config, rep *report) Verifier {
	v := bodyHex("mailtrap", "Mailtrap-Signature", cfg, rep)
	return &v
}

// bodyHex is HMAC-SHA256 over the body, in lower-case hex in a header of its own.
func bodyHex(scheme, header string, cfg Config, rep *report) macVerifier {
	return macVerifier{
		scheme:   scheme,
		newHash:  sha256.New,
		size:     sha256.Size,
		layouts:  []layout{{signature: header}},
		parts:    []part{{kind: partBody}},
		list:     listing{single: true},
		encoding: encodingHexLower,
		keys:     newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}
}
