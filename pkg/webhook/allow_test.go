package webhook_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/webhook"
)

func prefixes(list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func anywhere() []netip.Prefix { return prefixes("0.0.0.0/0", "::/0") }

func TestAllow(t *testing.T) {
	none, err := webhook.New(webhook.Config{Type: "none"})
	if err != nil {
		t.Fatal(err)
	}
	v := webhook.Allow(none, prefixes("192.0.2.0/24", "::ffff:198.51.100.0/120", "2001:db8::/32"))
	for addr, want := range map[string]bool{
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "192.0.3.1": false,
		"198.51.100.9": true, "::ffff:198.51.100.9": true, "198.51.101.0": false,
		"2001:db8::1": true, "2001:db8::1%eth0": true, "2001:db9::1": false, "": false,
	} {
		r := request()
		if addr != "" {
			r.RemoteAddr = netip.MustParseAddr(addr)
		}
		_, err := webhook.Verify(v, r)
		missing := v.Missing(&r)
		if (err == nil) != want || (missing == nil) != want {
			t.Errorf("%q: Verify %v, Missing %v; want allowed %v", addr, err, missing, want)
		}
		if err != nil && addr != "" && strings.Contains(err.Error(), addr) {
			t.Errorf("%q is in the error text", addr)
		}
	}
}

// Even a list of everything refuses a request without an address, and a good
// address proves nothing.
func TestAllowAsksTheSchemeToo(t *testing.T) {
	c := goodCases()[0]
	v, err := webhook.New(c.cfg)
	if err != nil {
		t.Fatal(err)
	}
	v = webhook.Allow(v, anywhere())
	if _, err := webhook.Verify(v, c.req); err == nil {
		t.Error("a request without an address was taken")
	}
	c.req.RemoteAddr = netip.MustParseAddr("192.0.2.1")
	if _, err := webhook.Verify(v, c.req); err != nil {
		t.Errorf("Verify(): %v", err)
	}
	c.req.Body = nil
	if _, err := webhook.Verify(v, c.req); err == nil {
		t.Error("an unproven request from a good address was taken")
	}
}

func TestClientIP(t *testing.T) {
	proxies := prefixes("10.0.0.0/8", "::ffff:172.16.0.0/108", "fd00::/8")
	for _, c := range []struct {
		name, remote string
		xff          []string
		want         string
	}{
		{"direct", "192.0.2.1:4711", nil, "192.0.2.1"},
		{"direct, forged header", "192.0.2.1:4711", []string{"1.2.3.4"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1:80", []string{"192.0.2.1"}, "192.0.2.1"},
		{"proxy without header", "10.0.0.1:80", nil, "10.0.0.1"},
		{"two proxies", "10.0.0.1:80", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two proxies, two headers", "10.0.0.1:80", []string{"192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{"forged on the left", "10.0.0.1:80", []string{"1.2.3.4, 192.0.2.1"}, "192.0.2.1"},
		{"forged proxy on the left", "10.0.0.1:80", []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"all trusted", "10.0.0.1:80", []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"garbage", "10.0.0.1:80", []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"garbage at once", "10.0.0.1:80", []string{"192.0.2.1,"}, "10.0.0.1"},
		{"empty header", "10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"octal", "10.0.0.1:80", []string{"0300.0.2.1"}, "10.0.0.1"},
		{"with port", "10.0.0.1:80", []string{"192.0.2.1:5555"}, "192.0.2.1"},
		{"IPv6", "[fd00::1]:80", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets with port", "[fd00::1]:80", []string{"[2001:db8::1]:5555"}, "2001:db8::1"},
		{"IPv6 in brackets", "[fd00::1]:80", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:80", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"trusted as IPv4 in IPv6", "172.16.0.9:80", []string{"192.0.2.1"}, "192.0.2.1"},
		{"no port", "192.0.2.1", nil, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := webhook.ClientIP(c.remote, c.xff, proxies); got.String() != c.want {
				t.Errorf("ClientIP() = %s, want %s", got, c.want)
			}
		})
	}
	for _, remote := range []string{"", "@", "/run/socket", "host:80"} {
		if got := webhook.ClientIP(remote, []string{"192.0.2.1"}, proxies); got.IsValid() {
			t.Errorf("ClientIP(%q) = %s, want the zero address", remote, got)
		}
	}
}

// Whatever a client writes into the header, nobody but a trusted proxy is
// believed.
func TestClientIPBelievesNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xff := rapid.SliceOf(rapid.String()).Draw(t, "xff")
		if got := webhook.ClientIP("192.0.2.1:1", xff, prefixes("10.0.0.0/8")); got.String() != "192.0.2.1" {
			t.Fatalf("ClientIP() = %s", got)
		}
		behind := append(xff, "192.0.2.1")
		if got := webhook.ClientIP("10.0.0.1:1", behind, prefixes("10.0.0.0/8")); got.String() != "192.0.2.1" {
			t.Fatalf("ClientIP() behind a proxy = %s", got)
		}
	})
}
