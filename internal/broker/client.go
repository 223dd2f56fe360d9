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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Defaults of Options.
const (
	defaultDialTimeout = 3 * time.Second
	defaultTimeout     = 10 * time.Second
	defaultClientID    = "postrider"

	// metadataTTL bounds how stale the routing may be when nothing fails.
	// kafka-go draws each refresh at random from (0, TTL).
	metadataTTL = time.Second
	// idleTimeout is how long an unused connection stays. It is below the
	// brokers' connections.max.idle.ms (ten minutes), so that we close first.
	idleTimeout = 4 * time.Minute
)

// Options says how to reach the cluster.
type Options struct {
	Brokers  []string     // host:port of one or more brokers; the others are discovered
	ClientID string       // shown in the brokers' logs and quotas; default "postrider"
	TLS      *TLSOptions  // nil: plaintext
	SASL     *SASLOptions // nil: no authentication

	// DialTimeout bounds one connection attempt with everything that belongs to
	// it (TCP, TLS, version negotiation, SASL); default 3 s.
	DialTimeout time.Duration
	// Timeout bounds one administrative request; default 10 s. Publishing has
	// its own bounds.
	Timeout time.Duration
}

// TLSOptions is TLS 1.2 or newer with the broker's host name verified. There
// is no way to switch verification off.
type TLSOptions struct {
	CAFile     string // PEM; "" uses the system's roots
	CertFile   string // PEM, with KeyFile, for mutual TLS
	KeyFile    string // PEM
	ServerName string // verified instead of the broker's host name
}

// SASLOptions is the account at the brokers.
type SASLOptions struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username  string
	Password  string
}

// Client is the process's one set of connections to the cluster. It is safe
// for concurrent use. Everything in this package that talks to Kafka shares it.
type Client struct {
	transport *kafka.Transport
	api       *kafka.Client
	addr      net.Addr
	// refreshes counts forced metadata refreshes; see refresh.
	refreshes atomic.Uint64
}

// Dial builds a client. It reads the files that o names but does not connect;
// errors name the file or the setting at fault.
func Dial(o Options) (*Client, error) {
	if err := checkBrokers(o.Brokers); err != nil {
		return nil, err
	}
	tlsConfig, err := o.TLS.build()
	if err != nil {
		return nil, err
	}
	mechanism, err := o.SASL.build()
	if err != nil {
		return nil, err
	}
	dial := orDefault(o.DialTimeout, defaultDialTimeout)
	transport := &kafka.Transport{
		Dial:        (&net.Dialer{Timeout: dial}).DialContext,
		DialTimeout: dial,
		IdleTimeout: idleTimeout,
		MetadataTTL: metadataTTL,
		ClientID:    orDefault(o.ClientID, defaultClientID),
		TLS:         tlsConfig,
		SASL:        mechanism,
	}
	tcp := kafka.TCP(o.Brokers...)
	addr := address{network: tcp.Network(), hosts: tcp.String()}
	api := &kafka.Client{Addr: addr, Timeout: orDefault(o.Timeout, defaultTimeout), Transport: transport}
	return &Client{transport: transport, api: api, addr: addr}, nil
}

// address is kafka.TCP's list of brokers, joined once: kafka-go asks for the
// strings with every request.
type address struct{ network, hosts string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.hosts }

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func checkBrokers(brokers []string) error {
	if len(brokers) == 0 {
		return errors.New("broker client: no broker address given (kafka.brokers)")
	}
	for _, b := range brokers {
		host, port, err := net.SplitHostPort(b)
		if err != nil || host == "" || port == "" {
			return fmt.Errorf("broker client: kafka.brokers has %q: write it as host:port", b)
		}
	}
	return nil
}

// build returns nil for plaintext.
func (o *TLSOptions) build() (*tls.Config, error) {
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
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("broker client: kafka.tls.cert_file %s with kafka.tls.key_file %s: %w", o.CertFile, o.KeyFile, err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

// build returns nil for no authentication.
func (o *SASLOptions) build() (sasl.Mechanism, error) {
	if o == nil {
		return nil, nil
	}
	if o.Username == "" || o.Password == "" {
		return nil, errors.New("broker client: kafka.sasl needs username and password")
	}
	switch o.Mechanism {
	case "PLAIN":
		return plain.Mechanism{Username: o.Username, Password: o.Password}, nil
	case "SCRAM-SHA-256":
		return o.scram(scram.SHA256)
	case "SCRAM-SHA-512":
		return o.scram(scram.SHA512)
	}
	return nil, fmt.Errorf("broker client: kafka.sasl.mechanism is %q: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", o.Mechanism)
}

func (o *SASLOptions) scram(algo scram.Algorithm) (sasl.Mechanism, error) {
	m, err := scram.Mechanism(algo, o.Username, o.Password)
	if err != nil {
		return nil, fmt.Errorf("broker client: kafka.sasl.username or kafka.sasl.password can't be prepared for %s (RFC 4013 forbids some characters): %w", algo.Name(), err)
	}
	return m, nil
}

// Ping proves that a broker is reachable and accepts our credentials: it makes
// one real round trip, nothing is answered from a cache. Its error says what
// is wrong and which setting to look at.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.api.Timeout)
	defer cancel()
	_, err := c.transport.RoundTrip(ctx, c.addr, &apiversions.Request{})
	if staleConnection(err) {
		// An idle connection may have died with a broker that is back since.
		c.refresh(c.generation())
		_, err = c.transport.RoundTrip(ctx, c.addr, &apiversions.Request{})
	}
	if err != nil {
		return fmt.Errorf("broker %s: %w", c.addr, explain(err))
	}
	return nil
}

// Close closes idle connections and lets those in use close when they become
// idle. Close what uses the client first.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// generation tells refresh what a failed request had seen.
func (c *Client) generation() uint64 { return c.refreshes.Load() }

// refresh makes the next request fetch the cluster's metadata anew, unless
// that happened since generation seen.
//
// kafka-go v0.4.51 never refreshes on NotLeader: it waits for MetadataTTL. Its
// only way in is a wake channel that produce can't reach. Closing the idle
// connections drops the whole pool, though: the next request builds a new one,
// whose first act is a metadata request that everybody waits for. Requests in
// flight keep the old pool until they end. Stale connections to a broker that
// was restarted go with it, which would otherwise fail one request each.
func (c *Client) refresh(seen uint64) {
	if c.refreshes.CompareAndSwap(seen, seen+1) {
		c.transport.CloseIdleConnections()
	}
}

func staleConnection(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

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
		return "authentication failed (check kafka.sasl.username and kafka.sasl.password)"
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

func tlsHint(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plaintext tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &authority):
		return "the broker's certificate is signed by an unknown authority (set kafka.tls.ca_file)"
	case errors.As(err, &host):
		return "the broker's certificate is for another name (use that name in kafka.brokers, or set kafka.tls.server_name)"
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid (expired?)"
	case errors.As(err, &plaintext):
		return "the listener does not speak TLS (check the port, or kafka.tls.enabled)"
	case errors.As(err, &alert):
		return "the broker refused the TLS connection (does it want kafka.tls.cert_file and kafka.tls.key_file?)"
	}
	return ""
}
