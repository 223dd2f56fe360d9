package webhook

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Bounds of the certificates that are kept. There are as many as regions and
// years; the rest is what a forger makes up.
const (
	maxCertificates = 32
	maxFetches      = 8 // at once
	maxClient       = 2 // of them for one client, who cannot keep out the provider
	failureKept     = 10 * time.Second
)

// certificate is the public half of who signs messages.
type certificate struct {
	key      publicKey
	from, to time.Time // validity
}

// certificates fetches certificates and keeps them. Safe for concurrent use.
type certificates struct {
	fetch Fetcher

	mu      sync.Mutex
	entries map[string]*certEntry // by address
	flying  int
	clients map[netip.Addr]int // that wait for a fetch of theirs
}

// certEntry is one address; what follows done is written before that is closed.
type certEntry struct {
	asked time.Time
	done  chan struct{}
	cert  *certificate
	err   error
}

// newCertificates makes an empty store.
func newCertificates(f Fetcher) *certificates {
	return &certificates{fetch: f, entries: make(map[string]*certEntry), clients: make(map[netip.Addr]int)}
}

// errBusyFetching says that too many certificates are being fetched.
var errBusyFetching = errors.New("others are being fetched")

// get returns the certificate at an address that was checked. Requests that want
// the same one wait for one fetch; a failure is kept for ten seconds. The client is
// who sent the request, unproven as yet.
func (c *certificates) get(address string, client netip.Addr, now time.Time) (*certificate, error) {
	client = network(client)
	c.mu.Lock()
	e, ok := c.entries[address]
	if ok && e.failed() && now.Sub(e.asked).Abs() >= failureKept {
		ok = false
	}
	if !ok {
		if c.flying >= maxFetches || c.clients[client] >= maxClient {
			c.mu.Unlock()
			return nil, errBusyFetching
		}
		e = &certEntry{asked: now, done: make(chan struct{})}
		c.makeRoom()
		c.entries[address] = e
		c.flying++
		c.clients[client]++
	}
	c.mu.Unlock()
	if !ok {
		c.fill(e, address, client)
	}
	<-e.done
	return e.cert, e.err
}

// network is who may well be one client: an IPv4 address, or 64 bits of IPv6.
func network(client netip.Addr) netip.Addr {
	if client = client.Unmap(); client.Is6() {
		client = netip.PrefixFrom(client.WithZone(""), 64).Masked().Addr()
	}
	return client
}

// fill fetches the certificate of an entry for a client.
func (c *certificates) fill(e *certEntry, address string, client netip.Addr) {
	e.err = errors.New("the fetch ended early") // if Fetch panics
	defer func() {
		close(e.done)
		c.mu.Lock()
		c.flying--
		if c.clients[client]--; c.clients[client] == 0 {
			delete(c.clients, client)
		}
		c.mu.Unlock()
	}()
	body, err := c.fetch.Fetch(address)
	if err != nil {
		e.err = err
		return
	}
	e.cert, e.err = readCertificate(body)
}

// failed reports whether a fetch has ended without a certificate.
func (e *certEntry) failed() bool {
	select {
	case <-e.done:
		return e.err != nil
	default:
		return false
	}
}

// makeRoom forgets the entry that was asked for first, a failed one if there is
// any, once there are too many. Who waits for it gets it all the same.
func (c *certificates) makeRoom() {
	if len(c.entries) < maxCertificates {
		return
	}
	oldest, failed := "", false
	for address, e := range c.entries {
		f := e.failed()
		if oldest == "" || f && !failed || f == failed && e.asked.Before(c.entries[oldest].asked) {
			oldest, failed = address, f
		}
	}
	delete(c.entries, oldest)
}

// readCertificate reads the one certificate of a PEM file.
func readCertificate(body []byte) (*certificate, error) {
	block, _ := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("what stands there is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("what stands there is no certificate that can be read")
	}
	if err := suits(cert.PublicKey, kindRSA); err != nil {
		return nil, err
	}
	return &certificate{key: publicKey{id: "certificate", public: cert.PublicKey}, from: cert.NotBefore, to: cert.NotAfter}, nil
}

// Where certificates are. A region's name has no digit before its last part, so
// that the older addresses of buckets, such as sns.s3-us-west-2.amazonaws.com, are
// none, though the pattern that AWS publishes has them in.
var (
	awsRegion    = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)
	awsPath      = regexp.MustCompile(`^/SimpleNotificationService-[A-Za-z0-9]+\.pem$`)
	scalewayPath = regexp.MustCompile(`^/(fr-par|nl-ams)/sns/[A-Za-z0-9_-]+\.(pem|crt)$`)
)

// scalewayHost is where Scaleway keeps the certificates of its Topics and Events
// (https://www.scaleway.com/en/docs/topics-and-events/reference-content/verifying-webhooks/).
const scalewayHost = "messaging.s3.fr-par.scw.cloud"

// certificateAddress reports whether an address is one of certificates of a topic
// that was checked: https, the host of the topic's own partition and region, the
// default port, a plain path and nothing else. The certificates of other regions
// would let whoever knows the topic's name fill the store with them, and take all
// fetches.
func certificateAddress(topic, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || address != "https://"+u.Host+u.Path {
		return false
	}
	partition, region := place(topic)
	switch {
	case partition == "scw":
		return u.Host == scalewayHost && scalewayPath.MatchString(u.Path) // one host for all regions
	case !awsRegion.MatchString(region):
		return false
	case partition == "aws-cn":
		return u.Host == "sns."+region+".amazonaws.com.cn" && awsPath.MatchString(u.Path)
	case partition == "aws" || strings.HasPrefix(partition, "aws-"):
		return u.Host == "sns."+region+".amazonaws.com" && awsPath.MatchString(u.Path)
	}
	return false
}
