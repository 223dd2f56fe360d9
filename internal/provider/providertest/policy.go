package providertest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/webhook"
)

// policy checks what a provider's policy must never lead to: an answer of ours
// that it takes for the last word, and a late retry that is refused.
func (s *suite) policy(t *testing.T) {
	Policy(t, s.def)
}

// Policy holds one provider's policy against what holds for every provider. Run
// does it too.
func Policy(t *testing.T, def provider.Definition) {
	t.Helper()
	t.Run("answers", func(t *testing.T) { answers(t, def.Policy) })
	t.Run("retries", func(t *testing.T) { retries(t, def.Policy) })
	for name, auth := range signedTimes() {
		t.Run("freshness/"+name, func(t *testing.T) { freshness(t, def, auth) })
	}
}

// answers: success is 200, the one status that every provider takes for it; our
// trouble has a status after which the event comes again; a refusal has none
// that the provider takes for "never again".
func answers(t *testing.T, p provider.Policy) {
	t.Helper()
	a := p.Answers()
	if a.Accepted != http.StatusOK {
		t.Errorf("accepted is %d; 200 is what every provider takes for success", a.Accepted)
	}
	if a.Busy != http.StatusServiceUnavailable && a.Busy != http.StatusTooManyRequests {
		t.Errorf("busy is %d, want 503, or 429 where 5xx is discarded", a.Busy)
	}
	for what, code := range map[string]int{"busy": a.Busy, "overload": a.Overload} {
		if p.GivesUp(code) {
			t.Errorf("%s is %d, after which the event does not come again", what, code)
		}
	}
	if slices.Contains(p.Stops, a.Refused) || a.Refused < 400 || a.Refused > 599 {
		t.Errorf("a bad proof is answered %d, which must be a failure and none of %v", a.Refused, p.Stops)
	}
	for _, code := range p.Stops {
		if slices.ContainsFunc(p.Again, func(c provider.Codes) bool { return c.From <= code && code <= c.To }) {
			t.Errorf("%d stops the provider and makes it try again", code)
		}
		if p.WarnRefused("X", code) == "" {
			t.Errorf("nobody is warned of refused_status %d", code)
		}
	}
}

// retries: either it is known when the provider sends again, in figures and in
// words, or it is said that it is not.
func retries(t *testing.T, p provider.Policy) {
	t.Helper()
	known := len(p.Again) > 0
	if known != (p.RetryHorizon > 0) || known == strings.Contains(p.Retries, "not documented") {
		t.Errorf("horizon %s, again after %v, in words %q: these must agree, and an unknown horizon must be called not documented",
			p.RetryHorizon, p.Again, p.Retries)
	}
}

// signedTimes are the ways of proving a request that sign a time.
func signedTimes() map[string]webhook.Config {
	return map[string]webhook.Config{
		"hmac": {
			Type: "hmac", Header: "X-Sig", Timestamp: "X-Time", Template: "{timestamp}.{body}",
			Secrets: []webhook.Secret{{ID: "a", Value: []byte("7Kq9vL2wXr4nB8mZ")}},
		},
		"standard_webhooks": {
			Type: "standard_webhooks", Decode: "raw",
			Secrets: []webhook.Secret{{ID: "a", Value: []byte("7Kq9vL2wXr4nB8mZ")}},
		},
	}
}

// freshness: a request that keeps its first signature is taken after the longest
// retry, whichever of the two clocks is ahead a little; one that is older than
// any retry is not.
func freshness(t *testing.T, def provider.Definition, auth webhook.Config) {
	t.Helper()
	p := def.Policy
	auth.Tolerance = p.Tolerance(auth)
	if wrong := p.CheckTolerance(def.Title, auth); wrong != "" {
		t.Fatalf("the default is a mistake: %s", wrong)
	}
	longest := p.RetryHorizon
	if p.SignsEachAttempt || auth.Type == "standard_webhooks" {
		longest = 0 // of one signature
	}
	const clocks = 4 * time.Minute // that differ
	for age, want := range map[time.Duration]webhook.Reason{
		0:                            "",
		-clocks:                      "",
		longest:                      "",
		longest + clocks:             "",
		longest + 11*time.Minute:     webhook.ReasonStale,
		-(longest + 11*time.Minute):  webhook.ReasonFuture,
		longest + 30*24*time.Hour:    webhook.ReasonStale,
		-(longest + 30*24*time.Hour): webhook.ReasonFuture,
	} {
		if got := aged(t, auth, age); got != want {
			t.Errorf("signed %s before it came, longest retry %s: %q, want %q", age, longest, got, want)
		}
	}
}

// aged proves a request that was signed that long before it came and returns
// why it is refused; "" if it is not.
func aged(t *testing.T, auth webhook.Config, age time.Duration) webhook.Reason {
	t.Helper()
	signed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := webhook.Request{Method: http.MethodPost, Body: []byte("{}"), ReceivedAt: signed.Add(age)}
	if err := webhook.Sign(auth, auth.Secrets[0], &r, signed); err != nil {
		t.Fatal(err)
	}
	v, err := webhook.New(auth)
	if err != nil {
		t.Fatal(err)
	}
	_, err = webhook.Verify(v, r)
	if refused, ok := errors.AsType[*webhook.RefusedError](err); ok {
		return refused.Reason
	}
	return ""
}
