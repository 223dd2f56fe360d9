package docs_test

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

func TestRefusalsAreDocumented(t *testing.T) {
	want := literals(t, "../pkg/webhook/refused.go", `Reason\w+ +Reason = "(\w+)"`)
	same(t, "refusal", firstCells(section(t, text(t, "authentication.md"), "## Reasons of refusals")), want)
}

// Every auth type has a section, or a page, with an example of that type.
func TestEveryAuthTypeHasAnExample(t *testing.T) {
	page, all := text(t, "authentication.md"), pages(t)
	for _, typ := range webhook.Types() {
		part, own := all["schemes/"+typ+".md"]
		if !own {
			part = section(t, page, "## "+typ)
		}
		if !strings.Contains(part, "type: "+typ) {
			t.Errorf("the section of %s has no example", typ)
		}
	}
}

// The tables, one on the page and one on that of each scheme that is a provider's
// own, say of each type what it covers.
func TestCoverageIsAsDocumented(t *testing.T) {
	table := make(map[string][]string)
	for name, page := range pages(t) {
		for _, cells := range rows(page) {
			if len(cells) == 6 && (name == "authentication.md" || strings.HasPrefix(name, "schemes/")) {
				table[strings.Trim(cells[0], "`")] = cells[2:4]
			}
		}
	}
	says := func(cell string) bool { return strings.HasPrefix(cell, "yes") }
	for _, typ := range webhook.Types() {
		c := webhook.Config{Type: typ}
		if typ == "hmac" {
			c.Header, c.Template, c.Timestamp = "X-Signature", "{timestamp}.{body}", "X-Timestamp"
		}
		if typ == "sns" {
			c.Tolerance = time.Hour
		}
		covered := c.Covers()
		cells := table[typ]
		if len(cells) != 2 || says(cells[0]) != covered.Body || says(cells[1]) != covered.Time {
			t.Errorf("%s: documented %v, is %+v", typ, cells, covered)
		}
	}
}

// Every fenced YAML example is a configuration that loads, with sources that
// work and give no cause for a warning unless they prove nothing.
func TestExamplesLoad(t *testing.T) {
	fence := regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")
	count := 0
	for name, page := range pages(t) {
		for i, m := range fence.FindAllStringSubmatch(page, -1) {
			count++
			var example strings.Builder
			for line := range strings.Lines(m[2]) {
				example.WriteString(strings.TrimPrefix(line, m[1]))
			}
			t.Run(fmt.Sprintf("%s/%d", name, i+1), func(t *testing.T) { load(t, example.String()) })
		}
	}
	if count < len(webhook.Types()) {
		t.Errorf("only %d examples found", count)
	}
}

// publicKey returns what a provider that signs with a private key shows, if a
// secret's file is named after one; else nil.
func publicKey(t *testing.T, name string) []byte {
	t.Helper()
	typ, _, _ := strings.Cut(name, "-")
	if typ != "sendgrid" && typ != "postal" {
		return nil
	}
	block, _ := pem.Decode(webhooktest.PrivateKey(t, typ))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		t.Fatalf("%T does not sign", key)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(der))
}

// load loads one example; every file and variable it names holds a secret, which
// fits every auth type: base64 without padding.
func load(t *testing.T, example string) {
	t.Helper()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("an example's secret of 33 letters"))
	cfg, err := config.Load(config.Options{
		File: "config.yaml", Env: []string{"BASIC_PASSWORD=" + secret},
		Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), AuthRules: app.AuthRules(),
		Now: func() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) },
		ReadFile: func(name string) ([]byte, error) {
			if filepath.Base(name) == "config.yaml" {
				return []byte(example), nil
			}
			if key := publicKey(t, filepath.Base(name)); key != nil {
				return key, nil
			}
			return []byte(secret), nil
		},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	compiled, err := app.CompileSources(cfg, cfg.Sources)
	if err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	for _, s := range compiled {
		if proves := s.Config.Auth.Type != "none"; proves && len(s.Warnings) > 0 {
			t.Errorf("%s: %v", s.Config.Name, s.Warnings)
		}
	}
}
