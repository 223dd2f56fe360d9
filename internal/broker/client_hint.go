package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/segmentio/kafka-go"
)

// explain adds what to do about a failed connection.
func explain(err error) error {
	if hint := connectionHint(err); hint != "" {
		return fmt.Errorf("%s: %w", hint, err)
	}
	return err
}

func connectionHint(err error) string {
	if hint := tlsHint(err); hint != "" {
		return hint
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "host name not found (check kafka.brokers and the brokers' advertised.listeners)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused (is the broker running, and is kafka.brokers right?)"
	case errors.Is(err, kafka.SASLAuthenticationFailed):
		return "authentication failed (check kafka.sasl.username and kafka.sasl.password, or the AWS identity's rights)"
	case errors.Is(err, kafka.UnsupportedSASLMechanism):
		return "the broker does not offer this SASL mechanism (check kafka.sasl.mechanism)"
	case errors.Is(err, kafka.IllegalSASLState):
		return "the listener does not expect this authentication (check kafka.sasl and the port)"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time (broker overloaded or frozen, a firewall, or a TLS listener without kafka.tls.enabled)"
	case staleConnection(err):
		return "the broker closed the connection (does this listener want TLS or SASL, or are the credentials wrong?)"
	}
	return ""
}

// tlsHint tells what a TLS handshake failed of.
func tlsHint(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plaintext tls.RecordHeaderError
		expired   *expiredCertificateError
	)
	switch {
	case errors.As(err, &expired):
		return "our own certificate is over"
	case errors.As(err, &authority):
		return "the broker's certificate is signed by an unknown authority (set kafka.tls.ca_file)"
	case errors.As(err, &host):
		return "the broker's certificate is for another name (use that name in kafka.brokers, or set kafka.tls.server_name)"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the broker's certificate has expired or is not valid yet (renew it at the broker, or set this machine's clock)"
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid"
	case errors.As(err, &plaintext):
		return "the listener does not speak TLS (check the port, or kafka.tls.enabled)"
	case remoteAlert(err):
		return "the broker refused the TLS connection (does it want kafka.tls.cert_file and kafka.tls.key_file, and does it know their authority?)"
	}
	return ""
}

// remoteAlert reports whether the broker ended a TLS connection with an alert.
// The type of crypto/tls's alerts is not exported; its net.OpError is.
func remoteAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// staleConnection reports whether a connection ended under a request.
func staleConnection(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
