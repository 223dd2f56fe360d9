package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/apiversions"

	"github.com/postrider/postrider/internal/rawconn"
)

// Defaults of Options.
const (
	defaultDialTimeout = 3 * time.Second
	defaultTimeout     = 10 * time.Second
	defaultClientID    = "postrider"

	// metadataTTL bounds how stale the routing may be when nothing fails.
	// kafka-go draws each refresh at random from (0, TTL).
	metadataTTL = time.Second
	// surveyTimeout bounds the wait for the metadata of all topics, beside the context's end.
	surveyTimeout = time.Minute
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
	// Topics are those that will be asked for, as far as they are known, whether or not they
	// exist: each of the others costs new connections when it is first named.
	Topics []string

	// DialTimeout bounds one connection attempt with everything that belongs to
	// it (TCP, TLS, version negotiation, SASL); default 3 s.
	DialTimeout time.Duration
	// Timeout bounds one administrative request; default 10 s. Publishing has
	// its own bounds.
	Timeout time.Duration
	// Now is the clock that a client certificate's end is held against; nil
	// leaves that to the brokers.
	Now func() time.Time
}

// Client is the process's one set of connections to the cluster. It is safe
// for concurrent use. Everything in this package that talks to Kafka shares it.
type Client struct {
	transport *transport
	api       *kafka.Client
	addr      net.Addr
	dialer    kafka.Dialer // of connections beside the transport's
	login     *login       // nil: no authentication
	// refreshes counts forced metadata refreshes; see refresh.
	refreshes atomic.Uint64
}

// Dial builds a client. It reads the files that o names but does not connect;
// errors name the file or the setting at fault.
func Dial(o Options) (*Client, error) {
	if err := checkBrokers(o.Brokers); err != nil {
		return nil, err
	}
	tlsConfig, err := o.TLS.build(o.Now)
	if err != nil {
		return nil, err
	}
	login, err := o.SASL.build(o.TLS != nil)
	if err != nil {
		return nil, err
	}
	dial := orDefault(o.DialTimeout, defaultDialTimeout)
	d := kafka.Dialer{ClientID: orDefault(o.ClientID, defaultClientID), DialFunc: dialer(dial), Timeout: dial, TLS: tlsConfig}
	if login != nil {
		d.SASLMechanism = login
	}
	transport := newTransport(func() *kafka.Transport {
		return &kafka.Transport{
			Dial: d.DialFunc, DialTimeout: d.Timeout, IdleTimeout: idleTimeout, MetadataTTL: metadataTTL,
			ClientID: d.ClientID, TLS: d.TLS, SASL: d.SASLMechanism,
		}
	}, o.Topics)
	tcp := kafka.TCP(o.Brokers...)
	addr := address{network: tcp.Network(), hosts: tcp.String()}
	api := &kafka.Client{Addr: addr, Timeout: orDefault(o.Timeout, defaultTimeout), Transport: transport}
	return &Client{transport: transport, api: api, addr: addr, dialer: d, login: login}, nil
}

// dialer opens TCP connections that are ready within timeout or given up.
//
// kafka-go v0.4.51 bounds TCP, TLS and the negotiation of versions, but not the
// SASL exchange after them: a broker that stops answering there would keep a
// goroutine and a socket for each attempt. Its context ends when the connection
// is ready, so only one that ends by its deadline tells of one that never was.
func dialer(timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // kafka-go wraps it
		}
		context.AfterFunc(ctx, func() {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				_ = conn.SetDeadline(time.Unix(1, 0)) // fails what is being read or written
			}
		})
		return rawconn.Wrap(conn), nil
	}
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

// patiently does something again while its error may pass, until the client's
// timeout. If time runs out in the middle of an attempt, its error says what the
// attempts before it failed with: that is the cause, the timeout is not.
func (c *Client) patiently(ctx context.Context, once func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.api.Timeout)
	defer cancel()
	var before error
	for n := 1; ; n++ {
		seen := c.generation()
		err := once(ctx)
		if err == nil || !passing(err) {
			return err
		}
		if _, answered := codeOf(err); before != nil && !answered && ctx.Err() != nil {
			return fmt.Errorf("%w; before that: %w", err, before)
		}
		before = err
		c.refresh(seen)
		if sleep(ctx, backoff(n)) != nil {
			return err
		}
	}
}

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
