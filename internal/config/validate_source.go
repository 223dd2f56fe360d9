package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const leastToken = 16 // bytes of a token we choose; shorter ones can be guessed

var (
	sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
	secretID   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	queryName  = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)
)

func (v *validator) sources() {
	if v.cfg.SourcesGiven && len(v.cfg.Sources) == 0 && !v.failed["sources"] {
		v.cfg.notice("sources", "the list is empty: no webhook is accepted")
	}
	names, ids := map[string]int{}, map[string]int{}
	for i := range v.cfg.Sources {
		path := indexPath("sources", i)
		if v.failed[path] {
			continue
		}
		s := &v.cfg.Sources[i]
		v.source(path, s)
		v.unique(path+".name", "name", s.Name, names, i)
		if s.ID != s.Name || names[s.ID] == i {
			v.unique(path+".id", "id", s.ID, ids, i)
		}
	}
}

// unique reports a value that an earlier source has as well.
func (v *validator) unique(path, what, value string, seen map[string]int, i int) {
	if value == "" {
		return
	}
	if first, ok := seen[value]; ok {
		v.bad(path, fmt.Sprintf("sources[%d] has the same %s", first, what), "each source needs its own")
		return
	}
	seen[value] = i
}

func (v *validator) source(path string, s *Source) {
	v.sourceNames(path, s)
	v.provider(path+".provider", s.Provider)
	v.mapping(path, s)
	v.query(path+".query", &s.Query)
	v.status(path+".refused_status", s.RefusedStatus)
	if s.MaxBodyBytes < 0 {
		v.bad(path+".max_body_bytes", "must not be negative", "")
	}
	v.oneOf(path+".dedupe", "way to treat repeats", s.Dedupe, "drop", "mark", "off")
	v.oneOf(path+".durability", "durability", s.Durability, "broker", "broker_then_spool", "spool_first")
	v.dedupeWindow(path+".dedupe_window", s.DedupeWindow)
	v.auth(path+".auth", &s.Auth)
	v.shadow(path+".shadow", s)
}

func (v *validator) sourceNames(path string, s *Source) {
	const hint = "use a-z, 0-9, dots, underscores and dashes, at most 63, and begin with a letter or digit"
	if s.Name == "" {
		v.bad(path+".name", "the name is missing", "it is the last part of the address: /v1/webhooks/{name}")
	} else if !sourceName.MatchString(s.Name) {
		v.bad(path+".name", v.value(path+".name", s.Name)+"not a source's name", hint)
	}
	if s.ID != s.Name && !sourceName.MatchString(s.ID) {
		v.bad(path+".id", v.value(path+".id", s.ID)+"not a source's id", hint)
	}
}

func (v *validator) provider(path, provider string) {
	switch {
	case provider == "":
		v.bad(path, "the provider is missing", didYouMean("", v.Providers))
	case len(v.Providers) > 0:
		v.oneOf(path, "provider", provider, v.Providers...)
	}
}

func (v *validator) query(path string, q *Query) {
	const hint = "it is the name of a parameter of the callback URL, e.g. campaign"
	if q.Recipient != "" && !queryName.MatchString(q.Recipient) {
		v.bad(path+".recipient", v.value(path+".recipient", q.Recipient)+"not a parameter's name", hint)
	}
	for i, name := range q.Metadata {
		at := indexPath(path+".metadata", i)
		switch {
		case name == "":
		case !queryName.MatchString(name):
			v.bad(at, v.value(at, name)+"not a parameter's name", hint)
		case slices.Contains(q.Metadata[:i], name):
			v.bad(at, "the parameter is named twice", "")
		}
	}
	if slices.Contains(append(slices.Clone(q.Metadata), q.Recipient), "token") {
		v.bad(path, "the parameter token carries the secret and is never copied", "name another parameter")
	}
}

func (v *validator) status(path string, status int) {
	switch {
	case status == 0: // the provider's
	case status < 400 || status > 499:
		v.bad(path, fmt.Sprintf("%d: must be from 400 to 499", status), "leave it out: the default is what the provider needs, mostly 401")
	case status == 403 || status == 406:
		v.cfg.notice(path, fmt.Sprintf("%d: some providers take it for a stop (Postmark 403, Mailgun 406): a wrong secret of ours would lose events for good", status))
	}
}

func (v *validator) auth(path string, a *Auth) {
	if !v.authType(path+".type", a.Type) {
		return
	}
	v.authKeys(path, a)
	if a.Type == "none" {
		v.cfg.notice(path+".type", "none: anybody who knows the address can send events")
		if len(a.Secrets) > 0 {
			v.bad(path+".secrets", "auth type none has no secrets", "choose another type, or remove them")
		}
		return
	}
	if len(a.Secrets) == 0 && v.AuthRules[a.Type].SecretsOptional {
		return
	}
	if len(a.Secrets) == 0 {
		v.bad(path+".secrets", "auth type "+a.Type+" needs at least one secret", "e.g. secrets: [{id: a, file: secrets/name}]")
		return
	}
	v.secrets(path, a)
}

// authType reports a type that is not there.
func (v *validator) authType(path, name string) bool {
	known := v.AuthTypes
	if len(known) == 0 {
		known = slices.Sorted(maps.Keys(v.AuthRules))
	}
	if len(known) > 0 {
		return v.oneOf(path, "auth type", name, known...)
	}
	if name == "" {
		v.bad(path, "the auth type is missing", "")
	}
	return name != ""
}

// authKeys reports keys that another auth type has.
func (v *validator) authKeys(path string, a *Auth) {
	rule, known := v.AuthRules[a.Type]
	if !known {
		return // the type says itself what it needs
	}
	own := rule.Keys
	given := map[string]bool{
		"header": a.Header != "", "algorithm": a.Algorithm != "", "prefix": a.Prefix != "", "encoding": a.Encoding != "",
		"template": a.Template != "", "timestamp": a.Timestamp != "", "id_header": a.IDHeader != "", "tolerance": a.Tolerance != 0, "decode": a.Decode != "",
		"url": a.URL != "", "topics": len(a.Topics) > 0,
	}
	for key, set := range given {
		if set && !slices.Contains(own, key) {
			v.bad(path+"."+key, "does not belong to auth type "+a.Type, keysHint(own))
		}
	}
	if a.Tolerance < 0 {
		v.bad(path+".tolerance", "must not be negative", "")
	}
}

func keysHint(own []string) string {
	if len(own) == 0 {
		return "its only key is secrets"
	}
	return "its keys are secrets, " + strings.Join(own, ", ")
}

// secrets checks the secrets of a source. Where all have ended, that is said and
// no problem: one source that waits for its new secret stops no other.
func (v *validator) secrets(path string, a *Auth) {
	ids := map[string]int{}
	live := 0
	for i := range a.Secrets {
		at := indexPath(path+".secrets", i)
		if v.failed[at] {
			live++
			continue
		}
		k := &a.Secrets[i]
		v.ownID(at+".id", "secret", k.ID, "the id tells in metrics which secret matched", ids, i)
		v.secret(at, a.Type, k)
		if v.ended(at, k.NotAfter) {
			continue
		}
		live++
	}
	if live == 0 {
		v.cfg.notice(path+".secrets", "every secret has ended: every request to this source is refused until one is added that lasts")
	}
}

// ownID checks the id of a secret or token without showing it: a secret may have
// slipped there. Why says what a second one of the same id would spoil.
func (v *validator) ownID(at, what, id, why string, ids map[string]int, i int) {
	if !secretID.MatchString(id) {
		v.bad(at, "not a "+what+"'s id", "use letters, digits, dots, underscores and dashes, at most 63")
		return
	}
	if first, ok := ids[id]; ok {
		v.bad(at, what+"s["+strconv.Itoa(first)+"] has the same id", why)
		return
	}
	ids[id] = i
}

func (v *validator) ended(at string, notAfter time.Time) bool {
	if notAfter.IsZero() || v.Now == nil || v.Now().Before(notAfter) {
		return false
	}
	v.cfg.notice(at+".not_after", "the secret ended on "+notAfter.UTC().Format(time.RFC3339)+" and counts no more")
	return true
}

// secret checks that one secret is given, in the form its auth type has. What is
// to say of its length, once decoded, the auth type says itself.
func (v *validator) secret(at, authType string, k *KeySecret) {
	value, key := k.Value, "value"
	if authType == "basic" {
		value, key = k.Password, "password"
		v.basic(at, k)
	} else if k.Username != "" || k.Password != "" || k.PasswordFile != "" {
		v.bad(at, "username and password belong to auth type basic", "give value or file")
	}
	fileKey := map[string]string{"value": "file", "password": "password_file"}[key]
	file := map[string]string{"value": k.File, "password": k.PasswordFile}[key]
	place := at + "." + key
	if file != "" {
		place = at + "." + fileKey
	}
	switch {
	case value == "" && file == "":
		v.bad(place, "the secret is missing", "give "+key+" or "+fileKey)
	case value == "":
	case authType == "token" && len(value) < leastToken:
		v.bad(place, fmt.Sprintf("the token is shorter than %d bytes", leastToken), "make one with: openssl rand -hex 16")
	}
}

func (v *validator) basic(at string, k *KeySecret) {
	if k.Username == "" {
		v.bad(at+".username", "the user name is missing", "")
	} else if strings.Contains(k.Username, ":") {
		v.bad(at+".username", "a user name of basic authentication cannot hold a colon", "")
	}
	if k.Value != "" || k.File != "" {
		v.bad(at, "value and file do not belong to auth type basic", "give username, and password or password_file")
	}
}
