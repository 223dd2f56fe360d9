package delivery_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/delivery"
)

// TestAddressesThatAreNotPublic: each special range at its edges, and what lies
// beside it.
func TestAddressesThatAreNotPublic(t *testing.T) {
	for closed := range strings.FieldsSeq(`
		0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254
		169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
		198.19.255.255 198.51.100.1 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255
		:: ::1 ::7f00:1 ::127.0.0.1 ::10.0.0.1 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1 ::ffff:0:10.0.0.1 100::1 2001::1 2001:0:ffff::1
		2001:db8::1 2001:db8:ffff::1 2002:7f00:1::1 2002:808:808::1 3fff::1 3fff:fff::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1
		feff::1 ff02::1 ff0e::1 4000::1 e000::1 1::1`) {
		if delivery.NotPublic(netip.MustParseAddr(closed)) == "" {
			t.Errorf("%s passes for public", closed)
		}
		_, err := delivery.New(delivery.Options{URL: "https://" + net.JoinHostPort(closed, "443") + "/", Now: time.Now})
		if refused, ok := errors.AsType[*delivery.AddressError](err); !ok || refused.Why == "" {
			t.Errorf("https://%s: got %v, want an AddressError", closed, err)
		}
	}
	for _, mapped := range []string{"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1"} {
		_, err := delivery.New(delivery.Options{URL: "https://[" + mapped + "]/", Now: time.Now})
		if _, ok := errors.AsType[*delivery.AddressError](err); !ok {
			t.Errorf("%s: got %v, want an AddressError", mapped, err)
		}
	}
	for public := range strings.FieldsSeq(`
		1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.0 172.15.255.255
		172.32.0.0 191.255.255.255 192.0.1.1 192.0.3.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.1 223.255.255.255
		2001:200::1 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1 2003::1 3ffe::1`) {
		if why := delivery.NotPublic(netip.MustParseAddr(public)); why != "" {
			t.Errorf("%s: refused as %s", public, why)
		}
	}
}

// TestAllowIsByPrefix: what is named may be called, and nothing beside it; an
// IPv4 address written as IPv6 is what it is.
func TestAllowIsByPrefix(t *testing.T) {
	for _, c := range []struct {
		allow, host string
		want        bool
	}{
		{"10.1.0.0/16", "10.1.2.3", true},
		{"10.1.0.0/16", "10.2.2.3", false},
		{"10.1.0.0/16", "[::ffff:10.1.2.3]", true},
		{"::ffff:10.1.0.0/112", "10.1.2.3", true},
		{"::ffff:10.1.0.0/112", "10.2.2.3", false},
		{"fd00::/8", "[fd12::1]", true},
		{"fd00::/8", "[fe80::1]", false},
		{"fe80::/10", "[fe80::1%25lo]", true},
		{"64:ff9b::/96", "[64:ff9b::8.8.8.8]", true},
		{"10.1.0.0/16", "8.8.8.8", true}, // public, by TLS
	} {
		err := delivery.CheckURL("https://"+c.host+"/", []netip.Prefix{netip.MustParsePrefix(c.allow)})
		if (err == nil) != c.want {
			t.Errorf("%s with %s allowed: got %v, want allowed=%t", c.host, c.allow, err, c.want)
		}
	}
}

// TestTargetsAddresses: what is no address of a target is told without quoting it.
func TestTargetsAddresses(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, good := range []string{
		"https://hooks.example/a?b=c", "https://hooks.example:8443", "http://10.1.1.1/", "http://hooks.internal/", "HTTPS://hooks.example/",
	} {
		if err := delivery.CheckURL(good, allow); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "canary", "/canary", "//canary.example/", "https:", "https://", "https:///canary", "https:canary", "ftp://canary.example/",
		"file:///canary", "unix:/canary", "https://user:canary@hooks.example/", "https://canary@hooks.example/", "https://@hooks.example/",
		"https://hooks.example/#canary", "https://hooks.example/#", "https://hooks.example:canary/", "https://[canary]/", "https://hooks.example/%zz-canary",
		"https://can ary.example/", "https://hooks.example/\x7fcanary", "https://:443/canary", "http://8.8.8.8/canary",
	} {
		err := delivery.CheckURL(bad, allow)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if err := delivery.CheckURL("http://hooks.example/", nil); err == nil || !strings.Contains(err.Error(), "plain HTTP") {
		t.Errorf("plain HTTP without allowed addresses: got %v", err)
	}
}

// names is a resolver that answers each question about an IPv4 address with the
// next of its list.
func names(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	var asked atomic.Int64
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			answer(theirs, func() netip.Addr {
				return netip.MustParseAddr(addrs[min(int(asked.Add(1)), len(addrs))-1])
			})
		}()
		return ours, nil
	}}
}

// answer answers one question by DNS over a stream (RFC 1035, section 4).
func answer(conn net.Conn, next func() netip.Addr) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	q := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, q); err != nil {
		return
	}
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5 // the root, type and class
	a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
	if binary.BigEndian.Uint16(q[end-4:]) == 1 { // A
		a[7] = 1
		a = append(append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), next().AsSlice()...)
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
}

// counted is a server that counts connections.
func counted(t *testing.T, start func(*httptest.Server), h http.HandlerFunc) (s *httptest.Server, opened *atomic.Int64) {
	t.Helper()
	opened = &atomic.Int64{}
	s = httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	start(s)
	t.Cleanup(s.Close)
	return s, opened
}

func port(s *httptest.Server) string {
	_, p, _ := net.SplitHostPort(s.Listener.Addr().String())
	return p
}

// TestNamesOfPrivateAddressesAreNotDialled: not even a connection is opened.
func TestNamesOfPrivateAddressesAreNotDialled(t *testing.T) {
	s, opened := counted(t, (*httptest.Server).StartTLS, func(http.ResponseWriter, *http.Request) {})
	for name, resolver := range map[string]*net.Resolver{
		"localhost": nil, "metadata.test": names(t, "169.254.169.254"), "home.test": names(t, "127.0.0.1"),
	} {
		c, w := dial(t, delivery.Options{URL: "https://" + name + ":" + port(s), Allow: []netip.Prefix{}, Resolver: resolver})
		_, err := c.Deliver(t.Context(), message())
		if _, ok := errors.AsType[*delivery.AddressError](err); !ok || told(delivery.Outcome{}, err) != "unavailable 0 after 1" || len(w.list) > 0 {
			t.Errorf("%s: got %v after the waits %v, want an AddressError at once", name, err, w.list)
		}
	}
	if opened.Load() > 0 {
		t.Errorf("%d connections were opened", opened.Load())
	}
}

// TestNamesThatChangeTheirAddress: the address that counts is the one dialled
// now, not the one that was looked at before.
func TestNamesThatChangeTheirAddress(t *testing.T) {
	s, opened := counted(t, (*httptest.Server).Start, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	})
	c, _ := dial(t, delivery.Options{
		URL: "http://rebound.test:" + port(s), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: names(t, "127.0.0.1", "127.0.0.2"),
	})
	if _, err := c.Deliver(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Deliver(t.Context(), message())
	if refused, ok := errors.AsType[*delivery.AddressError](err); !ok || refused.Addr != netip.MustParseAddr("127.0.0.2") {
		t.Errorf("got %v, want 127.0.0.2 to be refused", err)
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections were opened, want 1", opened.Load())
	}
}

// TestPlainHTTPGoesToAllowedAddressesOnly, wherever the name leads.
func TestPlainHTTPGoesToAllowedAddressesOnly(t *testing.T) {
	c, _ := dial(t, delivery.Options{URL: "http://public.test/", Allow: loopback(), Resolver: names(t, "8.8.8.8")})
	_, err := c.Deliver(t.Context(), message())
	if refused, ok := errors.AsType[*delivery.AddressError](err); !ok || !strings.Contains(refused.Why, "plain HTTP") {
		t.Errorf("got %v, want an AddressError for plain HTTP", err)
	}
}

// TestNoProxyIsUsed: the one of the environment (TestMain) would make the address
// check void.
func TestNoProxyIsUsed(t *testing.T) {
	url, received := record(t, 200)
	_, p, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	c, _ := dial(t, delivery.Options{URL: "http://target.test:" + p, Resolver: names(t, "127.0.0.1"), MaxAttempts: 1})
	if _, err := c.Deliver(t.Context(), message()); err != nil || len(*received) != 1 {
		t.Errorf("got %v and %d requests at the target", err, len(*received))
	}
}

// TestTLSIsVerified: trusted, of that name, and modern; else nothing is sent.
func TestTLSIsVerified(t *testing.T) {
	for name, c := range map[string]struct {
		host    string
		trusted bool
		version uint16
		want    string
	}{
		"good":         {"example.com", true, 0, "delivered 200 after 1"},
		"not trusted":  {"example.com", false, 0, "unavailable 0 after 1"},
		"another name": {"example.net", true, 0, "unavailable 0 after 1"},
		"TLS 1.1":      {"example.com", true, tls.VersionTLS11, "unavailable 0 after 2"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			start := func(s *httptest.Server) {
				s.EnableHTTP2 = true
				s.TLS = &tls.Config{MaxVersion: c.version}
				s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
				s.StartTLS()
			}
			s, _ := counted(t, start, func(_ http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if r.ProtoMajor != 2 {
					t.Errorf("spoke %s", r.Proto)
				}
			})
			o := delivery.Options{URL: "https://" + c.host + ":" + port(s), Resolver: names(t, "127.0.0.1"), MaxAttempts: 2}
			if c.trusted {
				o.RootCAs = x509.NewCertPool()
				o.RootCAs.AddCert(s.Certificate())
			}
			client, _ := dial(t, o)
			outcome, err := client.Deliver(t.Context(), message())
			if got := told(outcome, err); got != c.want || (requests.Load() > 0) != (err == nil) {
				t.Errorf("got %q (%v) and %d requests, want %q", got, err, requests.Load(), c.want)
			}
		})
	}
}

// TestErrorsAndLogsTellNothing of the address but the host, of the payload, of the
// secrets, or of what the target says.
func TestErrorsAndLogsTellNothing(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	secret := "whsec_canary00" + strings.Repeat("canary00", 5)
	var mode atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch mode.Load() {
		case 0:
			w.Header().Set("Location", "/canary")
			w.WriteHeader(http.StatusFound)
		case 1:
			w.WriteHeader(http.StatusBadRequest)
		case 2:
			w.Header().Set("Retry-After", "canary")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "canary "+string(body)+"\r\n\r\n")
				conn.Close()
			}
			return
		}
		_, _ = w.Write(body)
	})
	o := delivery.Options{
		URL: s.URL + "/canary/path?token=canary", Secrets: []delivery.Secret{{ID: "a", Key: secret}}, Log: zap.New(core), MaxAttempts: 2,
	}
	c, _ := dial(t, o)
	m := message()
	m.Body, m.Header = []byte(`{"recipient":"canary@example.com"}`), http.Header{"X-Canary": {"canary"}}
	var texts []string
	for mode.Store(0); mode.Load() < 4; mode.Add(1) {
		_, err := c.Deliver(t.Context(), m)
		if err == nil || !strings.Contains(err.Error(), c.Host()) {
			t.Errorf("mode %d: got %v, want an error that names %s", mode.Load(), err, c.Host())
			continue
		}
		texts = append(texts, err.Error())
	}
	s.Close()
	texts = append(texts, second(c.Deliver(t.Context(), m)).Error())
	for _, entry := range logs.All() {
		if entry.ContextMap()["target"] != c.Host() {
			t.Errorf("a line without its target: %v", entry)
		}
		for _, v := range entry.ContextMap() {
			if e, ok := v.(string); ok {
				texts = append(texts, e)
			}
		}
	}
	if logs.Len() == 0 {
		t.Error("attempts that failed left no line")
	}
	for _, text := range texts {
		if strings.Contains(text, "canary") {
			t.Errorf("tells a secret: %s", text)
		}
	}
}
