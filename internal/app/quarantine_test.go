package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/quarantine"
	"github.com/postrider/postrider/pkg/webhook"
)

// forged sends a JetEmail event signed with another secret.
func (r *running) forged(body string) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.Info().Listen+"/v1/webhooks/jet", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	w := webhook.Request{Header: req.Header, Body: []byte(body)}
	other := webhook.Secret{ID: "b", Value: []byte("another-secret-of-nobody")}
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, other, &w, time.Now()); err != nil {
		r.t.Fatal(err)
	}
	status, _ := r.do(req)
	return status
}

// kept are the requests in the quarantine.
func kept(t *testing.T, cfg *config.Config) (out []*quarantine.Entry) {
	t.Helper()
	for e, err := range quarantine.Read(cfg.Quarantine.Dir) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestRefusalsInNumbersNeedAPerson(t *testing.T) {
	r := run(t, settings(t, ""))
	for i := range 10 {
		if _, s := r.ready(); s.Status != admin.Ready {
			t.Fatalf("after %d refusals: %+v", i, s)
		}
		if status := r.forged(jetEvent("evt_1")); status != http.StatusUnauthorized {
			t.Fatalf("got %d", status)
		}
	}
	code, s := r.ready()
	if code != http.StatusOK || s.Status != admin.Degraded || !strings.Contains(strings.Join(s.Reasons, "\n"), "Sources: jet") {
		t.Errorf("%d %+v, want degraded, with the source's name", code, s)
	}
	until(t, "what was refused is counted", func() bool {
		_, body := r.get("/metrics")
		return strings.Contains(body, `postrider_quarantined_total{reason="mismatch",source="jet"} 10`) &&
			strings.Contains(body, `postrider_auth_failure_burst{source="jet"} 1`)
	})
	r.stop()
	if n := len(kept(t, r.cfg)); n != 10 {
		t.Errorf("%d requests are kept, want 10", n)
	}
}

func TestNothingIsKeptWhereTheQuarantineIsOff(t *testing.T) {
	r := run(t, settings(t, "POSTRIDER_QUARANTINE_ENABLED=false"))
	r.forged(jetEvent("evt_1"))
	r.stop()
	if _, err := os.Stat(r.cfg.Quarantine.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}

// A folder that cannot be used is said, and stops nothing.
func TestAQuarantineThatCannotBeUsedStopsNothing(t *testing.T) {
	cfg := settings(t, "")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Quarantine.Dir = filepath.Join(file, "q")
	r := run(t, cfg)
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	if status := r.forged(jetEvent("evt_2")); status != http.StatusUnauthorized {
		t.Errorf("a forgery: got %d", status)
	}
	if _, s := r.ready(); s.Status != admin.Degraded || !strings.Contains(strings.Join(s.Reasons, "\n"), "quarantine.dir") {
		t.Errorf("%+v, want degraded, with the key to change", s)
	}
}

// redriveSome publishes up to n requests of the quarantine as a run of redrive
// does, and ends like one that was killed, or in order.
func redriveSome(t *testing.T, r *running, n int, orderly bool) {
	t.Helper()
	compiled, err := app.CompileSources(r.cfg, r.cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	client, err := app.Dial(r.cfg, r.Info().Brokers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d := app.NewRedriver(r.cfg, compiled, time.Now)
	if err := d.Connect(t.Context(), client, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) }) // the test's context has ended by then
	for _, e := range kept(t, r.cfg) {
		if e.Redriven || n == 0 {
			continue
		}
		n--
		v, err := d.Prove(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Publish(t.Context(), e, v); err != nil {
			t.Fatal(err)
		}
		if err := quarantine.Mark(r.cfg.Quarantine.Dir, e); err != nil {
			t.Fatal(err)
		}
	}
	if orderly {
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A redrive that is cut off goes on where it was, in order, with nothing twice.
func TestACutOffRedriveGoesOn(t *testing.T) {
	cfg := settings(t, "")
	r := run(t, cfg)
	ring, err := quarantine.Open(quarantine.Options{
		Dir: cfg.Quarantine.Dir, MaxBytes: 1 << 20, Keep: time.Hour, Now: time.Now, Observer: unheard{}, Log: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	auth := webhook.Config{Type: "jetemail"}
	for i := range 9 {
		id := fmt.Sprintf("evt_%d", i)
		req := webhook.Request{
			Method: http.MethodPost, URL: "http://elsewhere/v1/webhooks/jet", ReceivedAt: time.Now(), Header: http.Header{},
			Body: []byte(strings.Replace(jetEvent(id), "uid-"+id, "one-message", 1)),
		}
		if err := webhook.Sign(auth, webhook.Secret{ID: "a", Value: []byte(jetSecret)}, &req, time.Now()); err != nil {
			t.Fatal(err)
		}
		ring.Put(quarantine.Entry{Source: "jet", Reason: webhook.ReasonMismatch, Request: req})
		want = append(want, id)
	}
	if err := ring.Close(); err != nil {
		t.Fatal(err)
	}
	redriveSome(t, r, 3, false)
	redriveSome(t, r, 4, true)
	redriveSome(t, r, 99, true)
	redriveSome(t, r, 99, true)
	var got []string
	for _, e := range events(t, cfg, r.Info().Brokers, "email.delivered") {
		got = append(got, e.ProviderEventID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the topic holds %v, want %v", got, want)
	}
}

// unheard is an observer of nothing.
type unheard struct{}

func (unheard) Quarantined(string, string) {}
func (unheard) QuarantineDropped(string)   {}

// How old a signature may be is judged by when the request came, not by when it
// is redriven.
func TestRedriveJudgesAgeByWhenARequestCame(t *testing.T) {
	cfg := settings(t, "")
	secret := webhook.Secret{ID: "a", Value: []byte(jetSecret)}
	auth := webhook.Config{Type: "standard_webhooks", Decode: "raw"}
	cfg.Sources[0].Auth.Type, cfg.Sources[0].Auth.Decode = auth.Type, auth.Decode
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	signed := time.Now().Add(-20 * time.Hour)
	req := webhook.Request{Method: http.MethodPost, Body: []byte("{}"), ReceivedAt: signed.Add(time.Minute)}
	if err := webhook.Sign(auth, secret, &req, signed); err != nil {
		t.Fatal(err)
	}
	d := app.NewRedriver(cfg, compiled, time.Now)
	if _, err := d.Prove(&quarantine.Entry{Source: "jet", Request: req}); err != nil {
		t.Errorf("Prove(): %v", err)
	}
	req.ReceivedAt = signed.Add(time.Hour)
	if _, err := d.Prove(&quarantine.Entry{Source: "jet", Request: req}); err == nil {
		t.Error("a request that came an hour after it was signed was proven")
	}
}

// An address that the provider signs is the one of today's server.public_url: a
// wrong one is another way of refusing everything.
func TestRedriveProvesWithTodaysAddress(t *testing.T) {
	cfg := settings(t, "POSTRIDER_SERVER_PUBLIC_URL=https://hooks.example")
	secret := webhook.Secret{ID: "a", Value: []byte(jetSecret)}
	auth := webhook.Config{Type: "hmac", Header: "X-Sig", Template: "{url}{body}"}
	cfg.Sources[0].Auth.Type, cfg.Sources[0].Auth.Header, cfg.Sources[0].Auth.Template = auth.Type, auth.Header, auth.Template
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	req := webhook.Request{Method: http.MethodPost, URL: "https://hooks.example/v1/webhooks/jet?a=%2f", Body: []byte("{}"), ReceivedAt: time.Now()}
	if err := webhook.Sign(auth, secret, &req, time.Now()); err != nil {
		t.Fatal(err)
	}
	d := app.NewRedriver(cfg, compiled, time.Now)
	req.URL = "http://127.0.0.1:8080/v1/webhooks/jet?a=%2f" // as the receiver saw it
	if _, err := d.Prove(&quarantine.Entry{Source: "jet", Request: req}); err != nil {
		t.Errorf("Prove(): %v", err)
	}
	if _, err := d.Prove(&quarantine.Entry{Source: "gone", Request: req}); err == nil {
		t.Error("a request to a source that is gone was proven")
	}
}
