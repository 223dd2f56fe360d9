// Package delivery sends one payload to one HTTP target, and does not believe a
// word that the target says.
//
// It is the only HTTP client for payloads: replays use it, and so does whatever
// else sends events to other people's servers. It stands on
// hashicorp/go-retryablehttp, and leaves nothing to that library's defaults:
//
//   - Only a 2xx is a delivery, and it is one as soon as its headers are there.
//     Redirects are never followed: a POST would become a GET without the body,
//     whose 200 looks like success.
//   - 3xx and 4xx are refusals for good (RefusedError), since the same request
//     would be refused again, except 408, 425 and 429, which like 5xx, time-outs and
//     broken connections are tried again, and then an UnavailableError.
//   - Retry-After is honoured up to a bound, waits have full jitter, and none is so
//     short that it would be a hot loop.
//   - Each attempt has a time-out of its own, from dialling to the last byte of the
//     answer, of which only a bounded part is read. Answers are never decompressed,
//     kept or quoted: they may echo what was sent.
//   - The address is checked when it is dialled, after its name was resolved, so no
//     name can lead into the network at home (AddressError). Proxies of the
//     environment are not used: behind one, that check would be of the proxy.
//   - TLS is 1.2 or newer and verified. Plain HTTP goes only to addresses that
//     Options.Allow names.
//   - Requests are signed by Standard Webhooks
//     (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
//     the id stays over the attempts and is fit as an idempotency key, the timestamp
//     is that of the attempt, the body is the same to the byte.
//
// Errors and log lines name the target by its host alone: paths and queries of
// webhook addresses hold tokens.
package delivery

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"
)

// Client delivers to one target. Safe for concurrent use.
type Client struct {
	opt     Options
	url     *url.URL
	secrets []signing
	http    *http.Client
	idle    func()        // closes connections that wait for work
	slots   chan struct{} // deliveries in progress

	// waited learns of each wait before it begins, and says how long it is.
	waited func(time.Duration) time.Duration
}

// Message is one payload. Nothing in it may be changed while it is delivered.
type Message struct {
	// ID becomes webhook-id: the same whenever this payload is delivered, and
	// without a full stop, which separates what is signed.
	ID string
	// ContentType of the body; default application/json.
	ContentType string
	Body        []byte
	// Header is sent beside. Credentials, framing and what the signature owns
	// cannot be in it.
	Header http.Header
}

// Outcome is a delivery that was made.
type Outcome struct {
	Status   int           // of the answer: 2xx
	Attempts int           // at least 1
	Took     time.Duration // of all attempts and the waits between them
}

// New makes a Client; the error tells everything that is wrong with o. Close it.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	target, secrets, err := o.check()
	if err != nil {
		return nil, err
	}
	transport := newTransport(o, target)
	return &Client{
		opt: o, url: target, secrets: secrets,
		http: &http.Client{
			Transport: noRedirects{transport},
			Timeout:   o.AttemptTimeout,
			// noRedirects leaves nothing to follow; this says it once more.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		idle:   transport.CloseIdleConnections,
		slots:  make(chan struct{}, o.MaxConcurrent),
		waited: func(d time.Duration) time.Duration { return d },
	}, nil
}

// Close closes the connections that are kept for later. Deliveries in progress
// go on.
func (c *Client) Close() { c.idle() }

// Host is the target's host and port, for people: it holds no secret.
func (c *Client) Host() string { return c.url.Host }

// Deliver sends m until the target takes it, refuses it (*RefusedError), or
// MaxAttempts are used up (*UnavailableError). It waits while MaxConcurrent
// deliveries are in progress. If ctx ends, the error wraps its cause, and the
// target may or may not have the payload.
func (c *Client) Deliver(ctx context.Context, m Message) (Outcome, error) {
	if why := m.problem(); why != "" {
		return Outcome{}, &RefusedError{Host: c.url.Host, Reason: why}
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Outcome{}, c.ended(ctx)
	}
	return (&delivery{client: c, message: m, started: c.opt.Now()}).run(ctx)
}

// ended is the error of a delivery that its caller gave up.
func (c *Client) ended(ctx context.Context) error {
	return fmt.Errorf("delivery: %s: %w", c.url.Host, context.Cause(ctx))
}

// newTransport makes the connections' side of a Client.
func newTransport(o Options, target *url.URL) *http.Transport {
	g := guard{allow: unmapped(o.Allow), onlyAllowed: target.Scheme == "http"}
	dialer := &net.Dialer{Timeout: o.AttemptTimeout, KeepAlive: keepAlive, Resolver: o.Resolver, ControlContext: g.control}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    o.AttemptTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    o.MaxConcurrent,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		// A connection that went silent would take every attempt with it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: o.AttemptTimeout, PingTimeout: o.AttemptTimeout},
	}
}

const (
	keepAlive       = 30 * time.Second
	idleTimeout     = 90 * time.Second
	maxAnswerHeader = 32 << 10
)

// noRedirects takes away what a redirect needs. net/http would read the address
// before it asks CheckRedirect, and quote one that is malformed in an error; and
// it would call a redirected POST a GET. That it has no CloseIdleConnections
// keeps the library from closing other deliveries' connections whenever one fails.
type noRedirects struct{ next *http.Transport }

// RoundTrip implements http.RoundTripper.
func (n noRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := n.next.RoundTrip(r)
	if err == nil {
		res.Header.Del("Location")
	}
	return res, err //nolint:wrapcheck // it is the transport's, for the client around us
}

// logRetry tells of an attempt that failed and is made again.
func (c *Client) logRetry(attempt, status int, err error, wait time.Duration) {
	c.opt.Log.Debug("delivery failed, trying again", zap.String("reason_code", "delivery_retry"), zap.String("target", c.url.Host),
		zap.Int("attempt", attempt), zap.Int("status", status), zap.Duration("wait", wait), zap.Error(err))
}
