// Package webhooktest is the suite of hostile requests that every way of proving
// a webhook has to pass: run it on a configuration and one good request. It
// stands on package webhook alone and asks it from outside only.
package webhooktest

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// Run checks that cfg proves good and refuses everything that differs from it:
// the proof taken away, one bit changed in each byte of body and proof, too
// old, too new, another secret, an ended secret; and that no refusal tells a
// secret. It also checks rotation: good is taken when its secret is the second
// of two. cfg.Secrets[0] must be the secret that good was made with.
func Run(t *testing.T, cfg webhook.Config, good webhook.Request) {
	t.Helper()
	s := suite{cfg: cfg, good: good, other: foreign(t, cfg)}
	t.Run("good", s.accepted)
	if cfg.Type == "none" {
		return
	}
	t.Run("missing proof", s.missing)
	t.Run("flipped bit in proof", s.flippedProof)
	t.Run("flipped bit in body", s.flippedBody)
	t.Run("stale and future", s.late)
	t.Run("another secret", s.otherSecret)
	t.Run("second of two secrets", s.rotated)
	t.Run("ended secret", s.ended)
}

// suite is one configuration and its good request.
type suite struct {
	cfg   webhook.Config
	good  webhook.Request
	other webhook.Secret // one that good was not made with
}

// accepted checks the good request.
func (s suite) accepted(t *testing.T) {
	v := s.verifier(t, s.cfg.Secrets...)
	if err := v.Missing(&s.good); err != nil {
		t.Errorf("Missing() of the good request = %v, want nil", err)
	}
	got, err := webhook.Verify(v, s.good)
	if err != nil {
		t.Fatalf("Verify() of the good request: %v", err)
	}
	if !got.OK() || got.Proof().Scheme == "" {
		t.Errorf("Verify() = OK %v, scheme %q; want true and a scheme", got.OK(), got.Proof().Scheme)
	}
	if s.cfg.Type != "none" && got.Proof().KeyID != s.cfg.Secrets[0].ID {
		t.Errorf("KeyID = %q, want %q", got.Proof().KeyID, s.cfg.Secrets[0].ID)
	}
}

// missing takes away each piece of the proof.
func (s suite) missing(t *testing.T) {
	pieces := s.pieces(t)
	if len(pieces) == 0 {
		t.Fatal("the good request has nothing that proves it")
	}
	v := s.verifier(t, s.cfg.Secrets...)
	for _, p := range pieces {
		r := p.with("")
		if err := v.Missing(&r); err == nil && !p.inBody {
			t.Errorf("Missing() without %s = nil, want a refusal", p.name)
		}
		s.refused(t, v, r, "without "+p.name, "")
	}
}

// flippedProof changes the lowest bit of each byte of the proof. (Other bits
// turn upper into lower case, which some schemes rightly ignore.)
func (s suite) flippedProof(t *testing.T) {
	v := s.verifier(t, s.cfg.Secrets...)
	for _, p := range s.pieces(t) {
		for i := range len(p.value) {
			if s.unsigned(p, i) {
				continue
			}
			b := []byte(p.value)
			b[i] ^= 1
			s.refused(t, v, p.with(string(b)), "with a bit flipped in "+p.name, "")
		}
	}
}

// unsigned reports whether the byte at i stands beside the proof proper and means
// nothing: in ZeptoMail's header all but the signature, which no hash covers.
func (s suite) unsigned(p piece, i int) bool {
	if s.cfg.Type != "zeptomail" {
		return false
	}
	from := strings.Index(p.value, ";s=") + len(";s=")
	to := strings.LastIndexByte(p.value, ';')
	return i < from || i >= to
}

// flippedBody changes each bit of a body that the proof covers.
func (s suite) flippedBody(t *testing.T) {
	if !s.cfg.Covers().Body {
		t.Skip("the scheme does not cover the body")
	}
	v := s.verifier(t, s.cfg.Secrets...)
	for i := range len(s.good.Body) * 8 {
		r := s.good
		r.Body = append([]byte(nil), s.good.Body...)
		r.Body[i/8] ^= 1 << (i % 8)
		if !s.means(r.Body) {
			s.refused(t, v, r, "with a bit flipped in the body", s.mismatch())
		}
	}
	for name, body := range map[string][]byte{"empty": nil, "longer": append(append([]byte(nil), s.good.Body...), '\n')} {
		r := s.good
		r.Body = body
		if !s.means(body) {
			s.refused(t, v, r, "with a body that is "+name, s.mismatch())
		}
	}
}

// mismatch is why a request with another body is refused: "" for any reason where
// the proof itself is in the body, which may then hold none.
func (s suite) mismatch() webhook.Reason {
	if len(s.members()) > 0 || s.cfg.Type == "mandrill" {
		return ""
	}
	return webhook.ReasonMismatch
}

// late receives the good request too late and too early.
func (s suite) late(t *testing.T) {
	if !s.cfg.Covers().Time {
		t.Skip("the scheme signs no time")
	}
	v := s.verifier(t, s.cfg.Secrets...)
	tolerance := s.cfg.Tolerance
	if tolerance == 0 {
		tolerance = webhook.DefaultTolerance
	}
	got, err := webhook.Verify(v, s.good)
	if err != nil {
		t.Fatalf("Verify() of the good request: %v", err)
	}
	for _, c := range []struct {
		name string
		off  time.Duration
		want webhook.Reason
	}{
		{"at the end of the tolerance", tolerance, ""},
		{"just after it", tolerance + time.Second, webhook.ReasonStale},
		{"at its beginning", -tolerance, ""},
		{"just before it", -tolerance - time.Second, webhook.ReasonFuture},
		{"a year late", 365 * 24 * time.Hour, webhook.ReasonStale},
	} {
		r := s.good
		r.ReceivedAt = got.Proof().Signed.Add(c.off)
		if c.want != "" {
			s.refused(t, v, r, c.name, c.want)
		} else if _, err := webhook.Verify(v, r); err != nil {
			t.Errorf("Verify() %s: %v", c.name, err)
		}
	}
}

// otherSecret verifies with a secret that has nothing to do with the request.
func (s suite) otherSecret(t *testing.T) {
	s.refused(t, s.verifier(t, s.other), s.good, "verified with another secret", webhook.ReasonMismatch)
}

// rotated puts the right secret second.
func (s suite) rotated(t *testing.T) {
	got, err := webhook.Verify(s.verifier(t, s.other, s.cfg.Secrets[0]), s.good)
	if err != nil {
		t.Fatalf("Verify() with the right secret second: %v", err)
	}
	if got.Proof().KeyID != s.cfg.Secrets[0].ID {
		t.Errorf("KeyID = %q, want %q", got.Proof().KeyID, s.cfg.Secrets[0].ID)
	}
}

// ended lets the right secret end at, and before, the moment of receipt.
func (s suite) ended(t *testing.T) {
	secret := s.cfg.Secrets[0]
	secret.NotAfter = s.good.ReceivedAt
	if _, err := webhook.Verify(s.verifier(t, secret), s.good); err != nil {
		t.Errorf("Verify() in the last moment of the secret: %v", err)
	}
	secret.NotAfter = s.good.ReceivedAt.Add(-time.Nanosecond)
	s.refused(t, s.verifier(t, secret), s.good, "after its only secret ended", webhook.ReasonNoSecret)
	s.refused(t, s.verifier(t, secret, s.other), s.good, "after its secret ended", webhook.ReasonMismatch)
}

// refused checks that a request is refused, for that reason unless it is "",
// and that the refusal tells no secret.
func (s suite) refused(t *testing.T, v webhook.Verifier, r webhook.Request, what string, want webhook.Reason) {
	t.Helper()
	got, err := webhook.Verify(v, r)
	var refusal *webhook.RefusedError
	switch {
	case err == nil || got.OK():
		t.Errorf("a request %s was taken, want a refusal", what)
	case !errors.As(err, &refusal):
		t.Errorf("a request %s: error %T, want *webhook.RefusedError", what, err)
	case want != "" && refusal.Reason != want:
		t.Errorf("a request %s: reason %q, want %q", what, refusal.Reason, want)
	default:
		s.discreet(t, err.Error())
	}
}

// discreet checks that a text holds neither a secret nor a piece of the proof.
func (s suite) discreet(t *testing.T, text string) {
	t.Helper()
	for _, secret := range append([]webhook.Secret{s.other}, s.cfg.Secrets...) {
		for _, canary := range []string{string(secret.Value), string(secret.Password)} {
			if canary != "" && strings.Contains(text, canary) {
				t.Errorf("the error text holds secret %q", secret.ID)
			}
		}
	}
	for _, values := range s.good.Header {
		for _, v := range values {
			if len(v) >= 16 && strings.Contains(text, v) {
				t.Error("the error text holds a header's value")
			}
		}
	}
	for _, p := range s.bodyPieces() {
		if len(p.value) >= 16 && strings.Contains(text, p.value) {
			t.Errorf("the error text holds the value of %s", p.name)
		}
	}
	if s.good.URL != "" && strings.Contains(text, s.good.URL) {
		t.Error("the error text holds the address")
	}
}

// verifier makes the verifier of the configuration with other secrets.
func (s suite) verifier(t *testing.T, secrets ...webhook.Secret) webhook.Verifier {
	t.Helper()
	cfg := s.cfg
	cfg.Secrets = secrets
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatalf("New(): %v", err)
	}
	return v
}

// piece is one part of a request's proof.
type piece struct {
	name   string
	value  string
	with   func(value string) webhook.Request // the request with another value; "" takes it away
	inBody bool                               // out of the reach of Missing
}

// pieces finds the parts of the proof: what the request cannot do without.
func (s suite) pieces(t *testing.T) []piece {
	t.Helper()
	v := s.verifier(t, s.cfg.Secrets...)
	var found []piece
	for _, p := range s.candidates() {
		if _, err := webhook.Verify(v, p.with("")); err != nil {
			found = append(found, p)
		}
	}
	return found
}

// candidates are all headers, query parameters, the path token, and what a proof in
// the body is made of.
func (s suite) candidates() []piece {
	var all []piece
	for name, values := range s.good.Header {
		if len(values) == 1 {
			all = append(all, piece{name: "header " + name, value: values[0], with: s.withHeader(name)})
		}
	}
	for name, values := range s.good.Query {
		if len(values) == 1 {
			all = append(all, piece{name: "query parameter " + name, value: values[0], with: s.withQuery(name)})
		}
	}
	if s.good.PathToken != "" {
		all = append(all, piece{name: "path token", value: s.good.PathToken, with: func(value string) webhook.Request {
			r := s.good
			r.PathToken = value
			return r
		}})
	}
	return append(all, s.bodyPieces()...)
}

// withHeader returns a function that changes one header.
func (s suite) withHeader(name string) func(string) webhook.Request {
	return func(value string) webhook.Request {
		r := s.good
		r.Header = replaced(s.good.Header, name, value)
		return r
	}
}

// withQuery returns a function that changes one query parameter.
func (s suite) withQuery(name string) func(string) webhook.Request {
	return func(value string) webhook.Request {
		r := s.good
		r.Query = url.Values(replaced(http.Header(s.good.Query), name, value))
		return r
	}
}

// replaced copies h with one value replaced, or taken away if value is "".
func replaced(h http.Header, name, value string) http.Header {
	c := maps.Clone(h)
	delete(c, name)
	if value != "" {
		c[name] = []string{value}
	}
	return c
}
