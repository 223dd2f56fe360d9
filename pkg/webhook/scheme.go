package webhook

import (
	"fmt"
	"strings"
	"time"
)

// scheme is one row of the table: a way of proving a request.
type scheme struct {
	name   string // Config.Type
	fields string // fields of Config that mean something, by their configuration names
	needs  need
	build  func(cfg Config, rep *report) Verifier
}

// need is what becomes of a scheme's secrets.
type need int

const (
	secretsNeeded   need = iota // one at least
	secretsOptional             // the proof may go without
	secretsNone                 // there are none
)

// Scheme is what a configuration of one Type holds.
type Scheme struct {
	Type            string
	Fields          []string // the names in the configuration of the fields that mean something, beside the secrets
	SecretsOptional bool     // Secrets may be empty
	SecretsNone     bool     // Secrets has to be empty
}

// Schemes lists every Type with what belongs to it, in the order of Types.
func Schemes() []Scheme {
	rows := table()
	all := make([]Scheme, len(rows))
	for i, s := range rows {
		all[i] = Scheme{
			Type: s.name, Fields: strings.Fields(s.fields),
			SecretsOptional: s.needs == secretsOptional, SecretsNone: s.needs == secretsNone,
		}
	}
	return all
}

// table is every scheme, in the order they are offered. A further scheme, such
// as one a single provider uses, is one file in this package and one row here;
// its verifier implements signer and explainer too.
func table() []scheme {
	return []scheme{
		{"jetemail", "", secretsNeeded, buildJetEmail},
		{"hmac", "header algorithm prefix encoding template timestamp id_header tolerance decode", secretsNeeded, buildHMAC},
		{"standard_webhooks", "tolerance decode", secretsNeeded, buildStandard},
		{"ahasend", "tolerance", secretsNeeded, buildAhaSend},
		{"customerio", "tolerance", secretsNeeded, buildCustomerIO},
		{"emailit", "tolerance", secretsNeeded, buildEmailit},
		{"lettermint", "tolerance", secretsNeeded, buildLettermint},
		{"mailersend", "", secretsNeeded, buildMailerSend},
		{"mailgun", "tolerance", secretsNeeded, buildMailgun},
		{"mailomat", "tolerance", secretsNeeded, buildMailomat},
		{"mailtrap", "", secretsNeeded, buildMailtrap},
		{"mandrill", "url", secretsNeeded, buildMandrill},
		{"postal", "algorithm", secretsNeeded, buildPostal},
		{"sendgrid", "tolerance", secretsNeeded, buildSendGrid},
		{"sns", "topics tolerance", secretsOptional, buildSNS},
		{"sweego", "tolerance", secretsNeeded, buildSweego},
		{"unisender", "", secretsNeeded, buildUnisender},
		{"zeptomail", "", secretsNeeded, buildZeptoMail},
		{"basic", "", secretsNeeded, buildBasic},
		{"bearer", "", secretsNeeded, buildBearer},
		{"header", "header", secretsNeeded, buildHeader},
		{"token", "", secretsNeeded, buildToken},
		{"none", "", secretsNone, buildNone},
	}
}

// Types lists the values of Config.Type.
func Types() []string {
	rows := table()
	names := make([]string, len(rows))
	for i, s := range rows {
		names[i] = s.name
	}
	return names
}

// lookup finds a scheme by name.
func lookup(name string) (scheme, bool) {
	for _, s := range table() {
		if s.name == name {
			return s, true
		}
	}
	return scheme{}, false
}

// signer is what a scheme can do for a sender.
type signer interface {
	// sign puts the proof by s, the verifier's only secret, on r.
	sign(s Secret, r *Request, now time.Time)
}

// selective is a signer that some secrets cannot sign for.
type selective interface {
	signable() error // why the verifier's secret signs nothing; nil if it does
}

// Sign puts on r, a request being built, the proof that cfg asks for: headers,
// a query parameter or the path token. cfg.Secrets is not looked at; secret
// signs, whether or not its end has passed. Headers that name the webhook's id,
// and others that a template signs, are left as they are when r has them and else
// get a made-up value. A later change to the body or a now in
// the past makes a tampered or stale request.
func Sign(cfg Config, secret Secret, r *Request, now time.Time) error {
	s, err := NewSigner(cfg, secret)
	if err != nil {
		return err
	}
	s.Sign(r, now)
	return nil
}

// Signer is Sign for many requests with one secret. Safe for concurrent use.
type Signer struct {
	scheme signer
	secret Secret
}

// NewSigner makes a Signer of what Sign takes.
func NewSigner(cfg Config, secret Secret) (*Signer, error) {
	secret.NotAfter = time.Time{}
	cfg.Secrets = []Secret{secret}
	if cfg.Type == "none" {
		cfg.Secrets = nil
	}
	v, err := New(cfg)
	if err != nil {
		return nil, fmt.Errorf("signing a %s request: %w", cfg.Type, err)
	}
	s, ok := v.(signer)
	if !ok {
		return nil, fmt.Errorf("webhook: type %s cannot sign", cfg.Type)
	}
	if c, ok := v.(selective); ok {
		if err := c.signable(); err != nil {
			return nil, fmt.Errorf("signing a %s request: %w", cfg.Type, err)
		}
	}
	return &Signer{scheme: s, secret: secret}, nil
}

// Sign puts the proof on r, as the function Sign does.
func (s *Signer) Sign(r *Request, now time.Time) {
	if r.Header == nil {
		r.Header = make(map[string][]string)
	}
	s.scheme.sign(s.secret, r, now)
}

// Coverage is what a scheme's proof protects from change.
type Coverage struct {
	Body bool // a changed body is refused
	Time bool // the request carries a signed time, and an old one is refused
}

// Covers reports what requests proven by c are protected from. It does not
// depend on the secrets; it is the zero Coverage if the type is unknown.
func (c Config) Covers() Coverage {
	if m, ok := build(c, &report{}).(interface{ covers() Coverage }); ok {
		return m.covers()
	}
	return Coverage{}
}

// SignsAddress reports whether the address that the provider calls takes part in
// what c verifies.
func (c Config) SignsAddress() bool {
	switch v := build(c, &report{}).(type) {
	case *mandrill:
		return true
	case *macVerifier:
		return has(v.parts, partURL)
	}
	return false
}

// Challenger is implemented by verifiers whose refusal carries a
// WWW-Authenticate header (RFC 9110, section 11.6.1).
type Challenger interface {
	// Challenge returns the header's value.
	Challenge() string
}

// Challenge returns the WWW-Authenticate value of a refusal by v; "" if it has
// none.
func Challenge(v Verifier) string {
	if c, ok := v.(Challenger); ok {
		return c.Challenge()
	}
	return ""
}
