package ingest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/ingest"
)

func TestProvenRequestIsPublishedAndAnsweredEmpty(t *testing.T) {
	r := start(t, nil)
	r.want(r.signed(jetEvent("evt_1")), http.StatusOK)
	if n := len(r.pub.topic("outbound.delivered")); n != 1 {
		t.Errorf("%d records in the typed topic, want 1", n)
	}
	raw := r.pub.topic("raw")
	if len(raw) != 1 || string(raw[0].Value) != jetEvent("evt_1") {
		t.Errorf("the raw topic does not hold the body as received: %v", raw)
	}
}

func TestAnswers(t *testing.T) {
	r := start(t, nil)
	tests := map[string]struct {
		request *http.Request
		code    int
	}{
		"unknown source":              {r.request("POST", "/v1/webhooks/nobody", "{}"), 404},
		"segment on a source without": {r.request("POST", "/v1/webhooks/jet/"+urlToken, "{}"), 404},
		"too many segments":           {r.request("POST", "/v1/webhooks/vfs/"+urlToken+"/more", "{}"), 404},
		"outside":                     {r.request("POST", "/", "{}"), 404},
		"metrics are not here":        {r.request("GET", "/metrics", ""), 404},
		"dot segments":                {r.request("POST", "/v1/webhooks/nobody/../jet", "{}"), 404},
		"GET":                         {r.request("GET", "/v1/webhooks/jet", ""), 405},
		"HEAD":                        {r.request("HEAD", "/v1/webhooks/jet", ""), 405},
		"PUT":                         {r.request("PUT", "/v1/webhooks/jet", "{}"), 405},
		"OPTIONS":                     {r.request("OPTIONS", "/v1/webhooks/jet", ""), 405},
		"escaped token":               {r.request("POST", "/v1/webhooks/vfs/%39"+urlToken[1:], `{"type":"Sent","eventId":"3"}`), 200},
		"escaped slash in the token":  {r.request("POST", "/v1/webhooks/vfs/"+urlToken+"%2Fmore", "{}"), 401},
		"no signature":                {r.request("POST", "/v1/webhooks/jet", jetEvent("e")), 401},
		"no token":                    {r.request("POST", "/v1/webhooks/vfs", "{}"), 401},
		"wrong token":                 {r.request("POST", "/v1/webhooks/vfs/"+strings.Repeat("0", 32), "{}"), 401},
		"token in the path":           {r.request("POST", "/v1/webhooks/vfs/"+urlToken, `{"type":"Sent","eventId":"1"}`), 200},
		"token in the query":          {r.request("POST", "/v1/webhooks/vfs?token="+urlToken, `{"type":"Sent","eventId":"2"}`), 200},
		"empty array":                 {r.request("POST", "/v1/webhooks/vfs/"+urlToken, `[]`), 200},
		"unreadable but proven":       {r.request("POST", "/v1/webhooks/vfs/"+urlToken, `{{{`), 200},
		"empty but proven":            {r.request("POST", "/v1/webhooks/vfs/"+urlToken, ``), 200},
		"too large":                   {r.request("POST", "/v1/webhooks/vfs/"+urlToken, strings.Repeat(" ", 64<<10+1)), 413},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res := r.want(tt.request, tt.code)
			if tt.code == 405 && res.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q", res.Header.Get("Allow"))
			}
		})
	}
	if n := len(r.pub.topic("deadletter")); n != 2 {
		t.Errorf("%d dead letters, want 2: the unreadable body and the empty one", n)
	}
}

func TestTamperedBodyIsRefusedAndNothingIsPublished(t *testing.T) {
	r := start(t, nil)
	req := r.signed(jetEvent("evt_1"))
	other := r.request("POST", "/v1/webhooks/jet", jetEvent("evt_2"))
	other.Header = req.Header
	res := r.want(other, http.StatusUnauthorized)
	if res.Header.Get("WWW-Authenticate") != "" {
		t.Error("a signature source must not ask for a password")
	}
	if len(r.pub.records) != 0 {
		t.Errorf("%d records published", len(r.pub.records))
	}
}

func TestBasicRefusalAsksForCredentials(t *testing.T) {
	r := start(t, nil)
	res := r.want(r.request("POST", "/v1/webhooks/basic", "{}"), http.StatusUnauthorized)
	if !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("WWW-Authenticate is %q", res.Header.Get("WWW-Authenticate"))
	}
	req := r.request("POST", "/v1/webhooks/basic", `{"type":"sent","messageId":"m","data":{}}`)
	req.SetBasicAuth("cm", password)
	r.want(req, http.StatusOK)
}

func TestRefusedStatusAndBusyFollowTheSource(t *testing.T) {
	r := start(t, func(o *ingest.Options, p *fakePublisher) {
		o.Sources[0].RefusedStatus, o.Sources[1].Busy = http.StatusNotAcceptable, http.StatusTooManyRequests
		p.fail = func(broker.Record) error { return broker.ErrDeadline }
	})
	r.want(r.request("POST", "/v1/webhooks/jet", "{}"), http.StatusNotAcceptable)
	res := r.want(r.request("POST", "/v1/webhooks/vfs/"+urlToken, `{"type":"Sent"}`), http.StatusTooManyRequests)
	if res.Header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After is %q", res.Header.Get("Retry-After"))
	}
}

func TestOurTroubleIsNeverA4xxForTheProvider(t *testing.T) {
	for name, err := range map[string]error{
		"deadline": broker.ErrDeadline, "closed": broker.ErrClosed, "overloaded": broker.ErrOverloaded,
		"anything": errors.New("authorization failed"), "cancelled": errors.New("context canceled"),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(_ *ingest.Options, p *fakePublisher) {
				p.fail = func(broker.Record) error { return err }
			})
			res := r.want(r.signed(jetEvent("evt_1")), http.StatusServiceUnavailable)
			if res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// gzipped packs a body.
func gzipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzipIsInflatedBeforeTheSignature(t *testing.T) {
	r := start(t, nil)
	plain := r.signed(jetEvent("evt_1"))
	packed := r.request("POST", "/v1/webhooks/jet", gzipped(t, jetEvent("evt_1")))
	packed.Header = plain.Header.Clone()
	packed.Header.Set("Content-Encoding", "gzip")
	r.want(packed, http.StatusOK)
	if raw := r.pub.topic("raw"); len(raw) != 1 || string(raw[0].Value) != jetEvent("evt_1") {
		t.Errorf("raw is not the inflated body: %v", raw)
	}
}

func TestCodingsOfOneBody(t *testing.T) {
	r := start(t, nil)
	for _, coding := range []string{"gzip", "GZIP", "x-gzip", "identity, gzip", " gzip ,"} {
		req := r.request("POST", "/v1/webhooks/vfs/"+urlToken, gzipped(t, `{"type":"Sent","eventId":"`+coding+`"}`))
		req.Header.Set("Content-Encoding", coding)
		r.want(req, http.StatusOK)
	}
	if n := len(r.pub.topic("outbound.sent")); n != 5 {
		t.Errorf("%d events, want 5: all of these mean gzip", n)
	}
}

func TestGzipBombIsTooLarge(t *testing.T) {
	r := start(t, nil)
	for name, size := range map[string]int{"over the cap": 2 << 20, "over the ratio": 900 << 10} {
		req := r.request("POST", "/v1/webhooks/vfs/"+urlToken, gzipped(t, strings.Repeat(" ", size)))
		req.Header.Set("Content-Encoding", "gzip")
		if res := r.do(req); res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d, want 413", name, res.StatusCode)
		}
	}
}

func TestBrokenGzipIsKeptAsADeadLetter(t *testing.T) {
	r := start(t, nil)
	req := r.request("POST", "/v1/webhooks/vfs/"+urlToken, "not gzip at all")
	req.Header.Set("Content-Encoding", "gzip")
	r.want(req, http.StatusOK)
	if raw := r.pub.topic("raw"); len(raw) != 1 || string(raw[0].Value) != "not gzip at all" {
		t.Errorf("the bytes as received are not in the raw topic: %v", raw)
	}
	if n := len(r.pub.topic("deadletter")); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}
