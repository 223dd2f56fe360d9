package config_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postrider/postrider/internal/config"
)

// now is the clock of these tests.
func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// fakeFiles is a disk whose names end with the given keys.
func fakeFiles(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		for suffix, text := range files {
			if strings.HasSuffix(filepath.ToSlash(name), "/"+suffix) {
				return []byte(text), nil
			}
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
}

// signing is a secret of Standard Webhooks.
const signing = "whsec_c2lnbmluZyBzZWNyZXQgb2YgMzIgYnl0ZXMhIQ=="

// options reads text as config.yaml, with the secret files a and b.
func options(text string, env ...string) config.Options {
	return config.Options{
		File:      "config.yaml",
		Env:       env,
		ReadFile:  fakeFiles(map[string]string{"config.yaml": text, "secrets/a": "  0123456789abcdef0123\n", "secrets/empty": " \n", "secrets/signing": signing + "\n", "mappings/a": "type: x\n"}),
		Providers: []string{"cmcom", "jetemail", "mapping", "vfs"},
		AuthRules: authRules(),
		Now:       now,
	}
}

// authRules is what the auth types of these tests take; the program passes those
// of all types.
func authRules() map[string]config.AuthRule {
	return map[string]config.AuthRule{
		"jetemail": {}, "basic": {}, "bearer": {}, "token": {}, "none": {SecretsOptional: true},
		"hmac":              {Keys: []string{"header", "algorithm", "prefix", "encoding", "template", "timestamp", "id_header", "tolerance", "decode"}},
		"standard_webhooks": {Keys: []string{"tolerance", "decode"}},
		"header":            {Keys: []string{"header"}},
		"mandrill":          {Keys: []string{"url"}},
		"sns":               {Keys: []string{"topics", "tolerance"}, SecretsOptional: true},
	}
}

func mustLoad(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Load(options(text, env...))
	if err != nil {
		t.Fatalf("Load: unexpected problems:\n%v", err)
	}
	return cfg
}

var sameConfig = cmp.Options{cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()}

func TestLoadWithoutFileGivesTheDefaults(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	got, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	if want.Dir, err = os.Getwd(); err != nil {
		t.Fatal(err)
	}
	want.Kafka.Embedded.Dir = filepath.Join(want.Dir, "data", "broker")
	want.Spool.Dir = filepath.Join(want.Dir, "data", "spool")
	want.Quarantine.Dir = filepath.Join(want.Dir, "data", "quarantine")
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Error(diff)
	}
	if !got.EmbeddedBroker() || got.SourcesGiven {
		t.Errorf("EmbeddedBroker %v, SourcesGiven %v; want true, false", got.EmbeddedBroker(), got.SourcesGiven)
	}
}

func TestLoadReadsTheDefaultFileFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.yaml", []byte("log: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Log.Level != "debug" || cfg.File != "config.yaml" {
		t.Errorf("level %q from file %q", cfg.Log.Level, cfg.File)
	}
}

func TestLoadNamedFileMissing(t *testing.T) {
	_, err := config.Load(config.Options{File: filepath.Join(t.TempDir(), "none.yaml")})
	if err == nil || !strings.Contains(err.Error(), "none.yaml: cannot read the configuration file: no such file") {
		t.Errorf("got %v", err)
	}
}

func TestRelativePathsAreTakenFromTheFilesFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "etc", "p.yaml")
	text := "kafka: {tls: {enabled: true, ca_file: ca.pem}, embedded: {dir: /var/x}}\npii: {pepper_file: ../pepper}\n"
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{file: text, filepath.Join(dir, "pepper"): "0123456789abcdef"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(config.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{cfg.Dir, cfg.Kafka.TLS.CAFile, cfg.Kafka.Embedded.Dir, cfg.PII.PepperFile, cfg.PII.Pepper.Reveal()}
	want := []string{filepath.Join(dir, "etc"), filepath.Join(dir, "etc", "ca.pem"), "/var/x", filepath.Join(dir, "pepper"), "0123456789abcdef"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyFilesAreFine(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "\ufeffserver:\n", "server: ~\nsources:\n", "%YAML 1.2\n---\nserver: {}\n"} {
		if cfg := mustLoad(t, text); cfg.Server.Listen != "127.0.0.1:8080" || cfg.SourcesGiven {
			t.Errorf("%q: listen %q, sources given %v", text, cfg.Server.Listen, cfg.SourcesGiven)
		}
	}
}

func TestSourceIsCompleted(t *testing.T) {
	cfg := mustLoad(t, `
sources:
  - name: velma
    provider: vfs
    auth: {type: token, secrets: [{file: secrets/a}, {value: "${TOKEN}$${x}", not_after: 2027-01-01T00:00:00Z}]}
    allow: [192.0.2.0/24, 2001:db8::1]
    options: {flag: true, count: 010}
`, "TOKEN=abcdefghijklmnop")
	s := cfg.Sources[0]
	if !cfg.SourcesGiven || s.ID != "velma" || s.RefusedStatus != 0 || s.Dedupe != "drop" || s.Durability != "broker_then_spool" {
		t.Errorf("given %v, %+v", cfg.SourcesGiven, s)
	}
	got := []string{s.Auth.Secrets[0].ID, s.Auth.Secrets[0].Value.Reveal(), s.Auth.Secrets[1].ID, s.Auth.Secrets[1].Value.Reveal(), s.Allow[1].String(), s.Options["flag"], s.Options["count"]}
	want := []string{"1", "0123456789abcdef0123", "2", "abcdefghijklmnop${x}", "2001:db8::1/128", "true", "010"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBrokersFromText(t *testing.T) {
	for _, text := range []string{
		"kafka: {brokers: [a:1, b:2]}",
		"kafka: {brokers: 'a:1, b:2'}",
		"kafka: {brokers: [a:1,\"b:2\"]}",
		"kafka: {brokers: '${BROKERS}'}",
		"kafka: {brokers: ['${BROKERS}']}",
		"kafka:\n  brokers:\n    - ${ONE}\n    - b:2\n",
	} {
		cfg := mustLoad(t, text, "BROKERS=a:1,b:2", "ONE=a:1")
		if diff := cmp.Diff([]string{"a:1", "b:2"}, cfg.Kafka.Brokers); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestNotices(t *testing.T) {
	cfg := mustLoad(t, `
server: {listen: ":8080", public_url: http://hooks.example.com, trusted_proxies: [0.0.0.0/0]}
kafka: {embedded: {enabled: true, listen: ":9092"}, publish: {budget: 2200ms}}
sources:
  - {name: open, provider: cmcom, auth: {type: none}, refused_status: 406, dedupe: drop, durability: spool_first}
  - {name: old, provider: cmcom, auth: {type: bearer, secrets: [{value: short}, {value: 0123456789abcdef, not_after: 2026-11-21T12:00:00Z}]}}
`)
	var got []string
	for _, notice := range cfg.Notices {
		got = append(got, strings.Join(strings.SplitN(notice, ": ", 3)[:2], " "))
	}
	want := []string{
		"config.yaml:2:65 server.trusted_proxies", "config.yaml:2:27 server.public_url", "config.yaml:3:35 kafka.embedded.listen",
		"config.yaml:3:63 kafka.publish.budget",
		"config.yaml:5:55 sources[0].refused_status", "config.yaml:5:42 sources[0].auth.type",
		"config.yaml:6:107 sources[1].auth.secrets[1].not_after",
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Error(diff)
	}
}

func TestNoticesOfTheAdminInterfaceAndReplays(t *testing.T) {
	cfg := mustLoad(t, `
admin: {listen: ":8081", tokens: [{id: a, role: read, file: secrets/a}]}
replay:
  targets:
    - {name: a, url: http://a.example/, allow: [10.0.0.0/8, "::/0"]}
    - {name: b, url: http://localhost:9, allow: [127.0.0.1], secrets: [{value: "${SIGNING}", not_after: 2026-11-21T12:00:00Z}, {file: secrets/signing, not_after: 2026-01-01T00:00:00Z}]}
    - {name: c, url: https://c.example, secrets: [{value: "${SIGNING}", not_after: 2026-11-21T12:00:00Z}, {id: "3", file: secrets/signing}]}
`, "SIGNING="+signing)
	var got []string
	for _, notice := range cfg.Notices {
		got = append(got, strings.SplitN(notice, ": ", 3)[1])
	}
	want := []string{
		"admin.listen", "replay.targets[0].url", "replay.targets[0].allow",
		"replay.targets[1].secrets", "replay.targets[1].secrets[0].not_after", "replay.targets[1].secrets[1].not_after",
		"replay.targets[2].secrets[0].not_after",
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Error(diff)
	}
	if s := cfg.Replay.Targets[1].Secrets; s[0].ID != "1" || s[1].ID != "2" || s[1].Value != signing || cfg.Admin.Tokens[0].Value != "0123456789abcdef0123" {
		t.Errorf("not completed: %+v", cfg.Replay)
	}
}

func TestABudgetThatProvidersWaitForIsNoNotice(t *testing.T) {
	if cfg := mustLoad(t, "kafka: {publish: {budget: 2100ms}}\n"); len(cfg.Notices) != 0 {
		t.Errorf("notices %q, want none", cfg.Notices)
	}
}

// A source that waits for its new secret stops no other.
func TestEndedSecretsOfOneSourceAreANotice(t *testing.T) {
	cfg := mustLoad(t, `
sources:
  - {name: a, provider: cmcom, auth: {type: none}}
  - {name: b, provider: cmcom, auth: {type: bearer, secrets: [{value: 0123456789abcdef, not_after: 2020-01-01T00:00:00Z}]}}
`)
	if !slices.ContainsFunc(cfg.Notices, func(s string) bool {
		return strings.HasPrefix(s, "config.yaml:4:53: sources[1].auth.secrets: every secret has ended")
	}) || len(cfg.Sources) != 2 {
		t.Errorf("%d sources, notices %q", len(cfg.Sources), cfg.Notices)
	}
}

func TestWorldReadableSecretFileIsANotice(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	pepper := filepath.Join(dir, "pepper")
	for name, text := range map[string]string{file: "pii: {pepper_file: pepper}\n", pepper: "0123456789abcdef"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for mode, want := range map[fs.FileMode]int{0o600: 0, 0o640: 0, 0o644: 1} {
		if err := os.Chmod(pepper, mode); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Options{File: file})
		if err != nil || len(cfg.Notices) != want {
			t.Errorf("mode %o: %d notices, want %d; %v", mode, len(cfg.Notices), want, err)
		}
	}
}

func TestPlace(t *testing.T) {
	cfg := mustLoad(t, "kafka:\n  topics:\n    prefix: x\n", "POSTRIDER_LOG_LEVEL=warn")
	for path, want := range map[string]string{
		"kafka.topics.prefix":      "config.yaml:3:5",
		"kafka.topics.partitions":  "config.yaml:2:3",
		"kafka.brokers[3].nothing": "config.yaml:1:1",
		"log.level":                "environment POSTRIDER_LOG_LEVEL",
		"pii.recipient":            "config.yaml:1:1",
	} {
		if got := cfg.Place(path); got != want {
			t.Errorf("Place(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestProblemsAreSortedByPlace(t *testing.T) {
	var p config.Problems
	if p.Err() != nil {
		t.Error("no problems, yet an error")
	}
	p.Add("c", "environment POSTRIDER_C", "third", "")
	p.Add("b", "config.yaml:14:2", "second", "do this")
	p.Add("a", "config.yaml:9:20", "first", "")
	want := "config.yaml:9:20: a: first\nconfig.yaml:14:2: b: second (do this)\nenvironment POSTRIDER_C: c: third"
	var problems *config.Problems
	if err := p.Err(); !errors.As(err, &problems) || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestPublicURLAndEmbeddedBroker(t *testing.T) {
	for _, c := range []struct {
		text     string
		url      string
		embedded bool
	}{
		{"", "http://127.0.0.1:8080", true},
		{"server: {listen: 'localhost:80'}", "http://localhost:80", true},
		{"server: {listen: '[::1]:80'}", "http://[::1]:80", true},
		{"server: {listen: ':80'}\nkafka: {embedded: {enabled: true}}", "http://127.0.0.1:80", true},
		{"server: {listen: '0.0.0.0:80'}\nkafka: {brokers: [k:9092]}", "http://127.0.0.1:80", false},
		{"server: {listen: '[::]:80'}\nkafka: {brokers: [k:9092]}", "http://127.0.0.1:80", false},
		{"server: {listen: 0.0.0.0:80, public_url: 'https://x.example/in/'}\nkafka: {brokers: [k:9092]}", "https://x.example/in", false},
		{"kafka: {brokers: [k:9092], embedded: {enabled: false}}", "http://127.0.0.1:8080", false},
	} {
		cfg := mustLoad(t, c.text)
		if got := cfg.PublicURL(); got != c.url {
			t.Errorf("%s: PublicURL %q, want %q", c.text, got, c.url)
		}
		if got := cfg.EmbeddedBroker(); got != c.embedded {
			t.Errorf("%s: EmbeddedBroker %v, want %v", c.text, got, c.embedded)
		}
	}
}

func TestTopicNames(t *testing.T) {
	def := config.Default().Kafka.Topics
	own := mustLoad(t, "kafka: {topics: {prefix: mail, templates: {outbound: '{prefix}_{direction}.{family}.{type}', inbound: '{prefix}_{direction}.{type}'}}}").Kafka.Topics
	for got, want := range map[string]string{
		def.Outbound("bounced", "delivery"):  "email.bounced",
		def.Inbound("bounced", "delivery"):   "email.inbound.bounced",
		def.Raw():                            "email.raw",
		def.Deadletter():                     "email.deadletter",
		def.AllEvents():                      "email.all",
		def.Replays():                        "email.replays",
		own.Outbound("opened", "engagement"): "mail_outbound.engagement.opened",
		own.Inbound("received", "other"):     "mail_inbound.received",
		own.Raw():                            "mail.raw",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
