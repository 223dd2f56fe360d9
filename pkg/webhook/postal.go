package webhook

import "crypto"

// buildPostal makes Postal's webhooks as its own code says
// (https://github.com/postalserver/postal, lib/postal/signer.rb and
// lib/postal/http.rb): X-Postal-Signature-256 is the base64 of an RSA signature
// (PKCS #1 v1.5) of the SHA-256 of the body. The secret is the installation's
// public key: what stands behind p= in the record that "postal default-dkim-record"
// prints, or PEM. Nothing signs a time.
//
// X-Postal-Signature, of SHA-1, is looked at only with algorithm: sha1, for Postal
// before version 3, and never when the other header is there.
func buildPostal(cfg Config, rep *report) Verifier {
	layouts := []signedLayout{{signature: "X-Postal-Signature-256", hash: crypto.SHA256}}
	switch cfg.Algorithm {
	case "", "sha256":
	case "sha1":
		layouts = append(layouts, signedLayout{signature: "X-Postal-Signature", hash: crypto.SHA1})
		rep.warning("algorithm", "sha1 is broken for signatures; it is needed for Postal before version 3 only, update that")
	default:
		rep.problem("algorithm", "%s", unusedAlgorithm(cfg.Algorithm))
	}
	return &signedVerifier{scheme: "postal", layouts: layouts, keys: rep.checkKeys(cfg, kindRSA)}
}
