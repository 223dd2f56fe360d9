package delivery

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// ErrSecretsEnded says that the target has secrets and all of them are past their
// end. Nothing is sent then: what is not signed would be refused, and lost.
var ErrSecretsEnded = errors.New("every signing secret has ended; add the current one")

func (d *delivery) endedSecrets() error {
	return fmt.Errorf("delivery: %s: %w", d.client.url.Host, ErrSecretsEnded)
}

// How requests are signed, and the headers that sign itself sets.
const (
	scheme          = "standard_webhooks"
	headerID        = "Webhook-Id"
	headerSignature = "Webhook-Signature"
)

// sign puts the headers of one attempt on a request. The one before it may still
// be in use by a connection that is being given up, so its headers stay as they are.
func (d *delivery) sign(req *http.Request) error {
	now := d.client.opt.Now()
	h := d.headers()
	r := webhook.Request{Method: req.Method, Header: h, Body: d.message.Body}
	var signatures []string
	for _, s := range d.client.active(now) {
		s.signer.Sign(&r, now)
		signatures = append(signatures, h[headerSignature]...)
	}
	if len(signatures) > 0 {
		h[headerSignature] = []string{strings.Join(signatures, " ")}
	} else if len(d.client.secrets) > 0 {
		return d.endedSecrets()
	}
	req.Header = h
	return nil
}

// headers are those of every attempt.
func (d *delivery) headers() http.Header {
	h := make(http.Header, len(d.message.Header)+6)
	for name, values := range d.message.Header {
		h[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	h["Content-Type"] = []string{contentType(d.message)}
	h["User-Agent"] = []string{d.client.opt.UserAgent}
	h[headerID] = []string{d.message.ID}
	return h
}

func contentType(m Message) string {
	if m.ContentType == "" {
		return "application/json"
	}
	return m.ContentType
}

// active are the secrets that sign at a moment, in the order they were given.
func (c *Client) active(now time.Time) []signing {
	ended := func(s signing) bool { return !s.notAfter.IsZero() && now.After(s.notAfter) }
	if !slices.ContainsFunc(c.secrets, ended) {
		return c.secrets
	}
	return slices.DeleteFunc(slices.Clone(c.secrets), ended)
}

// maxIDBytes bounds webhook-id; receivers keep it as a key.
const maxIDBytes = 256

// problem says why a message can never be sent; "" if it can.
func (m Message) problem() string {
	switch {
	case m.ID == "":
		return "it has no id"
	case len(m.ID) > maxIDBytes:
		return fmt.Sprintf("its id is longer than %d bytes", maxIDBytes)
	case strings.ContainsFunc(m.ID, func(r rune) bool { return r <= ' ' || r > '~' || r == '.' }):
		return "its id has a full stop or another character that cannot be signed"
	case !headerValue(contentType(m)):
		return "its content type is no header value"
	}
	for name, values := range m.Header {
		if why := headerProblem(name, values); why != "" {
			return why
		}
	}
	return ""
}

// headerProblem says why a header cannot be sent beside a payload.
func headerProblem(name string, values []string) string {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	switch {
	case !token(name):
		return "it has a header whose name cannot be sent"
	case reserved(canonical):
		return "it has the header " + canonical + ", which is not for messages to set"
	case !all(values, headerValue):
		return "its header " + canonical + " has a value that cannot be sent"
	}
	return ""
}

// reserved reports whether a header is ours, the connection's, or a credential.
func reserved(canonical string) bool {
	switch canonical {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Host", "Connection", "Proxy-Connection", "Keep-Alive", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Content-Length", "Content-Type", "User-Agent", "Accept-Encoding":
		return true
	}
	return strings.HasPrefix(canonical, "Webhook-") || strings.HasPrefix(canonical, "Svix-")
}

// token reports whether s is a header's name (RFC 9110, section 5.1).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// headerValue reports whether s can stand in a header: one line of it, without
// control characters.
func headerValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func all(values []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !ok(v) })
}
