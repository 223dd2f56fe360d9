package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What a source is without being told.
const (
	defaultDedupe     = "drop"
	defaultDurability = "broker_then_spool"
)

// validator checks what the decoder could read.
type validator struct {
	*loader
}

// bad reports a problem of the key at path, unless its value could not even be
// read.
func (v *validator) bad(path, message, hint string) {
	for p := path; p != ""; p = parentPath(p) {
		if v.failed[p] {
			return
		}
	}
	v.problems.Add(path, v.cfg.Place(path), message, hint)
}

// value shows a value in front of what is wrong with it, if it may be shown.
func (v *validator) value(path, text string) string { return quote(text, v.cfg.hidden[path]) }

// oneOf checks an enumeration; empty is allowed where known holds "".
func (v *validator) oneOf(path, what, value string, known ...string) bool {
	if slices.Contains(known, value) {
		return true
	}
	if value == "" {
		v.bad(path, "the "+what+" is missing", didYouMean("", known))
		return false
	}
	named := slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })
	v.bad(path, v.value(path, value)+"unknown "+what, didYouMean(value, named))
	return false
}

// atLeast checks the lower bound of a number.
func (v *validator) atLeast(path string, got, least int64, show string) {
	if got < least {
		v.bad(path, "must be at least "+show, "")
	}
}

// config checks everything; what belongs together is checked together.
func (v *validator) config() {
	v.server()
	v.kafka()
	v.topics()
	v.listeners()
	v.logAndPII()
	v.safety()
	v.adminTokens()
	v.replay()
	v.forward()
	v.sources()
}

func (v *validator) server() {
	s := &v.cfg.Server
	v.listen("server.listen", s.Listen)
	v.listen("admin.listen", v.cfg.Admin.Listen)
	v.publicURL(s.PublicURL)
	for path, size := range map[string]int64{
		"server.max_body_bytes":     s.MaxBodyBytes,
		"server.max_inflated_bytes": s.MaxInflatedBytes,
		"server.max_buffered_bytes": s.MaxBufferedBytes,
		"server.max_concurrent":     int64(s.MaxConcurrent),
		"server.max_connections":    int64(s.MaxConnections),
	} {
		v.atLeast(path, size, 1, "1")
	}
	v.atLeast("server.max_header_bytes", int64(s.MaxHeaderBytes), kibibyte, "1KiB")
	v.serverTimes(s)
	if slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.IsValid() && p.Bits() == 0 }) {
		v.cfg.notice("server.trusted_proxies", "holds every address: anybody can claim to come from anywhere, and allow lists prove nothing")
	}
	if largest := max(s.MaxBodyBytes, s.MaxInflatedBytes); s.MaxBufferedBytes > 0 && s.MaxBufferedBytes < largest {
		v.bad("server.max_buffered_bytes", "is less than one body may have", "raise it to at least "+formatSize(largest))
	}
}

func (v *validator) serverTimes(s *Server) {
	for path, d := range map[string]time.Duration{
		"server.read_header_timeout": s.ReadHeaderTimeout,
		"server.read_timeout":        s.ReadTimeout,
		"server.write_timeout":       s.WriteTimeout,
		"server.idle_timeout":        s.IdleTimeout,
		"server.shutdown_timeout":    s.ShutdownTimeout,
	} {
		v.positive(path, d)
	}
	if s.DrainDelay < 0 {
		v.bad("server.drain_delay", "must not be negative", "")
	}
	if s.RetryAfter < time.Second || s.RetryAfter%time.Second != 0 {
		v.bad("server.retry_after", "must be whole seconds, at least 1s", "the header Retry-After counts seconds")
	}
	if budget := v.cfg.Kafka.Publish.Budget; budget > 0 && s.WriteTimeout > 0 && s.WriteTimeout <= budget {
		v.bad("server.write_timeout", "is not longer than kafka.publish.budget, so an answer could not be written", "raise it above "+formatDuration(budget))
	}
}

func (v *validator) positive(path string, d time.Duration) {
	if d <= 0 {
		v.bad(path, "must be longer than 0s", "")
	}
}

func (v *validator) publicURL(text string) {
	const path = "server.public_url"
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		v.bad(path, v.value(path, text)+"not an absolute http or https address", "write it as in https://hooks.example.com")
	case u.User != nil:
		v.bad(path, "must not hold a user name or password", "authentication belongs to each source")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		v.bad(path, "must not hold a query or a fragment", "write scheme, host and, if need be, a path")
	case u.Scheme == "http" && !isLoopback(net.JoinHostPort(u.Hostname(), "0")):
		v.cfg.notice(path, "plain http: tokens and passwords of webhooks travel readable; use https")
	}
}

func (v *validator) logAndPII() {
	v.oneOf("log.level", "log level", v.cfg.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", "log format", v.cfg.Log.Format, "auto", "json", "console")
	v.pii(&v.cfg.PII)
}

func (v *validator) pii(p *PII) {
	const least = 16
	v.oneOf("pii.recipient", "way to carry recipients", p.Recipient, "clear", "hash")
	if p.Pepper == "" {
		if p.Recipient == "hash" && p.PepperFile == "" {
			v.bad("pii.pepper", "recipient: hash needs a pepper", "set pii.pepper_file or pii.pepper to at least 16 random bytes")
		}
		return
	}
	if len(p.Pepper) < least {
		path := "pii.pepper"
		if p.PepperFile != "" {
			path = "pii.pepper_file"
		}
		v.bad(path, fmt.Sprintf("the pepper is shorter than %d bytes", least), "make one with: openssl rand -hex 32")
	}
}
