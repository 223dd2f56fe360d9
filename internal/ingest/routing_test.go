package ingest_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestARequestKeepsWhatItBeganWith(t *testing.T) {
	r := start(t, func(_ *ingest.Options, p *fakePublisher) {
		p.entered, p.release = make(chan struct{}), make(chan struct{})
	})
	began := r.signed(jetEvent("evt_1"))
	done := make(chan int, 1)
	go func() { done <- r.do(began).StatusCode }()
	<-r.pub.entered
	r.srv.Swap(nil, nil)
	r.want(r.signed(jetEvent("evt_2")), http.StatusNotFound)
	close(r.pub.release)
	if code := <-done; code != http.StatusOK || len(r.pub.topic("outbound.delivered")) != 1 {
		t.Errorf("got %d and %d events, want 200 and 1", code, len(r.pub.topic("outbound.delivered")))
	}
}

func TestSwapReplacesSourcesAndTrustedProxies(t *testing.T) {
	r := start(t, nil)
	swap := func(trusted ...netip.Prefix) {
		src := newSource(t, r.m, "jet", "jetemail")
		src.Verifier = webhook.Allow(src.Verifier, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		r.srv.Swap([]*ingest.Source{src}, trusted)
	}
	forwarded := func() *http.Request {
		req := r.signed(jetEvent("evt_1"))
		req.Header.Set("X-Forwarded-For", "192.0.2.7")
		return req
	}
	r.want(forwarded(), http.StatusOK) // anybody may
	swap()
	r.want(forwarded(), http.StatusUnauthorized)
	swap(netip.MustParsePrefix("127.0.0.0/8"))
	r.want(forwarded(), http.StatusOK)
	r.want(r.request(http.MethodPost, "/v1/webhooks/vfs/"+urlToken, "[]"), http.StatusNotFound)
}
