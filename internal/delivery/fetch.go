package delivery

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// FetchOptions bounds a Fetcher. The zero value calls public addresses only, by the
// system's roots and resolver.
type FetchOptions struct {
	Timeout  time.Duration  // of one call, from dialling to the end of the answer; default 1.5 s
	MaxBytes int64          // of an answer; default 64 KiB
	Allow    []netip.Prefix // addresses that are not public and may be called all the same
	RootCAs  *x509.CertPool
	Resolver *net.Resolver
}

// Fetcher gets what stands at an https address that a provider names: a signing
// certificate, or the address that confirms a webhook. It follows no redirect, uses
// no proxy and dials no address that is not public. Which hosts may be asked is for
// the caller to say. Safe for concurrent use.
type Fetcher struct {
	opt  FetchOptions
	http *http.Client
}

// The defaults of FetchOptions. The receiver has two seconds for a whole request.
const (
	fetchTimeout  = 1500 * time.Millisecond
	fetchMaxBytes = 64 << 10
)

// NewFetcher makes a Fetcher. It keeps no connections: it is seldom used.
func NewFetcher(o FetchOptions) *Fetcher {
	if o.Timeout <= 0 {
		o.Timeout = fetchTimeout
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = fetchMaxBytes
	}
	transport := newTransport(Options{
		AttemptTimeout: o.Timeout, MaxConcurrent: 2, Allow: o.Allow, RootCAs: o.RootCAs, Resolver: o.Resolver,
	}, &url.URL{Scheme: "https"})
	transport.DisableKeepAlives = true
	return &Fetcher{opt: o, http: &http.Client{Transport: noRedirects{transport}, Timeout: o.Timeout}}
}

// Fetch implements webhook.Fetcher: it returns the body of a 200 answer.
func (f *Fetcher) Fetch(address string) ([]byte, error) { return f.get(context.Background(), address) }

// Confirm calls an address and wants a 2xx for an answer.
func (f *Fetcher) Confirm(ctx context.Context, address string) error {
	_, err := f.get(ctx, address)
	return err
}

// get calls an address. Errors name its host only: the rest may hold a token.
func (f *Fetcher) get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("delivery: not an https address")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errors.New("delivery: not an https address")
	}
	res, err := f.http.Do(req)
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err // without the address
		}
		return nil, fmt.Errorf("delivery: %s: %w", u.Host, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, f.opt.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("delivery: %s: reading the answer: %w", u.Host, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, fmt.Errorf("delivery: %s answered %d", u.Host, res.StatusCode)
	case int64(len(body)) > f.opt.MaxBytes:
		return nil, fmt.Errorf("delivery: %s answered more than %d bytes", u.Host, f.opt.MaxBytes)
	}
	return body, nil
}
