package ingest_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

// kept is a quarantine in memory.
type kept struct {
	mu      sync.Mutex
	entries []quarantine.Entry
}

func (k *kept) Put(e quarantine.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries = append(k.entries, e)
}

func (k *kept) take() []quarantine.Entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.entries
	k.entries = nil
	return all
}

// tampered is a request whose signature fits another body.
func (r *rig) tampered(body string) *http.Request {
	r.t.Helper()
	req := r.request(http.MethodPost, "/v1/webhooks/jet?a=1", body)
	req.Header = r.signed("another body").Header
	return req
}

func TestACompleteProofThatFailsIsKeptWhole(t *testing.T) {
	q := &kept{}
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Quarantine = q })
	req := r.tampered(jetEvent("a"))
	r.want(req, http.StatusUnauthorized)
	got := q.take()
	if len(got) != 1 {
		t.Fatalf("%d requests are kept, want 1", len(got))
	}
	e := got[0]
	if e.Source != "jet" || e.Reason != webhook.ReasonMismatch || string(e.Request.Body) != jetEvent("a") || e.Request.Method != http.MethodPost {
		t.Errorf("kept %s %s %s %q", e.Source, e.Reason, e.Request.Method, e.Request.Body)
	}
	if e.Request.URL != "http://hooks.example/v1/webhooks/jet?a=1" || e.Request.Query.Get("a") != "1" || !e.Request.RemoteAddr.IsLoopback() {
		t.Errorf("kept url %q, query %v, address %v", e.Request.URL, e.Request.Query, e.Request.RemoteAddr)
	}
	if e.Request.Header.Get("X-Webhook-Signature") != req.Header.Get("X-Webhook-Signature") || time.Since(e.Request.ReceivedAt) > time.Minute {
		t.Errorf("kept header %v, time %v", e.Request.Header, e.Request.ReceivedAt)
	}
	wrong := strings.Repeat("0", 32)
	r.want(r.request(http.MethodPost, "/v1/webhooks/vfs/"+wrong, "{}"), http.StatusUnauthorized)
	if got := q.take(); len(got) != 1 || got[0].Request.PathToken != wrong {
		t.Errorf("kept %+v, want the token too: another secret may make it right", got)
	}
	// What is kept is what a right secret would have proven.
	v, err := webhook.New(configs()["jet"])
	if err != nil {
		t.Fatal(err)
	}
	e.Request.Body = []byte("another body")
	if _, err := webhook.Verify(v, e.Request); err != nil {
		t.Errorf("with the body that was signed: %v", err)
	}
}

func TestWhatCannotBeARightProofIsNotKept(t *testing.T) {
	q := &kept{}
	r := start(t, func(o *ingest.Options, _ *fakePublisher) { o.Quarantine = q })
	r.want(r.request(http.MethodPost, "/v1/webhooks/jet", "{}"), http.StatusUnauthorized) // not signed
	malformed := r.request(http.MethodPost, "/v1/webhooks/jet", "{}")
	malformed.Header.Set("X-Webhook-Signature", "sha256=00")
	r.want(malformed, http.StatusUnauthorized)
	r.want(r.request(http.MethodPost, "/v1/webhooks/nobody", "{}"), http.StatusNotFound)
	r.want(r.signed(jetEvent("a")), http.StatusOK)
	if got := q.take(); len(got) != 0 {
		t.Errorf("%d requests are kept, want none", len(got))
	}
}

// A burst is an alarm that begins with the tenth refusal in a minute, is said
// once, and ends by itself.
func TestABurstOfRefusalsIsAnAlarm(t *testing.T) {
	var ahead atomic.Int64
	core, logs := observer.New(zap.ErrorLevel)
	r := start(t, func(o *ingest.Options, _ *fakePublisher) {
		o.Now, o.Log = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, zap.New(core)
	})
	r.m.WatchBursts(r.srv.AuthBursts)
	refuse := func(n int) {
		for range n {
			r.want(r.tampered("{}"), http.StatusUnauthorized)
		}
	}
	check := func(when string, burst bool, said int) {
		t.Helper()
		want := 0.0
		if burst {
			want = 1
		}
		if got := r.srv.AuthBursts(); got["jet"] != burst || got["vfs"] || len(got) != 3 {
			t.Errorf("%s: %v, want jet %v, of three sources", when, got, burst)
		}
		if got := gauge(t, r, "postrider_auth_failure_burst", "jet"); got != want {
			t.Errorf("%s: the gauge is %v, want %v", when, got, want)
		}
		if got := logs.FilterField(zap.String("reason_code", "auth_failure_burst")).Len(); got != said {
			t.Errorf("%s: said %d times, want %d", when, got, said)
		}
	}
	refuse(9)
	check("after nine", false, 0)
	refuse(1)
	check("after ten", true, 1)
	refuse(20)
	check("after thirty", true, 1)
	ahead.Add(int64(time.Minute + time.Second))
	check("a minute later", false, 1)
	refuse(10)
	check("after ten more", true, 2)
}

// Refusals that are spread out are no burst.
func TestRareRefusalsAreNoAlarm(t *testing.T) {
	var ahead atomic.Int64
	r := start(t, func(o *ingest.Options, _ *fakePublisher) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	for range 20 {
		r.want(r.tampered("{}"), http.StatusUnauthorized)
		ahead.Add(int64(7 * time.Second))
	}
	if r.srv.AuthBursts()["jet"] {
		t.Error("a refusal each seven seconds is called a burst")
	}
}

// gauge reads one series of the registry.
func gauge(t *testing.T, r *rig, name, source string) float64 {
	t.Helper()
	families, err := r.m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == source {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, source)
	return 0
}
