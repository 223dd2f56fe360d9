package main

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// sourceName is the source that the generator posts to.
const sourceName = "jetemail"

// pool holds requests written out and signed beforehand, so that sending one
// costs the generator no more than a write. Every request carries a delivered
// event of its own: event id, message uid and recipient differ. take is safe for
// concurrent use; refresh is not.
type pool struct {
	signs    credentials
	batch    int // events of a request; 0 for single ones of JetEmail, else SendGrid's
	now      func() time.Time
	write    func(serial int, now time.Time) ([]byte, error) // makes a request; nil: as batch says
	requests [][]byte
	cursor   atomic.Int64
	given    int // how many of the first were handed out since they were made
	serial   int // of the next request made; ids never repeat within a run
	repeat   bool
}

// newPool makes size requests of batch events each.
func newPool(size, batch int, signs credentials, now func() time.Time) (*pool, error) {
	p := &pool{signs: signs, batch: batch, now: now, requests: make([][]byte, size)}
	return p, p.make(size)
}

// take returns the next request, nil when all are used. With repeat it begins
// anew instead, for targets that do not look at what they get.
func (p *pool) take() []byte {
	i := p.cursor.Add(1) - 1
	if n := int64(len(p.requests)); p.repeat {
		i %= n
	} else if i >= n {
		return nil
	}
	return p.requests[i]
}

// refresh replaces the requests that were used by new ones, and says whether
// those may be repeated: then the used ones stay, until somebody wants new ones.
func (p *pool) refresh(repeat bool) error {
	p.given = max(p.given, min(int(p.cursor.Load()), len(p.requests)))
	p.cursor.Store(0)
	p.repeat = repeat
	if repeat {
		return nil
	}
	used := p.given
	p.given = 0
	return p.make(used)
}

// make writes the first n requests anew, on every core.
func (p *pool) make(n int) error {
	first := p.serial
	p.serial += n
	workers := runtime.GOMAXPROCS(0)
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				request, err := p.newRequest(first + i)
				if err != nil {
					errs <- err
					return
				}
				p.requests[i] = request
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// newRequest writes one signed request as it goes over the wire.
func (p *pool) newRequest(serial int) ([]byte, error) {
	if p.write != nil {
		return p.write(serial, p.now())
	}
	if p.batch > 0 {
		return batchRequest(serial, p.batch, p.signs, p.now())
	}
	return singleRequest(serial, p.signs.secret, p.now())
}

// singleRequest writes one signed request of one JetEmail event.
func singleRequest(serial int, secret string, now time.Time) ([]byte, error) {
	body := deliveredEvent(serial, now)
	req := webhook.Request{Header: http.Header{"X-Webhook-Id": {eventID(serial)}}, Body: body}
	err := webhook.Sign(webhook.Config{Type: "jetemail"}, webhook.Secret{ID: "bench", Value: []byte(secret)}, &req, now)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return wire(sourceName, &req)
}

// wire writes a request to a source.
func wire(source string, req *webhook.Request) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/webhooks/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: postrider-bench\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n", source, len(req.Body))
	if err := req.Header.Write(&b); err != nil {
		return nil, fmt.Errorf("bench: write request: %w", err)
	}
	b.WriteString("\r\n")
	b.Write(req.Body)
	return bytes.Clone(b.Bytes()), nil
}

// eventID is the id of the serial-th event, of the form the provider's have.
func eventID(serial int) string { return fmt.Sprintf("evt_%032x", serial) }

// deliveredEvent is a JetEmail outbound.delivered event of usual size.
func deliveredEvent(serial int, now time.Time) []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"id":"`...)
	b = append(b, eventID(serial)...)
	b = append(b, `","service":"outbound","type":"outbound.delivered","created_at":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	b = fmt.Appendf(b, `,"data":{"uid":"4d1b7f52-66d0-4d2e-8b6e-%012x","from":"billing@shop.example",`+
		`"to":"customer.%08x@mail.example","subject":"Your order has been shipped","mx":"mx1.mail.example",`+
		`"host":"2001:db8:4003:c1a::1b","ip":"2001:db8:2980:15::1","response":"250 2.0.0 OK"}}`, serial, serial)
	return b
}
