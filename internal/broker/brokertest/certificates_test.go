package brokertest_test

import (
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

	"github.com/postrider/postrider/internal/broker"
)

// mutual is the listener that demands a client certificate, and ours for it.
func mutual(t *testing.T) broker.Options {
	t.Helper()
	return broker.Options{
		Brokers: strings.Split(environment(t, "POSTRIDER_TEST_MTLS_BROKERS"), ","),
		TLS: &broker.TLSOptions{
			CAFile:   environment(t, "POSTRIDER_TEST_CA"),
			CertFile: environment(t, "POSTRIDER_TEST_CLIENT_CERT"),
			KeyFile:  environment(t, "POSTRIDER_TEST_CLIENT_KEY"),
		},
		Timeout: 30 * time.Second,
	}
}

func TestKafkaMutualTLS(t *testing.T) {
	t.Parallel()
	good := mutual(t)
	with := func(cert, key string, now func() time.Time) broker.Options {
		o := good
		o.TLS = &broker.TLSOptions{CAFile: good.TLS.CAFile, CertFile: cert, KeyFile: key}
		o.Now = now
		return o
	}
	strangeCert, strangeKey := issue(t, "", time.Now().Add(time.Hour))
	oldCert, oldKey := issue(t, good.TLS.CAFile, time.Now().Add(-time.Hour))
	for _, tc := range []struct {
		name string
		o    broker.Options
		want string // "": it works
	}{
		{"good", good, ""},
		{"no certificate", with("", "", nil), "kafka.tls.cert_file"},
		{"certificate of another authority", with(strangeCert, strangeKey, nil), "know their authority"},
		{"expired certificate, found by us", with(oldCert, oldKey, time.Now), "expired on"},
		{"expired certificate, found by the broker", with(oldCert, oldKey, nil), "kafka.tls.cert_file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := useBroker(t, tc.o)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && err == nil:
				t.Error("let in")
			case tc.want != "" && !strings.Contains(err.Error(), tc.want):
				t.Errorf("error does not say %q: %v", tc.want, err)
			}
		})
	}
}

// TestRenewedCertificateNeedsNoRestart replaces the files of a certificate the
// broker refuses by those of one it takes.
func TestRenewedCertificateNeedsNoRestart(t *testing.T) {
	t.Parallel()
	o := mutual(t)
	goodCert, goodKey := o.TLS.CertFile, o.TLS.KeyFile
	cert, key := issue(t, o.TLS.CAFile, time.Now().Add(-time.Hour))
	o.TLS = &broker.TLSOptions{CAFile: o.TLS.CAFile, CertFile: cert, KeyFile: key}
	o.Now = time.Now
	c, err := broker.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(t.Context()); err == nil {
		t.Fatal("let in with a certificate that is over")
	}
	replace(t, cert, goodCert)
	if err := c.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("with half of the files replaced: got %v, want the last good pair to be in force", err)
	}
	replace(t, key, goodKey)
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("refused with the renewed certificate: %v", err)
	}
}

func replace(t *testing.T, path, by string) {
	t.Helper()
	data, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a client certificate that ends at end, signed by the authority
// whose key lies beside caFile, or by nobody known for "".
func issue(t *testing.T, caFile string, end time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "postrider"},
		NotBefore: end.Add(-24 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, any(key)
	if caFile != "" {
		ca, err := tls.LoadX509KeyPair(caFile, strings.TrimSuffix(caFile, ".pem")+".key")
		if err != nil {
			t.Fatal(err)
		}
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return writePEM(t, dir, "CERTIFICATE", der), writePEM(t, dir, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, dir, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, strings.ReplaceAll(kind, " ", "_")+".pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func appendPEM(t *testing.T, path string, der []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serverCertificate is a broker's for 127.0.0.1, its own authority, that ends
// after (or ended before) a time.
func serverCertificate(t *testing.T, ends time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(ends)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "broker"},
		NotBefore: end.Add(-24 * time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
