package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
)

// digest is the SHA-256 of a credential. Both sides are hashed before they are
// compared, so that neither the time taken nor a dump tells a length.
type digest [sha256.Size]byte

// staticKey is one credential that comes with every request as it is.
type staticKey struct {
	id    string
	life  lifetime
	user  digest // basic only; the digest of "" otherwise
	value digest
}

// staticKeys are the credentials of one source, in order.
type staticKeys []staticKey

// newStaticKeys hashes secrets of one value each.
func newStaticKeys(secrets []material) staticKeys {
	keys := make(staticKeys, len(secrets))
	for i, m := range secrets {
		keys[i] = staticKey{id: m.id, life: m.life, user: sha256.Sum256(nil), value: sha256.Sum256(m.key)}
	}
	return keys
}

// match returns the id of the first credential that fits. Every credential is
// compared whole, user and value both, also after a match; active tells whether
// there was one to compare with.
func (keys staticKeys) match(at time.Time, user, value string) (id string, found, active bool) {
	gotUser, gotValue := digestOf(user), digestOf(value)
	for _, k := range keys {
		if !k.life.includes(at) {
			continue
		}
		active = true
		both := subtle.ConstantTimeCompare(gotUser[:], k.user[:]) & subtle.ConstantTimeCompare(gotValue[:], k.value[:])
		if both == 1 && !found {
			id, found = k.id, true
		}
	}
	return id, found, active
}

// digestOf hashes a credential, without an allocation if it is of common length.
func digestOf(s string) digest {
	var buf [128]byte
	return sha256.Sum256(append(buf[:0], s...))
}

// prove is verify for a credential that was read from a request.
func (keys staticKeys) prove(scheme, where string, r *Request, user, value string) (Proof, error) {
	id, found, active := keys.match(r.ReceivedAt, user, value)
	if !found {
		return Proof{}, noMatch(scheme, where, active)
	}
	return Proof{Scheme: scheme, KeyID: id}, nil
}

// authorization returns what follows the given scheme name in the Authorization
// header (RFC 9110, section 11.4); the name's case does not matter.
func authorization(scheme, name string, r *Request) (string, error) {
	const where = "header Authorization"
	values := r.Header["Authorization"]
	if len(values) > 1 {
		return "", refuse(scheme, ReasonMalformed, where, "the header is there more than once")
	}
	if !present(values) {
		return "", refuse(scheme, ReasonMissing, where, "the request brings no credentials")
	}
	got, rest, found := strings.Cut(values[0], " ")
	if !strings.EqualFold(got, name) {
		return "", refuse(scheme, ReasonMissing, where, "credentials of another kind; expected "+name)
	}
	rest = strings.TrimLeft(rest, " ")
	if !found || rest == "" {
		return "", refuse(scheme, ReasonMalformed, where, "nothing follows "+name)
	}
	return rest, nil
}
