package ingest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// shaker asks for whatever a body of "shake:<what>" says, and reads others as the
// source's own parser does.
type shaker struct{ provider.Parser }

func (shaker) Handshake(v webhook.Verified) (provider.Handshake, bool) {
	what, ok := strings.CutPrefix(string(v.Request().Body), "shake:")
	switch what {
	case "reply":
		return provider.Handshake{Kind: what, Reply: []byte(`{"validationResponse":"x"}`), ContentType: "application/json"}, ok
	case "refused":
		return provider.Handshake{Kind: what}, ok
	case "confirm":
		return provider.Handshake{Kind: what, Confirm: "https://sns.example/confirm"}, ok
	}
	return provider.Handshake{}, ok
}

// confirmer remembers what was called and fails as told.
type confirmer struct {
	err    error
	called []string
}

func (c *confirmer) Confirm(_ context.Context, address string) error {
	c.called = append(c.called, address)
	return c.err
}

// shaking starts a rig whose VFS source also shakes hands, answers probes, and
// takes events by GET.
func shaking(t *testing.T, c ingest.Confirmer) *rig {
	t.Helper()
	return start(t, func(o *ingest.Options, _ *fakePublisher) {
		src := o.Sources[1]
		src.Handshaker = shaker{src.Normalize.Parser}
		src.Methods, src.Probes = []string{"GET"}, []string{"HEAD", "GET", "OPTIONS"}
		o.Confirmer = c
	})
}

const vfsPath = "/v1/webhooks/vfs/" + urlToken

func TestProbesAreAnsweredWithoutProofAndEffect(t *testing.T) {
	r := shaking(t, &confirmer{})
	for _, method := range []string{"HEAD", "GET", "OPTIONS"} {
		for _, path := range []string{"/v1/webhooks/vfs", vfsPath, "/v1/webhooks/vfs?token=" + urlToken, "/v1/webhooks/vfs?token=wrong"} {
			r.want(r.request(method, path, ""), 200)
		}
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE"} {
		if res := r.want(r.request(method, vfsPath, ""), 405); res.Header.Get("Allow") != "POST, GET, HEAD, OPTIONS" {
			t.Errorf("%s: Allow is %q", method, res.Header.Get("Allow"))
		}
	}
	for _, method := range []string{"HEAD", "GET", "OPTIONS"} {
		r.want(r.request(method, "/v1/webhooks/jet", ""), 405) // its provider asks nothing
		r.want(r.request(method, "/v1/webhooks/nobody", ""), 404)
	}
	if len(r.pub.records) != 0 {
		t.Errorf("%d records", len(r.pub.records))
	}
}

// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
func TestSendersOfCloudEventsGetLeaveToSend(t *testing.T) {
	r := shaking(t, &confirmer{})
	req := r.request("OPTIONS", vfsPath, "")
	req.Header.Set("WebHook-Request-Origin", "eventemitter.example.com")
	req.Header.Set("WebHook-Request-Callback", "https://eventemitter.example.com/confirm?id=1")
	res := r.want(req, 200)
	if origin, rate := res.Header.Get("WebHook-Allowed-Origin"), res.Header.Get("WebHook-Allowed-Rate"); origin != "eventemitter.example.com" || rate != "*" {
		t.Errorf("allowed origin %q, rate %q", origin, rate)
	}
}

// What a provider says by GET is in the query: it is proven, read and kept like a
// body, without the token.
func TestTheQueryOfAGETIsTheBody(t *testing.T) {
	r := shaking(t, &confirmer{})
	r.want(r.request("GET", vfsPath+"?type=Sent&eventId=1", ""), 200)
	r.want(r.request("GET", "/v1/webhooks/vfs?a=1&token="+urlToken+"&b=%20", ""), 200)
	r.want(r.request("GET", "/v1/webhooks/vfs?type=Sent&token="+urlToken+"0", ""), 401)
	r.want(r.request("POST", vfsPath+"?c=1", ""), 200)
	var bodies []string
	for _, rec := range r.pub.topic("raw") {
		bodies = append(bodies, string(rec.Value))
	}
	if got := strings.Join(bodies, " "); got != "type=Sent&eventId=1 a=1&b=%20 c=1" {
		t.Errorf("kept %q", got)
	}
}

func TestHandshakes(t *testing.T) {
	c := &confirmer{}
	r := shaking(t, c)
	res, err := http.DefaultClient.Do(r.request("POST", vfsPath, "shake:reply"))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || string(body) != `{"validationResponse":"x"}` || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	r.want(r.request("POST", vfsPath, "shake:confirm"), 200)
	if len(c.called) != 1 || c.called[0] != "https://sns.example/confirm" {
		t.Errorf("called %v", c.called)
	}
	r.want(r.request("POST", "/v1/webhooks/vfs/"+strings.Repeat("0", 32), "shake:confirm"), 401)
	if len(c.called) != 1 {
		t.Error("an unproven request made us call an address")
	}
	if len(r.pub.records) != 0 {
		t.Errorf("%d records", len(r.pub.records))
	}
}

// An address that cannot be called is trouble that the provider is told of, so that
// it asks again.
func TestAHandshakeThatFailsIsAskedForAgain(t *testing.T) {
	for name, c := range map[string]ingest.Confirmer{"fails": &confirmer{err: errors.New("no route")}, "nobody calls": nil} {
		t.Run(name, func(t *testing.T) {
			r := shaking(t, c)
			if res := r.want(r.request("POST", vfsPath, "shake:confirm"), 503); res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// What is asked for and must not be done is told to the operator: the subscription
// stays unconfirmed.
func TestAHandshakeThatIsNotFollowedIsSaid(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	c := &confirmer{}
	r := start(t, func(o *ingest.Options, _ *fakePublisher) {
		o.Sources[1].Handshaker, o.Confirmer, o.Log = shaker{o.Sources[1].Normalize.Parser}, c, zap.New(core)
	})
	r.want(r.request("POST", vfsPath, "shake:refused"), 200)
	if said := logs.FilterField(zap.String("reason_code", "handshake_refused")).Len(); said != 1 || len(c.called) != 0 {
		t.Errorf("said %d times, called %v", said, c.called)
	}
	r.want(r.request("POST", vfsPath, "shake:confirm"), 200)
	if logs.Len() != 1 || len(c.called) != 1 {
		t.Errorf("a handshake that was done is a warning: %v", logs.All())
	}
}
