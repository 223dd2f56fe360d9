package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/webhook"
)

// signed is a source whose requests carry a signed time.
func signed(tolerance time.Duration) webhook.Config {
	return webhook.Config{Type: "hmac", Header: "X-Sig", Timestamp: "X-Time", Template: "{timestamp}.{body}", Tolerance: tolerance}
}

// eightHours is a provider that retries for long with its first signature.
func eightHours() provider.Policy {
	return provider.Policy{
		Busy: 503, Stops: []int{406}, Again: []provider.Codes{{From: 300, To: 405}, {From: 407, To: 599}},
		RetryHorizon: 8 * time.Hour, Retries: "5 min to 4 h; 406 is the last word",
	}
}

func TestPolicyOfEveryKindOfProvider(t *testing.T) {
	anew := eightHours()
	anew.SignsEachAttempt = true
	slow429 := provider.Policy{
		Busy: 429, Again: []provider.Codes{{From: 429, To: 429}}, RetryHorizon: time.Hour, Retries: "429 only, for an hour",
	}
	for name, p := range map[string]provider.Policy{
		"keeps its signature": eightHours(), "signs anew": anew, "discards on 5xx": slow429,
		"unknown": {Busy: 503, Retries: "not documented; counts as none"},
	} {
		t.Run(name, func(t *testing.T) { providertest.Policy(t, provider.Definition{Title: "Test", Policy: p}) })
	}
}

func TestToleranceFollowsTheProvidersRetries(t *testing.T) {
	keeps, anew, unknown := eightHours(), eightHours(), provider.Policy{}
	anew.SignsEachAttempt = true
	for _, c := range []struct {
		name   string
		policy provider.Policy
		auth   webhook.Config
		want   time.Duration
	}{
		{"keeps its signature", keeps, signed(0), 8*time.Hour + 5*time.Minute},
		{"keeps its signature, configured", keeps, signed(9 * time.Hour), 9 * time.Hour},
		{"signs each attempt", anew, signed(0), 5 * time.Minute},
		{"Standard Webhooks sign each attempt", keeps, webhook.Config{Type: "standard_webhooks"}, 5 * time.Minute},
		{"unknown counts as none", unknown, signed(0), 5 * time.Minute},
		{"unknown, configured", unknown, signed(time.Hour), time.Hour},
		{"no signed time", keeps, webhook.Config{Type: "hmac", Header: "X-Sig"}, 0},
		{"JetEmail's time is not signed", keeps, webhook.Config{Type: "jetemail"}, 0},
		{"a token", keeps, webhook.Config{Type: "token"}, 0},
	} {
		if got := c.policy.Tolerance(c.auth); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestToleranceBelowTheRetriesIsAMistake(t *testing.T) {
	keeps, anew := eightHours(), eightHours()
	anew.SignsEachAttempt = true
	got := keeps.CheckTolerance("Late Mail", signed(5*time.Minute))
	for _, want := range []string{"5m is", "8h ", "Late Mail", "8h5m"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	for name, got := range map[string]string{
		"as long":           keeps.CheckTolerance("T", signed(8*time.Hour)),
		"not configured":    keeps.CheckTolerance("T", signed(0)),
		"signs anew":        anew.CheckTolerance("T", signed(time.Minute)),
		"standard_webhooks": keeps.CheckTolerance("T", webhook.Config{Type: "standard_webhooks", Tolerance: time.Minute}),
		"no signed time":    keeps.CheckTolerance("T", webhook.Config{Type: "hmac", Header: "X-Sig", Tolerance: time.Minute}),
	} {
		if got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Where nothing is known of the retries, the operator is asked to decide.
func TestUnknownRetriesAskForATolerance(t *testing.T) {
	var unknown provider.Policy
	keeps := eightHours()
	if got := unknown.WarnTolerance("Velma VFS", signed(0)); !strings.Contains(got, "Velma VFS") || !strings.Contains(got, "5m") {
		t.Errorf("%q names neither the provider nor what applies", got)
	}
	for name, got := range map[string]string{
		"decided":   unknown.WarnTolerance("T", signed(time.Hour)),
		"known":     keeps.WarnTolerance("T", signed(0)),
		"signs nil": unknown.WarnTolerance("T", webhook.Config{Type: "token"}),
		"standard":  unknown.WarnTolerance("T", webhook.Config{Type: "standard_webhooks"}),
	} {
		if got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAnswersFollowThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy provider.Policy
		want   provider.Answers
	}{
		"nothing said": {provider.Policy{}, provider.Answers{Accepted: 200, Busy: 503, Overload: 429, Refused: 401}},
		"5xx is discarded": {
			provider.Policy{Busy: 429, Again: []provider.Codes{{From: 429, To: 429}}},
			provider.Answers{Accepted: 200, Busy: 429, Overload: 429, Refused: 401},
		},
		"429 is discarded": {
			provider.Policy{Busy: 503, Refused: 404, Again: []provider.Codes{{From: 500, To: 599}}},
			provider.Answers{Accepted: 200, Busy: 503, Overload: 503, Refused: 404},
		},
	} {
		if got := c.policy.Answers(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAStatusThatIsTheLastWordIsWarnedOf(t *testing.T) {
	p := eightHours()
	if got := p.WarnRefused("Late Mail", 406); !strings.Contains(got, "Late Mail") || !strings.Contains(got, "406") || !strings.Contains(got, "401") {
		t.Errorf("the warning %q lacks who, what or the default", got)
	}
	if got := p.WarnRefused("Late Mail", 403); got != "" {
		t.Errorf("403: %s", got)
	}
}
