package webhook

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// minSecretBytes is the shortest secret that is taken without a word: 128 bits.
const minSecretBytes = 16

// Secret is one credential of a source. It does not print: every formatting and
// marshalling shows only its id.
type Secret struct {
	ID       string    // name in configuration, logs and metrics; no secret itself
	Value    []byte    // the secret as the provider shows it; see Config.Decode
	Username string    // basic only
	Password []byte    // basic only, instead of Value
	NotAfter time.Time // last moment it is taken, by Request.ReceivedAt; zero: no end
}

// String implements fmt.Stringer without the secret.
func (s Secret) String() string { return fmt.Sprintf("secret %q [redacted]", s.ID) }

// GoString implements fmt.GoStringer without the secret.
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter, so that no verb reaches the bytes.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler without the secret; JSON, YAML
// and loggers use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// lifetime is until when a secret is taken.
type lifetime struct {
	notAfter time.Time
}

// includes reports whether a request received at that moment may be proven. A
// secret that ends is not taken when the moment is unknown.
func (l lifetime) includes(at time.Time) bool {
	if l.notAfter.IsZero() {
		return true
	}
	return !at.IsZero() && !at.After(l.notAfter)
}

// isPlaceholder reports whether a secret is one that people find in
// documentation, examples and templates, and that protects nothing.
func isPlaceholder(value string) bool {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "${") {
		return true // an environment variable that was never replaced
	}
	if publishedSecret(value) {
		return true
	}
	bare := strings.TrimPrefix(strings.ToLower(value), whsecPrefix)
	return strings.Trim(bare, "x0*.-_#<>…") == "" || onlyPlaceholders(letters(bare))
}

// placeholderWords are the words of documentation, lower-case and without
// punctuation.
const placeholderWords = "changeme changethis replaceme replacethis fixme todo secret mysecret " +
	"yoursecret yourwebhooksecret yoursigningsecret yourtoken yoursecrettoken webhooksecret " +
	"signingsecret supersecret topsecret token mytoken password example test none " +
	"null abc abc123 12345678 1234567890 1234567890123456"

// onlyPlaceholders reports whether plain is one such word or several in a row,
// as who has to fill 16 bytes repeats changeme. The time is linear in its length.
func onlyPlaceholders(plain string) bool {
	words := strings.Fields(placeholderWords)
	ends := make([]bool, len(plain)+1) // places at which a word can end
	ends[0] = true
	for at := range plain {
		for _, word := range words {
			if ends[at] && strings.HasPrefix(plain[at:], word) {
				ends[at+len(word)] = true
			}
		}
	}
	return plain != "" && ends[len(plain)]
}

// publishedSecret reports whether value is a secret that some documentation
// prints in full: Standard Webhooks' libraries, Svix's manual, MailerSend's
// set-up ping.
func publishedSecret(value string) bool {
	switch strings.TrimPrefix(value, whsecPrefix) {
	case "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G", mandrillPublic:
		return true
	}
	return false
}

// letters removes white space and punctuation from s.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) {
			return -1
		}
		return r
	}, s)
}
