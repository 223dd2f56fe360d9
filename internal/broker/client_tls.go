package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// TLSOptions is TLS 1.2 or newer with the broker's host name verified. There
// is no way to switch verification off.
type TLSOptions struct {
	CAFile     string // PEM; "" uses the system's roots
	CertFile   string // PEM, with KeyFile, for mutual TLS
	KeyFile    string // PEM
	ServerName string // verified instead of the broker's host name
}

// build returns nil for plaintext.
func (o *TLSOptions) build(now func() time.Time) (*tls.Config, error) {
	if o == nil {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("broker client: kafka.tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("broker client: kafka.tls.ca_file: %s has no PEM certificate", o.CAFile)
		}
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("broker client: kafka.tls.cert_file and kafka.tls.key_file belong together: give both or neither")
	}
	if o.CertFile == "" {
		return conf, nil
	}
	own := &certificate{certFile: o.CertFile, keyFile: o.KeyFile, now: now}
	if err := own.load(); err != nil {
		return nil, err
	}
	conf.GetClientCertificate = own.present
	return conf, nil
}

// certificate is our own, for mutual TLS. Certificates of machines live for
// hours or days and are renewed in place, so each connection reads the files
// again. Safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	now               func() time.Time // nil: the brokers judge its age
	last              atomic.Pointer[tls.Certificate]
}

// load reads the files.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("broker client: kafka.tls.cert_file %s with kafka.tls.key_file %s: %w", c.certFile, c.keyFile, err)
	}
	c.last.Store(&pair)
	return nil
}

// present is the certificate for one handshake. Files that can't be read, or
// do not match for a moment because they are just being replaced, leave the last
// good ones in force.
func (c *certificate) present(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	_ = c.load()
	pair := c.last.Load()
	if c.now != nil && c.now().After(pair.Leaf.NotAfter) {
		return nil, &expiredCertificateError{file: c.certFile, end: pair.Leaf.NotAfter}
	}
	return pair, nil
}

// expiredCertificateError says that our certificate is over. A broker would only
// close the connection, with an alert that names no reason.
type expiredCertificateError struct {
	file string
	end  time.Time
}

// Error implements error.
func (e *expiredCertificateError) Error() string {
	return fmt.Sprintf("kafka.tls.cert_file %s expired on %s: renew it, it is read again at each connection", e.file, e.end.UTC().Format(time.RFC3339))
}
