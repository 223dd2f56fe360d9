package webhook

import (
	"bytes"
	"fmt"
)

// origin is who makes up the secrets of a scheme, which decides what becomes of
// a short one.
type origin int

const (
	fromProvider origin = iota // shown in the provider's dashboard: short is a warning
	fromOperator               // chosen here: short is a problem
)

// material is one secret ready for use.
type material struct {
	id   string
	life lifetime
	key  []byte // decoded
}

// secrets checks cfg.Secrets of the schemes with one value each and returns
// what can be used.
func (r *report) secrets(cfg Config, who origin, decode string) []material {
	r.secretIDs(cfg.Secrets)
	var ready []material
	for i, s := range cfg.Secrets {
		field := fmt.Sprintf("secrets[%d].value", i)
		if s.Username != "" || len(s.Password) > 0 {
			r.problem(fmt.Sprintf("secrets[%d].username", i), "user and password belong to type basic; give a value")
		}
		if key, ok := r.secret(field, s.Value, who, decode); ok {
			ready = append(ready, material{id: s.ID, life: lifetime{s.NotAfter}, key: key})
		}
	}
	return ready
}

// secretIDs checks that there are secrets and that they can be told apart.
func (r *report) secretIDs(secrets []Secret) {
	if len(secrets) == 0 {
		r.problem("secrets", "missing; give at least one")
	}
	seen := make(map[string]int, len(secrets))
	for i, s := range secrets {
		field := fmt.Sprintf("secrets[%d].id", i)
		if first, dup := seen[s.ID]; dup {
			r.problem(field, "the same as secrets[%d].id; each secret needs an id of its own", first)
			continue
		}
		seen[s.ID] = i
		if s.ID == "" && len(secrets) > 1 {
			r.problem(field, "missing; with several secrets each needs an id")
		}
	}
}

// secret checks one secret and returns its key.
func (r *report) secret(field string, value []byte, who origin, decode string) ([]byte, bool) {
	if len(bytes.TrimSpace(value)) == 0 {
		r.problem(field, "empty")
		return nil, false
	}
	if isPlaceholder(string(value)) {
		r.problem(field, "is an example, not a secret; %s", remedy(who))
		return nil, false
	}
	key, err := decodeSecret(decode, value)
	if err != nil {
		r.problem(field, "%v", err)
		return nil, false
	}
	return key, r.length(field, key, who) && r.white(field, value)
}

// length checks a decoded secret's length.
func (r *report) length(field string, key []byte, who origin) bool {
	switch {
	case len(key) == 0:
		r.problem(field, "empty once decoded")
		return false
	case len(key) >= minSecretBytes:
		return true
	case who == fromOperator:
		r.problem(field, "%d bytes, at least %d are needed; %s", len(key), minSecretBytes, remedy(who))
		return false
	}
	r.warning(field, "only %d bytes; ask the provider for a longer one, %d at least", len(key), minSecretBytes)
	return true
}

// white warns of white space at a secret's ends; it is used all the same.
func (r *report) white(field string, value []byte) bool {
	if len(bytes.TrimSpace(value)) != len(value) {
		r.warning(field, "begins or ends with white space, which counts as part of it; was it pasted with a line break?")
	}
	return true
}

// remedy says where a good secret comes from.
func remedy(who origin) string {
	if who == fromOperator {
		return "make one with: openssl rand -hex 32"
	}
	return "copy it from the provider's dashboard"
}
