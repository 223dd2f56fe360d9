package webhook

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outcome is what became of one step of an explanation.
type Outcome string

// The outcomes.
const (
	OutcomeOK     Outcome = "ok"
	OutcomeFailed Outcome = "failed"
	OutcomeNote   Outcome = "note" // neither good nor bad, or a guess at the cause
)

// Check is one step of an explanation.
type Check struct {
	Step    string // what was looked at, e.g. "header X-Webhook-Signature", `secret "2026-11"`
	Outcome Outcome
	Detail  string // for people; holds no secret and no signature
}

// explainer is what a scheme can say about a request.
type explainer interface {
	// explain adds the steps between the configuration and the verdict.
	explain(e *explanation)
}

// explanation is the steps so far.
type explanation struct {
	cfg    Config
	req    *Request
	checks []Check

	fits    bool     // a secret that may fit does
	misfits []string // steps of those that may and do not
}

// Explain says step by step why r is or is not proven by cfg: what is there,
// which secrets fit, whether the time does, and, where none fits, which small
// change would make it fit (a line break lost on the way, a secret pasted with
// a blank, the signature of another scheme). The last check is the verdict,
// the same as Verify's. It prints no secret and no signature, but it tries many
// combinations: it is for people at a command line, not for the request path.
func Explain(cfg Config, r Request) []Check {
	e := &explanation{cfg: cfg, req: &r}
	var rep report
	v := build(cfg, &rep)
	for _, p := range rep.warnings {
		e.add("configuration", OutcomeNote, "%s", p.Error())
	}
	for _, p := range rep.problems {
		e.add("configuration", OutcomeFailed, "%s", p.Error())
	}
	if len(rep.problems) > 0 {
		return e.checks
	}
	if x, ok := v.(explainer); ok {
		x.explain(e)
	}
	e.settleSecrets()
	e.verdict(v)
	return e.checks
}

// settleSecrets makes a note of the secrets that do not fit once another does:
// of several, all but one are expected not to.
func (e *explanation) settleSecrets() {
	for i := range e.checks {
		if c := &e.checks[i]; e.fits && slices.Contains(e.misfits, c.Step) {
			c.Outcome = OutcomeNote
		}
	}
}

// add appends a step.
func (e *explanation) add(step string, o Outcome, format string, args ...any) {
	c := Check{Step: step, Outcome: o, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(e.checks, c) {
		e.checks = append(e.checks, c)
	}
}

// note appends a guess at the cause.
func (e *explanation) note(format string, args ...any) {
	e.add("near miss", OutcomeNote, format, args...)
}

// verdict appends what Verify says.
func (e *explanation) verdict(v Verifier) {
	proof, err := v.verify(e.req)
	switch {
	case err == nil && proof.KeyID != "":
		e.add("verdict", OutcomeOK, "proven by secret %q", proof.KeyID)
	case err == nil:
		e.add("verdict", OutcomeOK, "accepted")
	default:
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			e.add("verdict", OutcomeFailed, "refused: %s", refused.Reason)
		}
	}
}

// refusal appends why a proof could not be tried.
func (e *explanation) refusal(err error) {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		e.add(refused.Where, OutcomeFailed, "%s: %s", refused.Reason, refused.Hint)
	}
}

// secret appends whether one secret fits, and whether it may.
func (e *explanation) secret(id string, life lifetime, fits bool) {
	step := fmt.Sprintf("secret %q", id)
	ended := !life.includes(e.req.ReceivedAt)
	switch {
	case fits && ended:
		e.add(step, OutcomeFailed, "fits, but ended at %s, before the request came", life.notAfter.UTC().Format(time.RFC3339))
	case fits:
		e.fits = true
		e.add(step, OutcomeOK, "fits")
	case ended:
		e.add(step, OutcomeNote, "does not fit, and has ended")
	default:
		e.misfits = append(e.misfits, step)
		e.add(step, OutcomeFailed, "does not fit")
	}
}

// otherHeaders notes headers that look as if they carried the proof.
func (e *explanation) otherHeaders(expected string) {
	for _, name := range slices.Sorted(maps.Keys(e.req.Header)) {
		if name != expected && looksLikeProof(strings.ToLower(name)) {
			e.note("the request has a header %s, which was not looked at; are `type` and `header` right?", name)
		}
	}
}

// looksLikeProof reports whether a header name sounds like one of a proof.
func looksLikeProof(name string) bool {
	for _, word := range []string{"signature", "hmac", "-sig", "authorization", "token", "secret"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// explain implements explainer.
func (none) explain(e *explanation) {
	e.add("proof", OutcomeNote, "type none asks for no proof")
}

// explain implements explainer.
func (v *basic) explain(e *explanation) {
	user, password, err := v.read(e.req)
	e.static(v.keys, "header Authorization", user, password, err)
}

// explain implements explainer.
func (v *bearer) explain(e *explanation) {
	value, err := authorization("bearer", "Bearer", e.req)
	e.static(v.keys, "header Authorization", "", value, err)
}

// explain implements explainer.
func (v *header) explain(e *explanation) {
	value, err := oneHeader("header", e.req.Header, v.name)
	e.static(v.keys, "header "+v.name, "", value, err)
}

// explain implements explainer.
func (v *token) explain(e *explanation) {
	value, where, err := v.read(e.req)
	e.static(v.keys, where, "", value, err)
}

// static appends the steps of a scheme whose credential comes as it is.
func (e *explanation) static(keys staticKeys, where, user, value string, err error) {
	if err != nil {
		e.refusal(err)
		e.otherHeaders(strings.TrimPrefix(where, "header "))
		return
	}
	e.add(where, OutcomeOK, "a credential is there")
	fits := false
	for _, k := range keys {
		alone := staticKeys{{id: k.id, user: k.user, value: k.value}}
		_, found, _ := alone.match(e.req.ReceivedAt, user, value)
		e.secret(k.id, k.life, found)
		fits = fits || found
	}
	if !fits {
		e.nearStatic(user, value)
	}
}

// nearStatic looks for small differences between a credential and the secrets.
func (e *explanation) nearStatic(user, value string) {
	for _, s := range e.cfg.Secrets {
		want := string(s.Value)
		if e.cfg.Type == "basic" {
			want = string(s.Password)
			if user == s.Username {
				e.note("the user of secret %q is right, the password is not", s.ID)
			} else if value == want {
				e.note("the password of secret %q is right, the user is not", s.ID)
			}
		}
		_, afterWord, _ := strings.Cut(value, " ")
		switch {
		case strings.TrimSpace(value) == strings.TrimSpace(want):
			e.note("secret %q fits but for white space at the ends", s.ID)
		case strings.EqualFold(value, want):
			e.note("secret %q fits but for upper and lower case", s.ID)
		case afterWord == want:
			e.note("secret %q fits after the first word of the value; put that word into the secret, or use type bearer", s.ID)
		}
	}
}
