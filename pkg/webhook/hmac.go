package webhook

import (
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is not broken, and some providers sign with nothing else
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"net/http"
	"time"
)

// buildHMAC makes the generic scheme: a keyed hash (RFC 2104) over a string
// built from a template. The header may hold several signatures separated by
// commas or spaces, or be there several times; one that holds is enough. Hex
// may be upper or lower case; base64 may use either alphabet, padded or not.
func buildHMAC(cfg Config, rep *report) Verifier {
	newHash, size := checkAlgorithm(cfg.Algorithm, rep)
	v := &macVerifier{
		scheme:    "hmac",
		newHash:   newHash,
		size:      size,
		layouts:   []layout{hmacLayout(cfg, rep)},
		parts:     checkTemplate(cfg, rep),
		list:      newListing(cfg.Prefix),
		encoding:  checkEncoding(cfg.Encoding, rep),
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, checkDecode(cfg.Decode, "raw", rep)), newHash),
	}
	checkTime(cfg, v.parts, rep)
	return v
}

// hmacLayout reads the header names.
func hmacLayout(cfg Config, rep *report) layout {
	return layout{
		signature: rep.header("header", cfg.Header, true),
		timestamp: rep.header("timestamp", cfg.Timestamp, false),
		id:        rep.header("id_header", cfg.IDHeader, false),
	}
}

// header checks a header name and returns its canonical spelling.
func (r *report) header(field, name string, required bool) string {
	switch {
	case name == "" && required:
		r.problem(field, "missing; give the name of the header that carries the proof")
	case name != "" && !validHeaderName(name):
		r.problem(field, "%q is no header name", name)
	}
	return http.CanonicalHeaderKey(name)
}

// checkAlgorithm returns the hash and its size in bytes.
func checkAlgorithm(name string, rep *report) (func() hash.Hash, int) {
	switch name {
	case "", "sha256":
		return sha256.New, sha256.Size
	case "sha1":
		return sha1.New, sha1.Size
	case "sha512":
		return sha512.New, sha512.Size
	}
	rep.problem("algorithm", "%q is unknown; choose sha256, sha1 or sha512", name)
	return sha256.New, sha256.Size
}

// checkEncoding returns the encoding of signatures.
func checkEncoding(name string, rep *report) encoding {
	switch name {
	case "", "hex":
		return encodingHex
	case "base64":
		return encodingBase64
	}
	rep.problem("encoding", "%q is unknown; choose hex or base64", name)
	return encodingHex
}

// checkDecode returns how secrets are written.
func checkDecode(name, unset string, rep *report) string {
	switch name {
	case "":
		return unset
	case "raw", "base64", "hex", "whsec":
		return name
	}
	rep.problem("decode", "%q is unknown; choose raw, base64, hex or whsec", name)
	return "raw"
}

// checkTolerance returns the tolerance with its default.
func checkTolerance(d time.Duration, rep *report) time.Duration {
	if d < 0 {
		rep.problem("tolerance", "negative; give a duration such as 5m")
	}
	if d == 0 {
		return DefaultTolerance
	}
	return d
}

// checkTemplate reads the signed string.
func checkTemplate(cfg Config, rep *report) []part {
	template := cfg.Template
	if template == "" {
		template = "{body}"
	}
	parts, err := parseTemplate(template)
	if err != nil {
		rep.problem("template", "%v", err)
		return nil
	}
	if touching(parts) {
		rep.warning("template", "two placeholders touch: bytes can be moved from one to the other; check the provider's page")
	}
	checkID(cfg, parts, rep)
	return parts
}

// checkID checks the webhook's id, which is all that binds a body to a signature
// that does not cover it.
func checkID(cfg Config, parts []part, rep *report) {
	signed := has(parts, partID) || cfg.IDHeader != "" && hasHeader(parts, http.CanonicalHeaderKey(cfg.IDHeader))
	switch {
	case has(parts, partID) && cfg.IDHeader == "":
		rep.problem("id_header", "missing; the template has {id}")
	case !signed && cfg.IDHeader != "":
		rep.warning("id_header", "has no effect without {id} in the template: anybody could change it")
	}
	switch {
	case has(parts, partBody):
	case signed:
		rep.warning("template", "without {body}: whoever has seen one signed request before it got here can send any body with its signature; "+
			"an {id} that came already is refused with another body")
	default:
		rep.warning("template", "without {body}: whoever has seen one signed request can send any body with its signature; "+
			"if the provider signs an id, add {id}, so that one that came already is refused with another body")
	}
}

// checkTime checks that a timestamp that is looked at is also signed.
func checkTime(cfg Config, parts []part, rep *report) {
	signed := has(parts, partTimestamp)
	switch {
	case signed && cfg.Timestamp == "":
		rep.problem("timestamp", "missing; the template has {timestamp}: name the header it comes in")
	case !signed && cfg.Timestamp != "" && hasHeader(parts, http.CanonicalHeaderKey(cfg.Timestamp)):
		rep.problem("template", "write {timestamp} instead of {header:%s}, so that its age is checked", cfg.Timestamp)
	case !signed && cfg.Timestamp != "" && parts != nil:
		rep.problem("timestamp", "the template does not sign it, so anybody could change it; add {timestamp} to the template or remove this")
	case !signed && cfg.Tolerance != 0:
		rep.warning("tolerance", "has no effect without {timestamp} in the template")
	}
}
