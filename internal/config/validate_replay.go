package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// leastSigning and mostSigning are the bytes of a secret of Standard Webhooks:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme.
const (
	leastSigning = 24
	mostSigning  = 64
)

// adminTokens checks who may use the admin API.
func (v *validator) adminTokens() {
	ids := map[string]int{}
	for i := range v.cfg.Admin.Tokens {
		at := indexPath("admin.tokens", i)
		if v.failed[at] {
			continue
		}
		t := &v.cfg.Admin.Tokens[i]
		v.ownID(at+".id", "token", t.ID, "what its bearer does is recorded under it", ids, i)
		v.oneOf(at+".role", "role", t.Role, Roles()...)
		v.adminToken(at, t)
	}
	v.sharedTokens()
	if listen := v.cfg.Admin.Listen; len(v.cfg.Admin.Tokens) > 0 && v.validAddress(listen) && !isLoopback(listen) {
		v.cfg.notice("admin.listen", "plain http: the tokens of admin.tokens travel readable; keep it on a loopback address or a private network")
	}
}

func (v *validator) adminToken(at string, t *AdminToken) {
	switch place := valueOrFile(at, t.File); {
	case t.Value == "" && t.File == "":
		v.bad(place, "the token is missing", "give value or file")
	case t.Value == "":
	case len(t.Value) < leastToken:
		v.bad(place, fmt.Sprintf("the token is shorter than %d bytes", leastToken), "make one with: openssl rand -hex 32")
	case strings.ContainsFunc(t.Value.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		v.bad(place, "the token holds white space or what is not ASCII, which no header Authorization can", "make one with: openssl rand -hex 32")
	}
}

// sharedTokens reports a token that stands for two bearers: it could not be told
// which of them it was, nor which role is meant.
func (v *validator) sharedTokens() {
	first := map[Secret]int{}
	for i, t := range v.cfg.Admin.Tokens {
		if t.Value == "" {
			continue
		}
		if j, ok := first[t.Value]; ok {
			v.bad(valueOrFile(indexPath("admin.tokens", i), t.File), fmt.Sprintf("admin.tokens[%d] has the same token", j), "give each its own")
			continue
		}
		first[t.Value] = i
	}
}

// valueOrFile is the key that a secret was given by.
func valueOrFile(at, file string) string {
	if file != "" {
		return at + ".file"
	}
	return at + ".value"
}

func (v *validator) replay() {
	r := &v.cfg.Replay
	v.atLeast("replay.confirm_above", int64(r.ConfirmAbove), 0, "0")
	names := map[string]int{}
	for i := range r.Targets {
		at := indexPath("replay.targets", i)
		if v.failed[at] {
			continue
		}
		t := &r.Targets[i]
		v.named(at+".name", t.Name, "replay.targets", "target", "replays name the target by it", names, i)
		v.targetURL(at+".url", t.URL, t.Allow)
		v.signing(at, t.Secrets)
		v.targetAllow(at+".allow", t.Allow)
	}
}

// named checks the name of one of a list's things, which no other of them may have.
func (v *validator) named(at, name, list, thing, use string, names map[string]int, i int) {
	switch first, twice := names[name]; {
	case name == "":
		v.bad(at, "the name is missing", use)
	case !sourceName.MatchString(name):
		v.bad(at, fmt.Sprintf("%snot a %s's name", v.value(at, name), thing), "use a-z, 0-9, dots, underscores and dashes, at most 63, and begin with a letter or digit")
	case twice:
		v.bad(at, fmt.Sprintf("%s[%d] has the same name", list, first), fmt.Sprintf("each %s needs its own", thing))
	default:
		names[name] = i
	}
}

// targetURL checks where a target is. A query may be part of it; what is secret
// belongs into a signature, which is why a password is refused. Plain HTTP goes only
// to addresses that allow names; whether a host name has one shows when it is dialled.
func (v *validator) targetURL(at, text string, allow []netip.Prefix) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		v.bad(at, "the address is missing", "e.g. https://hooks.example.com/email")
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || !validURLPort(u):
		v.bad(at, v.value(at, text)+"not an absolute http or https address", "write it as in https://hooks.example.com/email")
	case u.User != nil:
		v.bad(at, "must not hold a user name or password", "requests are signed with the target's secrets")
	case strings.Contains(text, "#"):
		v.bad(at, "must not hold a fragment", "no server ever sees it")
	case u.Scheme == "http":
		v.plainTarget(at, u.Hostname(), allow)
	}
}

// plainTarget checks a target by plain HTTP.
func (v *validator) plainTarget(at, host string, allow []netip.Prefix) {
	switch {
	case !mayBeAllowed(host, allow):
		v.bad(at, "plain http goes only to addresses that allow names, and would be refused", "use https, or list the address under allow")
	case !isLoopback(net.JoinHostPort(host, "0")):
		v.cfg.notice(at, "plain http: events and their recipients travel readable; use https")
	}
}

// mayBeAllowed reports whether a host has, or as a name may have, an allowed address.
func mayBeAllowed(host string, allow []netip.Prefix) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return len(allow) > 0
	}
	addr = addr.WithZone("")
	return slices.ContainsFunc(allow, func(p netip.Prefix) bool {
		return p.Contains(addr) || p.Contains(addr.Unmap()) || p.Contains(netip.AddrFrom16(addr.As16()))
	})
}

func validURLPort(u *url.URL) bool { return u.Port() == "" || validPort(u.Port(), 1) }

// targetAllow tells of an exception that excepts everything.
func (v *validator) targetAllow(at string, allow []netip.Prefix) {
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.IsValid() && p.Bits() == 0 }) {
		v.cfg.notice(at, "holds every address: whoever controls the target's name can have requests sent to this machine and its network")
	}
}

// signing checks the secrets of a target. Where all have ended, that is said and
// no problem: the rest of the process does its work all the same.
func (v *validator) signing(target string, secrets []SigningSecret) {
	ids := map[string]int{}
	ended := 0
	for i := range secrets {
		at := indexPath(target+".secrets", i)
		if v.failed[at] {
			continue
		}
		s := &secrets[i]
		v.ownID(at+".id", "secret", s.ID, "each secret needs its own", ids, i)
		v.signingSecret(valueOrFile(at, s.File), s)
		if v.ended(at, s.NotAfter) {
			ended++
		}
	}
	if len(secrets) > 0 && ended == len(secrets) {
		v.cfg.notice(target+".secrets", "every secret has ended: nothing is delivered to this target until one is added that lasts")
	}
}

func (v *validator) signingSecret(place string, s *SigningSecret) {
	if s.Value == "" {
		if s.File == "" {
			v.bad(place, "the secret is missing", "give value or file")
		}
		return
	}
	const hint = `make one with: echo "whsec_$(openssl rand -base64 32)"`
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Value.Reveal(), "whsec_"))
	switch {
	case err != nil:
		v.bad(place, "not a secret of Standard Webhooks, which is base64 after whsec_", hint)
	case len(key) < leastSigning || len(key) > mostSigning:
		v.bad(place, fmt.Sprintf("the secret has %d bytes, Standard Webhooks wants %d to %d", len(key), leastSigning, mostSigning), hint)
	}
}
