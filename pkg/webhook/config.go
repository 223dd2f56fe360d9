package webhook

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultTolerance is how far a signed timestamp may be from the receiver's
// clock, both ways, where Config.Tolerance is zero; the value that the Standard
// Webhooks libraries use.
const DefaultTolerance = 5 * time.Minute

// Config says how requests are proven. Which fields mean something depends on
// Type.
type Config struct {
	Type    string   // one of Types
	Secrets []Secret // several at once so that they can be rotated; tried in this order

	Header    string        // hmac: signature header; header: the header's name
	Algorithm string        // hmac: sha256 (default) | sha1 | sha512
	Prefix    string        // hmac: before each signature, such as "sha256="
	Encoding  string        // hmac: hex (default) | base64
	Template  string        // hmac: signed string from {body} {url} {timestamp} {id} {header:X}; default {body}
	Timestamp string        // hmac: header with unix seconds
	IDHeader  string        // hmac: header with the webhook's id
	Tolerance time.Duration // hmac, standard_webhooks: how far the signed time may be off, both ways; 0: DefaultTolerance
	Decode    string        // hmac, standard_webhooks: how the secret is written: raw | base64 | hex | whsec

	// URL is the address exactly as it was entered at the provider, where that
	// signs it (mandrill); "" is Request.URL.
	URL string
	// Topics are the ARNs of the topics that type sns takes messages of; there is
	// no default, since everybody can have AWS sign messages of a topic of theirs.
	Topics []string
	// Fetch gets the certificates that type sns verifies with. nil has only the
	// keys in Secrets.
	Fetch Fetcher
}

// Fetcher gets what stands at an address: the caller's HTTP client, which bounds
// time and size, follows no redirects and reaches no address of its own network.
// It is only asked for addresses that a scheme has checked. Safe for concurrent
// use.
type Fetcher interface {
	// Fetch returns the whole body of a 200 answer to a GET of url.
	Fetch(url string) ([]byte, error)
}

// Problem is one thing wrong, or worth saying, about a Config.
type Problem struct {
	Field   string // as in the configuration file: "template", "secrets[1].value"
	Message string // what is wrong and what to do; never a secret
}

// Error implements error.
func (p Problem) Error() string { return p.Field + ": " + p.Message }

// ConfigError is every problem of one Config.
type ConfigError struct {
	Problems []Problem
}

// Error implements error; one line, problems separated by semicolons.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return "webhook: " + strings.Join(lines, "; ")
}

// Unwrap returns the problems one by one, for errors.As and errors.Is.
func (e *ConfigError) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// New makes the Verifier that cfg describes. The error is a *ConfigError with
// every problem at once. The Verifier is safe for concurrent use.
func New(cfg Config) (Verifier, error) {
	var rep report
	v := build(cfg, &rep)
	if len(rep.problems) > 0 {
		return nil, &ConfigError{Problems: rep.problems}
	}
	return v, nil
}

// Warnings returns what is accepted in c but worth saying at start: short
// secrets of providers, signatures that leave something uncovered, settings
// without effect, and the type none.
func (c Config) Warnings() []Problem {
	var rep report
	build(c, &rep)
	return rep.warnings
}

// build makes the verifier and notes problems and warnings. The verifier is nil
// if the type is unknown and unusable if there are problems.
func build(cfg Config, rep *report) Verifier {
	s, ok := lookup(cfg.Type)
	if !ok {
		rep.problem("type", "%s", unknownType(cfg.Type))
		return nil
	}
	warnUnused(cfg, s, rep)
	return s.build(cfg, rep)
}

// unknownType says what is wrong with a type that is not in the table.
func unknownType(name string) string {
	known := strings.Join(Types(), ", ")
	if name == "" {
		return "missing; choose one of " + known + " (none accepts anybody's requests and has to be written out)"
	}
	return fmt.Sprintf("%q is unknown; choose one of %s", name, known)
}

// warnUnused warns of fields that have no meaning for the type.
func warnUnused(cfg Config, s scheme, rep *report) {
	for _, f := range cfg.given() {
		if !strings.Contains(" "+s.fields+" ", " "+f+" ") {
			rep.warning(f, "has no effect with type %s; remove it", s.name)
		}
	}
}

// given lists the names of the scheme fields that are set.
func (c Config) given() []string {
	var names []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"header", c.Header != ""},
		{"algorithm", c.Algorithm != ""},
		{"prefix", c.Prefix != ""},
		{"encoding", c.Encoding != ""},
		{"template", c.Template != ""},
		{"timestamp", c.Timestamp != ""},
		{"id_header", c.IDHeader != ""},
		{"tolerance", c.Tolerance != 0},
		{"decode", c.Decode != ""},
		{"url", c.URL != ""},
		{"topics", len(c.Topics) > 0},
	} {
		if f.set {
			names = append(names, f.name)
		}
	}
	return names
}

// report gathers what there is to say about a Config.
type report struct {
	problems []Problem
	warnings []Problem
}

// problem notes something that forbids the Config.
func (r *report) problem(field, format string, args ...any) {
	r.problems = append(r.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

// has reports whether there is a problem of the field already.
func (r *report) has(field string) bool {
	return slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Field == field })
}

// warning notes something that is accepted.
func (r *report) warning(field, format string, args ...any) {
	r.warnings = append(r.warnings, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}
