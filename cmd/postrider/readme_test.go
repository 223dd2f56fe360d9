package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// top is the project's folder.
const top = "../.."

func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the fenced blocks of a language, in order.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestReadmeShowsTheFirstRun(t *testing.T) {
	t.Parallel()
	shown := blocks(readme(t), "text")
	if len(shown) < 3 {
		t.Fatalf("README has %d blocks of output, want those of serve, send and tail", len(shown))
	}
	serve, send, tail := firstRun(t)
	for name, pair := range map[string][2]string{"serve": {serve, shown[0]}, "send --all": {send, shown[1]}} {
		if problem := shows(pair[0], pair[1]); problem != "" {
			t.Errorf("README on %s: %s", name, problem)
		}
	}
	got := normalise(tail)
	for line := range strings.Lines(normalise(shown[2])) {
		if line = strings.TrimSpace(line); line != "…" && !strings.Contains(got, line) {
			t.Errorf("README on tail shows a line that is not there: %s", line)
		}
	}
}

func TestReadmeCommandsExist(t *testing.T) {
	t.Parallel()
	root := newRoot(&cli{})
	root.InitDefaultCompletionCmd("completion")
	for _, block := range blocks(readme(t), "sh") {
		for line := range strings.Lines(block) {
			if args, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./cmd/postrider "); ok {
				wantCommand(t, root, args)
			}
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `postrider ([^`]+)` \\|").FindAllStringSubmatch(readme(t), -1)
	if len(rows) == 0 {
		t.Fatal("README has no table of commands")
	}
	listed := map[string]bool{}
	for _, m := range rows {
		wantCommand(t, root, m[1])
		listed[strings.Fields(m[1])[0]] = true
	}
	for _, cmd := range root.Commands() {
		if !listed[cmd.Name()] && cmd.Name() != "version" && cmd.Name() != "help" {
			t.Errorf("README's table leaves out %s", cmd.Name())
		}
	}
}

func TestReadmeTypesAreTheProviders(t *testing.T) {
	t.Parallel()
	text := readme(t)
	cfg := config.Default()
	rows := 0
	for _, def := range all.Definitions()[:3] { // those that a first run makes sources of; the others' pages have it
		for _, typ := range def.Types {
			topic := app.TopicNames(cfg.Kafka.Topics).Typed[event.Route{Direction: typ.Direction, Type: typ.Type}]
			row := fmt.Sprintf("| `%s` | `%s` | `%s` |\n", def.ID, typ.ProviderType, topic)
			if rows++; !strings.Contains(text, row) {
				t.Errorf("README leaves out %s", row)
			}
		}
	}
	if got := len(regexp.MustCompile("(?m)^\\| `[a-z]+` \\| `[^`]+` \\| `email\\.").FindAllString(text, -1)); got != rows {
		t.Errorf("README has %d rows of types, the providers have %d", got, rows)
	}
}

func TestReadmeEventIsValid(t *testing.T) {
	t.Parallel()
	for _, block := range blocks(readme(t), "json") {
		e, err := event.Decode([]byte(block))
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadmeConfigurationLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(readme(t), "yaml") {
		file := filepath.Join(dir, "config.yaml")
		for name, text := range map[string]string{file: block, filepath.Join(dir, "secrets", "velma"): strings.Repeat("ab12", 8)} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env := []string{"KAFKA_PASSWORD=hunter-of-trouts", "JETEMAIL_SECRET=whsec_8fH2kQ0vTz5mW1cR"}
		if _, err := config.Load(config.Options{
			File: file, Env: env, Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), Check: app.CheckSources,
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestReadmeLinksResolve(t *testing.T) {
	t.Parallel()
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme(t), -1) {
		if _, err := os.Stat(filepath.Join(top, m[1])); err != nil {
			t.Errorf("README links to %s: %v", m[1], err)
		}
	}
}

// wantCommand checks that args name a command and its flags.
func wantCommand(t *testing.T, root *cobra.Command, args string) {
	t.Helper()
	cmd, rest, err := root.Find(strings.Fields(args))
	if err != nil || cmd == root {
		t.Errorf("README names %q, which does not exist: %v", args, err)
		return
	}
	for _, arg := range rest {
		if name, ok := strings.CutPrefix(arg, "--"); ok && cmd.Flags().Lookup(name) == nil {
			t.Errorf("README gives %q a flag that it does not have: %s", cmd.Name(), arg)
		}
	}
}
