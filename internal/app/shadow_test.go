package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/shadow"
	"github.com/postrider/postrider/pkg/webhook"
)

// shadowed runs a JetEmail source with a shadow, and with the API.
func shadowed(t *testing.T, spec string, read func(context.Context, *normalize.Source, webhook.Verified, string) (normalize.Output, error)) (*running, *reloading) {
	t.Helper()
	f := newReloading(t, strings.Fields(withAPI)...)
	f.write(jetSource(jetSecret, ", shadow: "+spec))
	cfg, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cfg: cfg, log: &logBuffer{}}
	a, err := app.New(cfg, app.Options{Log: r.log.logger(), Now: time.Now, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.App = a
	if read != nil {
		a.ReadShadowBy(read)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Wait(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return r, f
}

// shadows asks the API, as text and decoded.
func (r *running) shadows() (string, []shadow.Report) {
	r.t.Helper()
	req := r.apiRequest(http.MethodGet, "", "")
	req.URL.Path = "/api/v1/shadow"
	status, text := r.do(req)
	var answer struct {
		Shadows []shadow.Report `json:"shadows"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		r.t.Fatalf("%d %s: %v", status, text, err)
	}
	return text, answer.Shadows
}

// compared waits until so many requests were compared or dropped, and returns what
// is known of the one shadow.
func (r *running) compared(n int64) (string, shadow.Report) {
	r.t.Helper()
	var text string
	var all []shadow.Report
	until(r.t, "the requests were compared", func() bool {
		text, all = r.shadows()
		total := int64(0)
		for _, count := range all[0].Results {
			total += count
		}
		return total >= n
	})
	return text, all[0]
}

// only wants exactly one event of the live reading in the topics.
func (r *running) onlyLive(t *testing.T, n int) {
	t.Helper()
	got := events(t, r.cfg, r.Info().Brokers, "email.delivered")
	if len(got) != n {
		t.Errorf("%d delivered events, want %d", len(got), n)
	}
	for _, e := range got {
		if e.Provider != "jetemail" || e.Recipient != "jane.doe@example.com" {
			t.Errorf("not of the live reading: %s", e.AppendJSON(nil))
		}
	}
	if other := events(t, r.cfg, r.Info().Brokers, "email.unknown"); len(other) != 0 {
		t.Errorf("%d events of the shadow's reading", len(other))
	}
}

// A rotation is rehearsed: the shadow's keys change no answer, and what they would say
// is counted both ways.
func TestShadowKeys(t *testing.T) {
	r, _ := shadowed(t, "{auth: {type: jetemail, secrets: [{id: next, value: "+nextSecret+"}]}}", nil)
	if status := r.postSigned(jetSecret, jetEvent("evt_1")); status != http.StatusOK {
		t.Fatalf("live key: %d", status)
	}
	if status := r.postSigned(nextSecret, jetEvent("evt_2")); status != http.StatusUnauthorized {
		t.Fatalf("the shadow's key: %d, want 401", status)
	}
	text, got := r.compared(2)
	want := []shadow.Proofs{{Live: "accepted", Shadow: "mismatch", Count: 1}, {Live: "mismatch", Shadow: "accepted", Count: 1}}
	if len(got.Proofs) != 2 || got.Proofs[0] != want[0] || got.Proofs[1] != want[1] || got.Fields[shadow.FieldProof] != 2 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !strings.Contains(text, "accepted by key next") || strings.Contains(text, jetSecret) || strings.Contains(text, nextSecret) {
		t.Error(text)
	}
	r.onlyLive(t, 1)
}

// Another reading is compared field by field, published never, and shown without
// anybody's address.
func TestShadowReading(t *testing.T) {
	r, f := shadowed(t, "{provider: standard_webhooks, sample: 2}", nil)
	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		if status := r.post(jetEvent(id)); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	text, got := r.compared(3)
	if got.Results[shadow.Different] != 3 || len(got.Samples) != 2 || got.Fields["id"] != 3 || got.Fields["provider_event_id"] != 3 {
		t.Errorf("%s", text)
	}
	for _, address := range []string{"jane", "example.com", "uid-evt"} {
		if strings.Contains(text, address) {
			t.Errorf("%q is in the clear: %s", address, text)
		}
	}
	_, exposed := r.get("/metrics")
	if !strings.Contains(exposed, `postrider_shadow_requests_total{result="different",source="jet"} 3`) ||
		!strings.Contains(exposed, `postrider_shadow_differences_total{field="id",source="jet"} 3`) {
		t.Error("not in the metrics")
	}
	r.onlyLive(t, 3)

	if err := f.reload(r, jetSource(jetSecret, ", shadow: {provider: standard_webhooks, sample: 2}")); err != nil {
		t.Fatal(err)
	}
	if _, all := r.shadows(); len(all) != 1 || len(all[0].Samples) != 2 {
		t.Errorf("a reload without changes forgot: %+v", all)
	}
	if err := f.reload(r, jetSource(jetSecret, "")); err != nil {
		t.Fatal(err)
	}
	if _, all := r.shadows(); len(all) != 0 {
		t.Errorf("still compared: %+v", all)
	}
}

// The same reading differs in nothing.
func TestShadowSame(t *testing.T) {
	r, _ := shadowed(t, "{provider: jetemail, auth: {type: jetemail, secrets: [{id: a, value: "+jetSecret+"}]}}", nil)
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	if text, got := r.compared(1); got.Results[shadow.Same] != 1 || len(got.Samples) != 0 || len(got.Fields) != 0 {
		t.Errorf("%s", text)
	}
}

// broken is a parser that panics.
type broken struct{}

func (broken) Parse(webhook.Verified) []provider.Result { panic("jane.doe@example.com") }

// A shadow that panics, wherever it does, changes neither the answer nor what is
// published.
func TestShadowPanic(t *testing.T) {
	calls := 0
	r, _ := shadowed(t, "{provider: standard_webhooks}", func(ctx context.Context, s *normalize.Source, v webhook.Verified, id string) (normalize.Output, error) {
		if s.Provider == "jetemail" {
			return normalize.Normalize(ctx, s, v, id)
		}
		if calls++; calls == 1 {
			panic("jane.doe@example.com")
		}
		other := *s
		other.Parser = broken{}
		return normalize.Normalize(ctx, &other, v, id)
	})
	for _, id := range []string{"evt_1", "evt_2"} {
		if status := r.post(jetEvent(id)); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
	}
	text, got := r.compared(2)
	if got.Results[shadow.Failed] != 2 || !strings.Contains(text, "panicked") || strings.Contains(text, "jane") {
		t.Errorf("%s", text)
	}
	r.onlyLive(t, 2)
}

// A shadow that does not come to an end delays nobody; what it cannot take is
// counted.
func TestShadowOverloaded(t *testing.T) {
	stuck := make(chan struct{})
	r, _ := shadowed(t, "{provider: standard_webhooks}", func(ctx context.Context, s *normalize.Source, v webhook.Verified, id string) (normalize.Output, error) {
		<-stuck
		return normalize.Normalize(ctx, s, v, id)
	})
	t.Cleanup(func() { close(stuck) }) // before the receiver stops
	const large = 6 << 20              // 16 MiB may wait, beside the one that is compared
	for _, id := range []string{"evt_1", "evt_2", "evt_3", "evt_4"} {
		if status := r.post(jetEvent(id) + strings.Repeat(" ", large)); status != http.StatusOK {
			t.Fatalf("got %d\n%s", status, r.log)
		}
	}
	if text, got := r.compared(1); got.Results[shadow.Dropped] == 0 {
		t.Errorf("%s", text)
	}
	r.onlyLive(t, 4)
}

// What is wrong with a shadow is told with its place.
func TestShadowProblems(t *testing.T) {
	for spec, want := range map[string]string{
		"{provider: nobody}":            "sources[0].shadow.provider",
		"{options: {no_such: x}}":       "sources[0].shadow.options",
		"{sample: 5}":                   "sources[0].shadow: there is nothing to compare",
		"{provider: vfs, sample: 5000}": "sources[0].shadow.sample",
		"{auth: {type: jetemail}}":      "sources[0].shadow.auth.secrets",
		"{auth: {type: hmac, secrets: [{id: a, value: x}], odd: 1}}": "sources[0].shadow.auth.odd",
		"{mapping: {type: \"= 1 +\", types: {a: sent}}}":             "sources[0].shadow.mapping.type",
		"{provider: mapping}":          "sources[0].shadow.mapping",
		"{mapping_file: nowhere.yaml}": "sources[0].shadow.mapping_file",
	} {
		f := newReloading(t)
		f.write(jetSource(jetSecret, ", shadow: "+spec))
		if _, err := f.load(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "config.yaml:") {
			t.Errorf("%s: %v, want a problem at %s", spec, err, want)
		}
	}
}
