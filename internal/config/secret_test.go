package config_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/config"
)

// canary is a secret that must not come out anywhere.
const canary = "CANARY-5ecret-0a1b2c3d4e5f"

// secretful has the canary in every place a secret can be.
const secretful = `
kafka:
  brokers: ["k:9092"]
  sasl: {mechanism: PLAIN, username: u, password: "${CANARY}", allow_plaintext: true}
pii: {recipient: hash, pepper: CANARY-5ecret-0a1b2c3d4e5f}
admin: {tokens: [{id: a, role: read, value: "${CANARY}"}, {id: b, role: admin, value: CANARY-5ecret-0a1b2c3d4e5f-b}]}
replay: {targets: [{name: a, url: "https://a.example/", secrets: [{id: a, value: "${SIGNING}"}]}]}
forward: {subscriptions: [{name: a, url: "https://a.example/", secrets: [{id: a, value: "${SIGNING}"}]}]}
sources:
  - name: a
    provider: vfs
    auth: {type: token, secrets: [{id: a, value: "${CANARY}"}, {id: b, file: secrets/canary}]}
    options: {api_key: "${CANARY}", mode: x}
  - name: b
    provider: vfs
    auth: {type: basic, secrets: [{id: a, username: u, password: CANARY-5ecret-0a1b2c3d4e5f}]}
`

func loadSecretful(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	o := options(text, "CANARY="+canary, "SIGNING="+signing, "POSTRIDER_SOURCES_0_AUTH_SECRETS_2_VALUE="+canary)
	o.ReadFile = fakeFiles(map[string]string{"config.yaml": text, "secrets/canary": canary})
	return config.Load(o)
}

func TestSecretsDoNotPrint(t *testing.T) {
	cfg, err := loadSecretful(t, secretful)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Sources[0].Auth.Secrets[1].Value.Reveal(); got != canary {
		t.Fatalf("the secret file gives %q", got)
	}
	cfg.Sources[0].Options = nil // options are plain strings; only dumps look at their names
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(*cfg), fmt.Sprintf("%+v %#v", *cfg, *cfg), string(asJSON), strings.Join(cfg.Notices, "\n")} {
		if strings.Contains(text, canary) {
			t.Errorf("the secret is in %s", text)
		}
	}
}

func TestDumpsHoldNoSecrets(t *testing.T) {
	cfg, err := loadSecretful(t, secretful)
	if err != nil {
		t.Fatal(err)
	}
	for name, dump := range map[string]func() ([]byte, error){"YAML": cfg.DumpYAML, "JSON": cfg.DumpJSON} {
		text, err := dump()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "CANARY") || strings.Contains(string(text), signing) {
			t.Errorf("%s holds the secret:\n%s", name, text)
		}
		if got := strings.Count(string(text), "[redacted]"); got != 10 {
			t.Errorf("%s has %d redacted values, want 10:\n%s", name, got, text)
		}
	}
}

// TestProblemsHoldNoSecrets puts the canary into every key, in every form, and
// checks that whatever Load says does not repeat it.
func TestProblemsHoldNoSecrets(t *testing.T) {
	for _, l := range leaves() {
		path := strings.ReplaceAll(l.path, "[0]", "")
		for _, value := range []string{"${CANARY}", "'${CANARY} ${UNSET}'", "[${CANARY}]", "['${CANARY}']", "{'${CANARY}': x}"} {
			checkNoCanary(t, nest(strings.Split(path, "."), value))
		}
	}
	for _, misplaced := range []string{
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: [" + canary + "]}}]",
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: [{" + canary + "}]}}]",
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: [{" + canary + ": x}]}}]",
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: [{id: '" + canary + ":'}]}}]",
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: [{value: '" + canary + "}]}}]",
		"sources: [{name: a, provider: vfs, auth: {type: token, secrets: " + canary + "}}]",
		"sources: [{name: a, provider: vfs, auth: " + canary + "}]",
		"admin: {tokens: [" + canary + "]}",
		"admin: {tokens: [{id: '" + canary + ":', role: '" + canary + "@', value: short}]}",
		"replay: {targets: [{name: a, url: 'https://u:" + canary + "@h/'}]}",
		"replay: {targets: [{name: a, url: 'https://h/', secrets: [{id: '" + canary + ":', value: '" + canary + "'}]}]}",
		"forward: {subscriptions: [{name: a, url: 'https://u:" + canary + "@h/'}]}",
		"forward: {subscriptions: [{name: a, url: 'https://h/', secrets: [{id: '" + canary + ":', value: '" + canary + "'}]}]}",
		"pii: {pepper: [" + canary + "]}",
		"pii: {pepper: " + canary + ": x}",
		"pii:\n  pepper: " + canary + "\n\tx: y",
		"pii: {pepper: !" + canary + " x}",
		"pii: {pepper: *" + canary + "}",
		"kafka: {brokers: ['u:" + canary + "@k:9092'], sasl: {mechanism: PLAIN, password: " + canary + "}}",
		"server: {public_url: 'https://u:" + canary + "@h/?a=b'}",
		canary,
	} {
		checkNoCanary(t, misplaced)
	}
}

func checkNoCanary(t *testing.T, text string) {
	t.Helper()
	cfg, err := loadSecretful(t, text)
	said := fmt.Sprint(err)
	if err == nil {
		said = strings.Join(cfg.Notices, "\n")
	}
	if strings.Contains(said, canary) || strings.Contains(said, "5ecret") {
		t.Errorf("%s\nsays\n%s", text, said)
	}
}

// nest writes value under the path; lists of groups are lists of one.
func nest(path []string, value string) string {
	if len(path) == 0 {
		return value
	}
	inner := nest(path[1:], value)
	if slices.Contains([]string{"sources", "secrets", "tokens", "targets", "subscriptions"}, path[0]) {
		inner = "[" + inner + "]"
	}
	return "{" + path[0] + ": " + inner + "}"
}

func TestDumpLoadsAgain(t *testing.T) {
	const text = `
server: {listen: "127.0.0.1:9", trusted_proxies: [10.0.0.0/8], read_timeout: 1h30m, max_body_bytes: 1500}
kafka: {embedded: {enabled: true, sync: false}, topics: {retention: {typed: 36h}}}
forward: {subscriptions: [{name: a, url: "https://a.example", secrets: [{file: secrets/signing}], retry: {delays: []}}, {name: b, url: "https://b.example", secrets: [{file: secrets/signing}], from: first, retry: {delays: [1s, 1d]}}]}
sources: [{name: a, provider: vfs, auth: {type: token, tolerance: 0s, secrets: [{file: secrets/a, not_after: 2027-01-01T00:00:00Z}]}, query: {metadata: [x]}, options: {mode: "yes"}}]
`
	want := mustLoad(t, text)
	for name, dump := range map[string]func() ([]byte, error){"YAML": want.DumpYAML, "JSON": want.DumpJSON} {
		dumped, err := dump()
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Load(options(string(dumped)))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, dumped)
		}
		if diff := cmp.Diff(want, got, sameConfig); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if again, err := dump(); err != nil || string(again) != string(dumped) {
			t.Errorf("%s: a second dump differs: %v", name, err)
		}
	}
}
