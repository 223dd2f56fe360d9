package config

import (
	"net"
	"net/netip"
	"strings"
)

// EmbeddedBroker reports whether the broker inside the process is used: it is
// when no brokers are given and either kafka.embedded.enabled says so or, while
// that is not given, server.listen is a loopback address.
func (c *Config) EmbeddedBroker() bool {
	switch {
	case len(c.Kafka.Brokers) > 0:
		return false
	case c.Kafka.Embedded.Enabled != nil:
		return *c.Kafka.Embedded.Enabled
	}
	return isLoopback(c.Server.Listen)
}

// PublicURL returns the address providers reach the server at, without a slash
// at its end: server.public_url, or else what server.listen is on this machine,
// 127.0.0.1 where it listens on every address.
func (c *Config) PublicURL() string {
	if c.Server.PublicURL != "" {
		return strings.TrimRight(c.Server.PublicURL, "/")
	}
	host, port, err := net.SplitHostPort(c.Server.Listen)
	if err != nil {
		return "http://" + c.Server.Listen
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// isLoopback reports whether only this machine can reach a listen address.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
