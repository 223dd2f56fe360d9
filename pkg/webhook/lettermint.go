package webhook

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// Names of Lettermint's headers, canonical.
const (
	lettermintSignature = "X-Lettermint-Signature"
	lettermintDelivery  = "X-Lettermint-Delivery"
)

// lettermint proves Lettermint's webhooks as its own libraries do
// (https://github.com/lettermint/lettermint-python, lettermint-php):
// X-Lettermint-Signature is "t=<unix seconds>,v1=<hex>", of which there may be
// several, of HMAC-SHA256 over the time, "." and the body, keyed with the secret
// as it is shown, "whsec_" included. X-Lettermint-Delivery has to be the same time.
type lettermint struct {
	macVerifier
}

// buildLettermint makes the verifier.
func buildLettermint(cfg Config, rep *report) Verifier {
	return &lettermint{macVerifier{
		scheme:    "lettermint",
		newHash:   sha256.New,
		size:      sha256.Size,
		layouts:   []layout{{signature: lettermintSignature, timestamp: lettermintDelivery}},
		parts:     []part{{kind: partTimestamp}, {kind: partLiteral, text: "."}, {kind: partBody}},
		list:      listing{prefix: "v1=", separators: ", "},
		encoding:  encodingHexLower,
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
		check:     lettermintTime,
	}}
}

// lettermintTime checks that the time of the signature is the header's: what is
// signed is the one, what is read the other.
func lettermintTime(h http.Header) *RefusedError {
	const where = "header " + lettermintSignature
	values := h[lettermintSignature]
	if len(values) > 1 {
		return refuse("lettermint", ReasonMalformed, where, "the header is there more than once")
	}
	times := 0
	for field := range strings.SplitSeq(values[0], ",") {
		t, found := strings.CutPrefix(strings.TrimSpace(field), "t=")
		if !found {
			continue
		}
		if times++; times > 1 || t != firstValue(h, lettermintDelivery) {
			return refuse("lettermint", ReasonMalformed, where, "its t= is not the one time of "+lettermintDelivery)
		}
	}
	if times == 0 {
		return refuse("lettermint", ReasonMalformed, where, "it has no t=")
	}
	return nil
}

// sign implements signer.
func (v *lettermint) sign(s Secret, r *Request, now time.Time) {
	v.macVerifier.sign(s, r, now)
	r.Header[lettermintSignature] = []string{
		"t=" + firstValue(r.Header, lettermintDelivery) + "," + firstValue(r.Header, lettermintSignature),
	}
}
