package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
)

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
