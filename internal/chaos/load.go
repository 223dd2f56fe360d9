package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How a provider of this program tries again: soon, so that many retries fit
// into a run, and for as long as it takes.
const (
	firstBackoff = 25 * time.Millisecond
	maxBackoff   = time.Second
	answerWait   = 15 * time.Second // then nobody waits for an answer any more
	laterWithin  = 3 * time.Second  // when a request that was accepted is sent again
)

// loadOptions says how much is sent to whom.
type loadOptions struct {
	phase   int
	senders int
	rate    float64 // requests a second, all senders together; 0: as fast as they are answered
	mix     mix
	seed    uint64
	hasty   bool     // senders come back at once after a refusal
	targets []string // base addresses; a request that was not accepted goes to the next one
}

// load is a load in progress: senders that each send one request after the other.
type load struct {
	opt     loadOptions
	gen     *generator
	count   *counters
	keys    *keyring
	journal *journal
	client  *http.Client
	pace    pace

	accepted, refused, open atomic.Int64 // requests
	events                  atomic.Int64 // accepted
	wg                      sync.WaitGroup
	stop                    context.CancelFunc // no new requests
	abandon                 context.CancelFunc // no more attempts
}

// startLoad starts the senders. They work until finish, or until ctx ends.
func (r *run) startLoad(ctx context.Context, o loadOptions) *load {
	l := &load{opt: o, gen: r.gen, count: &r.count, keys: &r.keys, journal: r.journal, client: newClient(o.senders), pace: pace{rate: o.rate}}
	attempts, abandon := context.WithCancel(ctx)
	making, stop := context.WithCancel(attempts)
	l.stop, l.abandon = stop, abandon
	for i := range o.senders {
		random := rand.New(rand.NewPCG(o.seed, uint64(o.phase)<<32|uint64(i)))
		author := newAuthor(r.gen, &r.count, o.phase, o.mix, random)
		l.wg.Go(func() { l.send(making, attempts, author) })
	}
	return l
}

// newClient makes the HTTP client of a load: connections are kept, nothing is
// followed or tried again.
func newClient(connections int) *http.Client {
	return &http.Client{
		Timeout: answerWait,
		Transport: &http.Transport{
			DialContext:         dialDated,
			MaxIdleConnsPerHost: connections, DisableCompression: true, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// datedConn is a connection that knows when it was made.
type datedConn struct {
	net.Conn
	since time.Time
}

func dialDated(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return datedConn{c, time.Now()}, nil
}

// finish ends the making of new requests and waits, for patience at most, until
// all are accepted.
func (l *load) finish(patience time.Duration) {
	l.stop()
	timer := time.AfterFunc(patience, l.abandon)
	l.wg.Wait()
	timer.Stop()
	l.abandon()
	l.client.CloseIdleConnections()
}

// send is one sender: new requests until making ends, attempts until attempts ends.
func (l *load) send(making, attempts context.Context, a *author) {
	for l.pace.wait(making) {
		r := a.next()
		l.deliver(attempts, r, a.random)
		if other := a.conflicting(r); other != nil {
			l.deliver(attempts, other, a.random)
		}
	}
}

// deliver sends a request as often as its provider does, and returns when it
// has been accepted or given up.
func (l *load) deliver(ctx context.Context, r *request, random *rand.Rand) {
	l.journal.made(r)
	l.open.Add(1)
	defer l.open.Add(-1)
	var wg sync.WaitGroup
	for i := 1; i < r.copies; i++ {
		delay := time.Duration(0) // a twin in flight
		if random.IntN(2) == 0 {
			delay = time.Duration(random.Int64N(int64(laterWithin)))
		}
		wg.Go(func() {
			if pause(ctx, delay) {
				l.insist(ctx, r, i)
			}
		})
	}
	if l.insist(ctx, r, 0) {
		l.accepted.Add(1)
		l.events.Add(int64(r.count))
	}
	wg.Wait()
}

// insist sends a request until it is accepted; false if it was given up.
func (l *load) insist(ctx context.Context, r *request, offset int) bool {
	longest := maxBackoff
	if l.opt.hasty {
		longest = firstBackoff
	}
	for n, backoff := offset+int(r.id), firstBackoff; ctx.Err() == nil; n, backoff = n+1, min(2*backoff, longest) {
		status := l.attempt(ctx, r, l.opt.targets[n%len(l.opt.targets)])
		switch {
		case status == http.StatusOK:
			return true
		case r.once || stopsProvider(status):
			return false
		}
		l.refused.Add(1)
		// Jitter, so that senders do not come back in step.
		if !pause(ctx, backoff/2+rand.N(backoff/2)) {
			return false
		}
	}
	return false
}

// stopsProvider reports whether a provider may take an answer for "never again".
func stopsProvider(status int) bool {
	return status > 0 && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

// nobodyThere is the status of an attempt that nobody took: the connection was
// refused.
const nobodyThere = -1

// attempt sends a request once and notes what came of it; 0 is no answer.
func (l *load) attempt(ctx context.Context, r *request, base string) int {
	start := time.Now()
	req, err := l.keys.sign(r, base, start)
	if err != nil {
		l.journal.attempt(r, start, start, 0, time.Time{})
		return 0
	}
	var since time.Time
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if c, ok := i.Conn.(datedConn); ok {
			since = c.since
		}
	}})
	res, err := l.client.Do(req.WithContext(ctx))
	end, status := time.Now(), 0
	if err == nil {
		status = res.StatusCode
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		res.Body.Close()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		status = nobodyThere
	}
	l.journal.attempt(r, start, end, status, since)
	return status
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pace spreads requests evenly. What could not be sent in time is not made up
// for. Safe for concurrent use.
type pace struct {
	rate float64 // a second; 0: no waiting
	mu   sync.Mutex
	next time.Time
}

// wait waits for the next request's turn; false when ctx has ended.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	if p.rate == 0 {
		p.mu.Unlock()
		return ctx.Err() == nil
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	turn := p.next
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	p.mu.Unlock()
	return pause(ctx, time.Until(turn))
}

// set changes the rate.
func (p *pace) set(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}
