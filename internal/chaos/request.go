package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// request is one webhook, sent until it is accepted. Its events have the serials
// from first on.
type request struct {
	id     uint32
	phase  int
	first  uint32
	count  int
	once   bool // its provider never tries again
	copies int  // how often the provider sends it, at least 1
	source source
	body   string
	sum    [sha256.Size]byte
	marks  []marker
}

// counters number what a run makes.
type counters struct{ requests, serials, streams atomic.Uint32 }

// mix says what the requests of a load are like. Shares are from 0 to 1.
type mix struct {
	batches   float64 // share of requests with a JSON array of several events
	batchSize int     // events of such a request, at most
	once      float64 // share of requests whose provider never tries again
	copies    int     // how often a request is sent, at most; 0 or 1: once
	conflicts float64 // share of requests followed by another content under the same id
}

// author writes the requests of one sender. It belongs to one goroutine.
type author struct {
	gen     *generator
	count   *counters
	phase   int
	mix     mix
	random  *rand.Rand
	streams uint32 // the first of its block
	seqs    [streamBlock]uint32
}

// newAuthor makes the author of a sender with streams of its own.
func newAuthor(g *generator, c *counters, phase int, m mix, random *rand.Rand) *author {
	return &author{gen: g, count: c, phase: phase, mix: m, random: random, streams: (c.streams.Add(1) - 1) * streamBlock}
}

// next writes a request with new events.
func (a *author) next() *request {
	n := 1
	if a.random.Float64() < a.mix.batches {
		n = 2 + a.random.IntN(max(1, a.mix.batchSize-1))
	}
	src := a.random.IntN(sourceCount)
	r := a.blank(n)
	for i := range r.marks {
		serial := r.first + uint32(i)
		slot := a.kind()*sourceCount + src
		r.marks[i] = marker{serial: serial, stream: a.streams + uint32(slot), seq: a.seqs[slot], native: serial}
		a.seqs[slot]++
	}
	return a.finish(r)
}

// blank makes a request for n events.
func (a *author) blank(n int) *request {
	r := &request{
		id: a.count.requests.Add(1) - 1, phase: a.phase, count: n, copies: 1,
		first: a.count.serials.Add(uint32(n)) - uint32(n), marks: make([]marker, n),
		once: a.random.Float64() < a.mix.once,
	}
	if a.mix.copies > 1 {
		r.copies = 1 + a.random.IntN(a.mix.copies)
	}
	return r
}

// kind draws what an event is about: mostly deliveries, sometimes an unknown
// type, now and then an item that cannot become an event.
func (a *author) kind() int {
	switch n := a.random.IntN(100); {
	case n < 72:
		return 0
	case n < 94:
		return 1
	case n < 99:
		return 2
	}
	return 3
}

// conflicting writes a request with another event under the id of r's first
// one; nil where that event's id is its content.
func (a *author) conflicting(r *request) *request {
	s, k := a.gen.of(r.marks[0].stream)
	if s.derived || k.topic == deadTopic || a.random.Float64() >= a.mix.conflicts {
		return nil
	}
	other := a.blank(1)
	slot := r.marks[0].stream - a.streams
	other.marks[0] = marker{serial: other.first, stream: r.marks[0].stream, seq: a.seqs[slot], native: r.marks[0].native}
	a.seqs[slot]++
	return a.finish(other)
}

// finish writes the body.
func (a *author) finish(r *request) *request {
	r.source, _ = a.gen.of(r.marks[0].stream)
	items := make([]string, len(r.marks))
	for i, m := range r.marks {
		items[i] = a.gen.item(m)
	}
	r.body = items[0]
	if len(items) > 1 {
		r.body = "[" + strings.Join(items, ",") + "]"
	}
	r.sum = sha256.Sum256([]byte(r.body))
	return r
}

// keyring gives each source's secret in each generation. A new generation
// replaces the old one by a reload; see rotate.
type keyring struct {
	seed    string
	current atomic.Int64 // what senders sign with
}

// secret is a source's secret of one generation, of the form its provider uses.
func (k *keyring) secret(source string, generation int64) string {
	sum := sha256.Sum256([]byte(k.seed + "/" + source + "/" + strconv.FormatInt(generation, 10)))
	return hex.EncodeToString(sum[:])
}

// sign writes the HTTP request: the same bytes each time, the proof anew with
// the secret of today.
func (k *keyring) sign(r *request, base string, now time.Time) (*http.Request, error) {
	secret := k.secret(r.source.name, k.current.Load())
	address := base + "/v1/webhooks/" + r.source.name
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"postrider-chaos"}}
	if r.source.provider == "jetemail" {
		proof := webhook.Request{Header: http.Header{}, Body: []byte(r.body)}
		if err := webhook.Sign(webhook.Config{Type: "jetemail"}, webhook.Secret{ID: "k", Value: []byte(secret)}, &proof, now); err != nil {
			return nil, fmt.Errorf("chaos: %w", err)
		}
		maps.Copy(header, proof.Header)
	} else {
		address += "/" + secret
	}
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	req.Header, req.GetBody = header, nil // without it the transport tries nothing twice
	return req, nil
}
