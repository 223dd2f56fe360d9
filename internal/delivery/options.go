package delivery

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/pkg/webhook"
)

// Options is what a Client is made of. URL and Now are required.
type Options struct {
	// URL is the target: https, or http where Allow names its addresses; without
	// user, password and fragment.
	URL string
	// Secrets sign each request, every one that has not ended: receivers take any
	// of them, so that a secret can be replaced without a moment between. None:
	// requests carry an id and no signature.
	Secrets []Secret
	// Allow are addresses that are not public and may be called all the same.
	Allow []netip.Prefix

	AttemptTimeout time.Duration // from dialling to the end of the answer; default 10 s
	MaxAttempts    int           // default 6
	// MinBackoff and MaxBackoff bound the waits between attempts: before attempt
	// n+1 it is random, up to MinBackoff·2^(n-1) and MaxBackoff, and at least a tenth
	// of MinBackoff. Default 1 s and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// MaxRetryAfter is how much of a Retry-After is honoured, with a jitter of
	// MinBackoff on top. Default 60 s.
	MaxRetryAfter time.Duration
	// MaxAnswerBytes of an answer's body are read, so that its connection can be used
	// again. Default 64 KiB.
	MaxAnswerBytes int64
	MaxConcurrent  int    // deliveries in progress; default 64
	UserAgent      string // default "postrider"

	Now func() time.Time
	// Random gives jitter: at least 0, below 1. Safe for concurrent use. Default
	// math/rand/v2.
	Random func() float64
	Log    *zap.Logger // attempts that failed, at debug level; default none

	Resolver *net.Resolver  // default the system's
	RootCAs  *x509.CertPool // default the system's
}

// Secret is one signing secret.
type Secret struct {
	ID string // for errors; no secret itself
	// Key is base64, after an optional "whsec_", of 24 to 64 bytes, as Standard
	// Webhooks wants secrets.
	Key      string
	NotAfter time.Time // it signs up to then; zero: no end
}

// String implements fmt.Stringer without the key.
func (s Secret) String() string { return fmt.Sprintf("secret %q [redacted]", s.ID) }

// GoString implements fmt.GoStringer without the key.
func (s Secret) GoString() string { return s.String() }

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	orElse(&o.AttemptTimeout, 10*time.Second)
	orElse(&o.MaxAttempts, 6)
	orElse(&o.MinBackoff, time.Second)
	orElse(&o.MaxBackoff, 30*time.Second)
	orElse(&o.MaxRetryAfter, time.Minute)
	orElse(&o.MaxAnswerBytes, 64<<10)
	orElse(&o.MaxConcurrent, 64)
	orElse(&o.UserAgent, "postrider")
	orElse(&o.Log, zap.NewNop())
	if o.Random == nil {
		o.Random = rand.Float64 // jitter protects nothing
	}
	return o
}

func orElse[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// check returns the target and the secrets, or everything that is wrong.
func (o Options) check() (*url.URL, []signing, error) {
	var problems []error
	target, err := checkURL(o.URL, o.Allow)
	problems = append(problems, err)
	secrets, err := checkSecrets(o.Secrets)
	problems = append(problems, err)
	if o.Now == nil {
		problems = append(problems, errors.New("delivery: no clock is given"))
	}
	if o.AttemptTimeout < 0 || o.MaxAttempts < 0 || o.MinBackoff < 0 || o.MaxRetryAfter < 0 || o.MaxAnswerBytes < 0 || o.MaxConcurrent < 0 {
		problems = append(problems, errors.New("delivery: a bound is negative"))
	}
	if o.MaxBackoff < o.MinBackoff {
		problems = append(problems, errors.New("delivery: the longest wait is below the shortest"))
	}
	return target, secrets, errors.Join(problems...)
}

// CheckURL reports what is wrong with a target's address, as New does, without
// quoting it. allow are the addresses that may be called although they are not
// public, or by plain HTTP.
func CheckURL(address string, allow []netip.Prefix) error {
	_, err := checkURL(address, allow)
	return err
}

func checkURL(address string, allow []netip.Prefix) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil { // it would quote the address
		return nil, errors.New("delivery: url: it is no URL; want https://host/path")
	}
	if why := urlProblem(u, address); why != "" {
		return nil, errors.New("delivery: url: " + why)
	}
	plain := u.Scheme == "http"
	if plain && len(allow) == 0 {
		return nil, errors.New("delivery: url: plain HTTP goes only to addresses that are allowed by name; use https, or list them under allow (--allow)")
	}
	g := guard{allow: unmapped(allow), onlyAllowed: plain}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil { // a name is looked at when it is dialled
		return u, g.check(addr)
	}
	return u, nil
}

// urlProblem says what is wrong with an address by its look; "" if nothing is.
func urlProblem(u *url.URL, address string) string {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "the scheme is neither https nor http"
	case u.Hostname() == "" || u.Opaque != "":
		return "the host is missing; want https://host/path"
	case u.User != nil:
		return "user and password do not belong there: requests are signed; remove them"
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return "what follows # is never sent; remove it"
	}
	return ""
}

// The bytes of a secret of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme).
const leastKey, mostKey = 24, 64

// signing is a secret that is ready.
type signing struct {
	signer   *webhook.Signer
	notAfter time.Time // zero: no end
}

// checkSecrets makes the secrets ready.
func checkSecrets(given []Secret) ([]signing, error) {
	var problems []error
	ready := make([]signing, 0, len(given))
	for _, s := range given {
		signer, err := webhook.NewSigner(webhook.Config{Type: scheme}, webhook.Secret{ID: s.ID, Value: []byte(s.Key)})
		key, notBase64 := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Key, "whsec_"))
		if err != nil || notBase64 != nil || len(key) < leastKey || len(key) > mostKey {
			problems = append(problems, fmt.Errorf("delivery: secret %q cannot be used: want %d to %d bytes in base64, after whsec_, and no example; "+
				`make one with: echo "whsec_$(openssl rand -base64 32)"`, s.ID, leastKey, mostKey))
		}
		ready = append(ready, signing{signer, s.NotAfter})
	}
	return ready, errors.Join(problems...)
}
