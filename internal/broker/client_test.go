package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestDialSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := []string{"127.0.0.1:9092"}
	for name, c := range map[string]struct {
		o    Options
		want []string
	}{
		"no brokers":        {Options{}, []string{"kafka.brokers"}},
		"broker, no port":   {Options{Brokers: []string{"kafka1"}}, []string{"kafka.brokers", `"kafka1"`, "host:port"}},
		"broker, no host":   {Options{Brokers: []string{":9092"}}, []string{"kafka.brokers", "host:port"}},
		"missing CA file":   {Options{Brokers: one, TLS: &TLSOptions{CAFile: filepath.Join(dir, "none.pem")}}, []string{"kafka.tls.ca_file", "none.pem"}},
		"CA file is no PEM": {Options{Brokers: one, TLS: &TLSOptions{CAFile: junk}}, []string{"kafka.tls.ca_file", junk, "PEM"}},
		"key without cert":  {Options{Brokers: one, TLS: &TLSOptions{KeyFile: junk}}, []string{"kafka.tls.cert_file", "kafka.tls.key_file"}},
		"bad key pair":      {Options{Brokers: one, TLS: &TLSOptions{CertFile: junk, KeyFile: junk}}, []string{"kafka.tls.cert_file", junk}},
		"unknown mechanism": {Options{Brokers: one, SASL: &SASLOptions{Mechanism: "GSSAPI", Username: "u", Password: "p"}}, []string{"kafka.sasl.mechanism", "GSSAPI", "SCRAM-SHA-512"}},
		"no password":       {Options{Brokers: one, SASL: &SASLOptions{Mechanism: "PLAIN", Username: "u"}}, []string{"kafka.sasl", "password"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(c.o)
			if err == nil {
				t.Fatal("Dial succeeded")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestTLSIsModernAndVerified(t *testing.T) {
	c, err := Dial(Options{Brokers: []string{"127.0.0.1:9092"}, TLS: &TLSOptions{ServerName: "kafka.internal"}})
	if err != nil {
		t.Fatal(err)
	}
	conf := c.dialer.TLS
	if conf.MinVersion != tls.VersionTLS12 || conf.InsecureSkipVerify || conf.ServerName != "kafka.internal" {
		t.Errorf("TLS configuration is %+v", conf)
	}
}

// Ping must fail with a hint; the broker answers or not as the case says.
func pingFails(t *testing.T, o Options, hint string) {
	t.Helper()
	c, err := Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = c.Ping(ctx)
	if err == nil {
		t.Fatal("Ping succeeded")
	}
	if !strings.Contains(err.Error(), hint) || !strings.Contains(err.Error(), o.Brokers[0]) {
		t.Errorf("got %q, want the broker's address and %q", err, hint)
	}
	if o.SASL != nil && strings.Contains(err.Error(), o.SASL.Password) {
		t.Errorf("the password is in the error: %v", err)
	}
}

func TestPingExplains(t *testing.T) {
	plaintext := startBroker(t)
	certs := newCertificates(t)
	secured := startBroker(t, kfake.TLS(certs.server))
	login := startBroker(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "rider", "open sesame"))

	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		pingFails(t, Options{Brokers: []string{addr}}, "connection refused (is the broker running")
	})
	t.Run("nobody answers", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		pingFails(t, Options{Brokers: []string{l.Addr().String()}, DialTimeout: 300 * time.Millisecond}, "no answer in time")
	})
	t.Run("unknown host", func(t *testing.T) {
		pingFails(t, Options{Brokers: []string{"kafka.invalid:9092"}}, "host name not found")
	})
	t.Run("certificate of an unknown authority", func(t *testing.T) {
		pingFails(t, Options{Brokers: secured, TLS: &TLSOptions{}}, "set kafka.tls.ca_file")
	})
	t.Run("certificate for another name", func(t *testing.T) {
		pingFails(t, Options{Brokers: secured, TLS: &TLSOptions{CAFile: certs.caFile, ServerName: "other.example"}}, "kafka.tls.server_name")
	})
	t.Run("TLS to a plaintext listener", func(t *testing.T) {
		pingFails(t, Options{Brokers: plaintext, TLS: &TLSOptions{CAFile: certs.caFile}, DialTimeout: 300 * time.Millisecond}, "kafka.tls")
	})
	t.Run("plaintext to a TLS listener", func(t *testing.T) {
		pingFails(t, Options{Brokers: secured}, "TLS")
	})
	t.Run("wrong password", func(t *testing.T) {
		pingFails(t, Options{Brokers: login, SASL: &SASLOptions{Mechanism: "SCRAM-SHA-512", Username: "rider", Password: "wrong-password"}}, "credentials")
	})
	t.Run("mechanism not offered", func(t *testing.T) {
		pingFails(t, Options{Brokers: login, SASL: &SASLOptions{Mechanism: "PLAIN", Username: "rider", Password: "open sesame"}}, "credentials")
	})
}

func TestPingAndPublishSecured(t *testing.T) {
	certs := newCertificates(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			brokers := startBroker(t, kfake.TLS(certs.server), kfake.EnableSASL(), kfake.Superuser(mechanism, "rider", "open sesame"))
			c, err := Dial(Options{
				Brokers: brokers, TLS: &TLSOptions{CAFile: certs.caFile},
				SASL: &SASLOptions{Mechanism: mechanism, Username: "rider", Password: "open sesame"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Ping(context.Background()); err != nil {
				t.Fatalf("Ping: %v", err)
			}
			p := NewPublisher(c, PublisherOptions{Now: time.Now, Budget: 10 * time.Second})
			if err := p.Publish(context.Background(), records("a")); err != nil {
				t.Errorf("Publish: %v", err)
			}
			if err := p.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestPingIsNotAnsweredFromACache(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	c := dialTest(t, cluster.ListenAddrs()...)
	if err := c.Ping(context.Background()); err != nil {
		t.Fatal(err)
	}
	cluster.Close()
	if err := c.Ping(context.Background()); err == nil {
		t.Error("Ping succeeded with the broker gone")
	}
}

func startBroker(t *testing.T, opts ...kfake.Opt) []string {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

type certificates struct {
	server *tls.Config
	caFile string
}

// newCertificates makes a self-signed certificate for 127.0.0.1 that is its
// own authority.
func newCertificates(t *testing.T) certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return certificates{
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		caFile: caFile,
	}
}
