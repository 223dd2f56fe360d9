package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// basic proves requests by user and password (RFC 7617), of which there may be
// several pairs.
type basic struct {
	keys staticKeys
}

// buildBasic makes the verifier.
func buildBasic(cfg Config, rep *report) Verifier {
	return &basic{keys: rep.logins(cfg)}
}

// logins checks the secrets of type basic.
func (r *report) logins(cfg Config) staticKeys {
	r.secretIDs(cfg.Secrets)
	keys := make(staticKeys, len(cfg.Secrets))
	for i, s := range cfg.Secrets {
		r.login(i, s)
		keys[i] = staticKey{
			id: s.ID, life: lifetime{s.NotAfter},
			user: sha256.Sum256([]byte(s.Username)), value: sha256.Sum256(s.Password),
		}
	}
	return keys
}

// login checks one pair. Dashboards often bound a password's length, so that a
// short one is a warning.
func (r *report) login(i int, s Secret) {
	field := func(name string) string { return fmt.Sprintf("secrets[%d].%s", i, name) }
	if len(s.Value) > 0 {
		r.problem(field("value"), "type basic takes username and password instead")
	}
	switch {
	case s.Username == "":
		r.problem(field("username"), "missing")
	case strings.Contains(s.Username, ":"):
		r.problem(field("username"), "must not hold a colon (RFC 7617)")
	}
	switch {
	case len(s.Password) == 0:
		r.problem(field("password"), "empty")
	case isPlaceholder(string(s.Password)):
		r.problem(field("password"), "is an example, not a secret; %s", remedy(fromOperator))
	case len(s.Password) < minSecretBytes:
		r.warning(field("password"), "only %d bytes; %d or more are harder to guess", len(s.Password), minSecretBytes)
	}
}

// Challenge implements Challenger. Some senders bring credentials only once
// they are asked.
func (v *basic) Challenge() string { return `Basic realm="webhooks", charset="UTF-8"` }

// Missing implements Verifier.
func (v *basic) Missing(r *Request) error {
	_, _, err := v.read(r)
	return err
}

// verify implements Verifier.
func (v *basic) verify(r *Request) (Proof, error) {
	user, password, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	return v.keys.prove("basic", "header Authorization", r, user, password)
}

// read returns the pair that the request brings.
func (v *basic) read(r *Request) (user, password string, err error) {
	text, err := authorization("basic", "Basic", r)
	if err != nil {
		return "", "", err
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "", refuse("basic", ReasonMalformed, "header Authorization", "what follows Basic is no base64")
	}
	user, password, ok := strings.Cut(string(pair), ":")
	if !ok {
		return "", "", refuse("basic", ReasonMalformed, "header Authorization", "no colon between user and password")
	}
	return user, password, nil
}

// sign implements signer.
func (v *basic) sign(s Secret, r *Request, _ time.Time) {
	pair := s.Username + ":" + string(s.Password)
	r.Header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}
