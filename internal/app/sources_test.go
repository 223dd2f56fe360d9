package app_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
)

// withoutSources is a configuration that names no sources.
func withoutSources(t *testing.T) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestGeneratedSourcesAreMadeOnceAndKeptPrivate(t *testing.T) {
	cfg := withoutSources(t)
	if _, _, err := app.Sources(cfg, false, rand.Reader); !errors.Is(err, app.ErrNoSources) {
		t.Errorf("got %v, want ErrNoSources", err)
	}
	first, created, err := app.Sources(cfg, true, rand.Reader)
	if err != nil || !created || len(first) != 3 {
		t.Fatalf("%d sources, created %v, %v", len(first), created, err)
	}
	info, err := os.Stat(app.GeneratedFile(cfg))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	second, created, err := app.Sources(cfg, true, rand.Reader)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	for i := range first {
		if first[i].Auth.Secrets[0].Value != second[i].Auth.Secrets[0].Value {
			t.Errorf("%s got another secret", first[i].Name)
		}
	}
}

func TestLostGeneratedSourcesEndTheStart(t *testing.T) {
	cfg := withoutSources(t)
	if _, _, err := app.Sources(cfg, true, rand.Reader); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"empty": "", "no list": "sources:\n", "half": "sources:\n  - name: v"} {
		if err := os.WriteFile(app.GeneratedFile(cfg), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := app.Sources(cfg, true, rand.Reader); err == nil || !strings.Contains(err.Error(), "sources.yaml") {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
}

func TestProblemsOfEveryPackageAreReportedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := `server: {listen: nonsense}
sources:
  - name: a
    provider: cmcom
    options: {retrying_bounces: sometimes}
    auth: {type: hmac, header: X-Signature, template: "{nobody}", secrets: [{id: a, value: 7Kq9vL2wXr4nB8mZ}]}
  - name: b
    provider: vfs
    auth: {type: token, secrets: [{id: a, value: short}]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Options{File: file, Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), Check: app.CheckSources})
	problems, ok := errors.AsType[*config.Problems](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, path := range []string{"server.listen", "sources[0].options", "sources[0].auth.template", "sources[1].auth.secrets[0].value"} {
		if !problems.Has(path) {
			t.Errorf("no problem at %s:\n%v", path, err)
		}
	}
	if problems.Len() != 4 {
		t.Errorf("%d problems, want 4, none twice:\n%v", problems.Len(), err)
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.Contains(line, "config.yaml:") {
			t.Errorf("no place in %q", line)
		}
	}
	if strings.Contains(err.Error(), "7Kq9vL2wXr4nB8mZ") {
		t.Error("a secret is in the error")
	}
}

// Without the spool and without retries nothing catches an event.
func TestASourceThatMayLoseEventsIsWarnedOf(t *testing.T) {
	cfg := withoutSources(t)
	source := func(provider, durability string) config.Source {
		auth := config.Auth{Type: "bearer", Secrets: []config.KeySecret{{ID: "a", Value: "7Kq9vL2wXr4nB8mZ7Kq9vL2wXr4nB8mZ"}}}
		return config.Source{Name: provider + durability, Provider: provider, Auth: auth, Durability: durability}
	}
	compiled, err := app.CompileSources(cfg, []config.Source{
		source("vfs", "broker"), source("vfs", "broker_then_spool"), source("jetemail", "broker"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false} {
		if got := strings.Contains(strings.Join(compiled[i].Warnings, "\n"), "may be lost"); got != want {
			t.Errorf("%s: warned %v, want %v: %q", compiled[i].Config.Name, got, want, compiled[i].Warnings)
		}
	}
}

// A retry that keeps the first attempt's signature is taken for as long as the
// provider retries.
func TestTheToleranceFollowsTheProvidersRetries(t *testing.T) {
	load := func(tolerance string) (*config.Config, error) {
		file := filepath.Join(t.TempDir(), "config.yaml")
		text := "sources: [{name: a, provider: jetemail, auth: {type: hmac, header: X-Signature, timestamp: X-Time, template: '{timestamp}.{body}'" +
			tolerance + ", secrets: [{id: a, value: 7Kq9vL2wXr4nB8mZ7Kq9vL2wXr4nB8mZ}]}}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(config.Options{File: file, Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), Check: app.CheckSources})
	}
	cfg, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		t.Fatal(err)
	}
	if policy := compiled[0].Def.Policy; compiled[0].Webhook.Tolerance < policy.RetryHorizon || policy.RetryHorizon == 0 {
		t.Errorf("tolerance %s, retries %s", compiled[0].Webhook.Tolerance, policy.RetryHorizon)
	}
	var problems *config.Problems
	if _, err := load(", tolerance: 5m"); !errors.As(err, &problems) || !problems.Has("sources[0].auth.tolerance") {
		t.Errorf("a tolerance of five minutes: got %v", err)
	}
	if _, err := load(", tolerance: 6h"); err != nil {
		t.Errorf("a tolerance of six hours: %v", err)
	}
}

// Where the proof does not cover the body, it is worth something for only as long as
// its id is remembered.
func TestIDsAreRememberedForAsLongAsSignaturesAreTaken(t *testing.T) {
	for provider, want := range map[string]bool{"mailgun": true, "sendgrid": false} {
		for window, short := range map[string]bool{"1h": true, "3d": false} {
			file := filepath.Join(t.TempDir(), "config.yaml")
			value := "7Kq9vL2wXr4nB8mZ7Kq9vL2wXr4nB8mZ"
			if provider == "sendgrid" {
				value = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
			}
			text := "dedupe: {window: " + window + "}\nsources: [{name: a, provider: " + provider + ", auth: {type: " + provider +
				", secrets: [{id: a, value: '" + value + "'}]}}]\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := config.Load(config.Options{File: file, Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), Check: app.CheckSources})
			if got := err != nil && strings.Contains(err.Error(), "dedupe.window"); got != (want && short) {
				t.Errorf("%s, window %s: got %v", provider, window, err)
			}
		}
	}
}

// TestAnAddressThatIsSignedHasToBeKnown: where the provider signs the address that it
// calls, a source says that nobody told which that is.
func TestAnAddressThatIsSignedHasToBeKnown(t *testing.T) {
	const mandrill = "POSTRIDER_SOURCES_0_PROVIDER=mandrill POSTRIDER_SOURCES_0_AUTH_TYPE=mandrill POSTRIDER_SOURCES_0_AUTH_SECRETS_0_VALUE=7Kq9vL2wXr4nB8mZ7Kq9 "
	for extra, want := range map[string]bool{
		"": true, "POSTRIDER_SERVER_PUBLIC_URL=https://hooks.example.com": false, "POSTRIDER_SOURCES_0_AUTH_URL=https://hooks.example.com/v1/webhooks/jet": false,
	} {
		cfg := settings(t, mandrill+extra)
		compiled, err := app.CompileSources(cfg, cfg.Sources)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(compiled[0].Warnings, "\n"), "server.public_url"); got != want {
			t.Errorf("%q: warnings %q, want one about the address: %v", extra, compiled[0].Warnings, want)
		}
	}
}
