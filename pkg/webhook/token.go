package webhook

import (
	"crypto/subtle"
	"fmt"
	"maps"
	"strings"
	"time"
)

// tokenParameter is the query parameter that may carry the token.
const tokenParameter = "token"

// token proves requests by a secret in the address: the last path segment or
// the query parameter "token". It is for senders of which nothing but the
// address can be set.
type token struct {
	keys staticKeys
}

// buildToken makes the verifier.
func buildToken(cfg Config, rep *report) Verifier {
	secrets := rep.secrets(cfg, fromOperator, "raw")
	for i, s := range cfg.Secrets {
		if field := fmt.Sprintf("secrets[%d].value", i); !rep.has(field) {
			rep.unreserved(field, s.Value)
		}
	}
	return &token{keys: newStaticKeys(secrets)}
}

// unreserved checks that a token stands in an address as it is (RFC 3986,
// section 2.3). Senders and proxies disagree on how to escape anything else, so
// that a token with a slash or a plus works with some of them only.
func (r *report) unreserved(field string, value []byte) {
	for _, c := range value {
		if !isAlphanumeric(c) && !strings.ContainsRune("-._~", rune(c)) {
			r.problem(field, "holds a character that an address does not carry as it is; letters, digits and - . _ ~ are allowed; make one with: openssl rand -hex 16")
			return
		}
	}
}

// Missing implements Verifier.
func (v *token) Missing(r *Request) error {
	_, _, err := v.read(r)
	return err
}

// verify implements Verifier.
func (v *token) verify(r *Request) (Proof, error) {
	value, where, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	return v.keys.prove("token", where, r, "", value)
}

// read returns the token and where it stood. A token in both places must be the
// same one, so that no two parts of a system go by different ones.
func (v *token) read(r *Request) (value, where string, err error) {
	const both = "path and query"
	value, where = r.PathToken, "last path segment"
	for _, q := range r.Query[tokenParameter] {
		switch {
		case q == "":
			continue
		case value == "":
			value, where = q, "query parameter "+tokenParameter
		case subtle.ConstantTimeCompare([]byte(q), []byte(value)) != 1:
			return "", "", refuse("token", ReasonMalformed, both, "the address holds two different tokens")
		}
	}
	if value == "" {
		return "", "", refuse("token", ReasonMissing, both, "the address ends neither in a token nor in ?token=")
	}
	return value, where, nil
}

// sign implements signer. The token goes where the request has one already,
// else into the path.
func (v *token) sign(s Secret, r *Request, _ time.Time) {
	if r.Query.Get(tokenParameter) != "" && r.PathToken == "" {
		r.Query = maps.Clone(r.Query) // the caller's stays as it was
		r.Query.Set(tokenParameter, string(s.Value))
		return
	}
	r.PathToken = string(s.Value)
}
