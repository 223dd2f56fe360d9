package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/config"
)

const shipped = "../../config.yaml"

func readShipped(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestShippedFileIsTheDefault(t *testing.T) {
	got, err := config.Load(config.Options{File: shipped, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.File = shipped
	if want.Dir, err = filepath.Abs("../.."); err != nil {
		t.Fatal(err)
	}
	want.Kafka.Embedded.Dir = filepath.Join(want.Dir, want.Kafka.Embedded.Dir)
	want.Spool.Dir = filepath.Join(want.Dir, want.Spool.Dir)
	want.Quarantine.Dir = filepath.Join(want.Dir, want.Quarantine.Dir)
	if diff := cmp.Diff(want, got, sameConfig); diff != "" {
		t.Error(diff)
	}
}

// commentedKey is a line such as "  # public_url: https://hooks.example.com".
var commentedKey = regexp.MustCompile(`^( +)# (([a-z_]+): .+)$`)

// commentedBlock is a line such as "  # targets:", which begins a list.
var commentedBlock = regexp.MustCompile(`^( *)# [a-z_]+:$`)

// uncomment puts in force what is commented out: single keys, and lists such as
// "# sources:" up to the end of the comment, whose own comments are commented twice.
func uncomment(text string) string {
	keys := map[string]bool{}
	for _, l := range leaves() {
		keys[l.path[strings.LastIndex(l.path, ".")+1:]] = true
	}
	lines := strings.Split(text, "\n")
	var indent string
	block := false
	for i, line := range lines {
		if m := commentedBlock.FindStringSubmatch(line); m != nil {
			block, indent = true, m[1]
		}
		block = block && strings.HasPrefix(line, indent+"#")
		m := commentedKey.FindStringSubmatch(line)
		switch {
		case block:
			lines[i] = indent + strings.TrimPrefix(strings.TrimPrefix(line, indent+"#"), " ")
		case m != nil && keys[m[3]]:
			lines[i] = m[1] + m[2]
		}
	}
	return strings.Join(lines, "\n")
}

// loadUncommented reads the shipped file with every example in force.
func loadUncommented(t *testing.T) *config.Config {
	t.Helper()
	text := uncomment(readShipped(t))
	secret := "0123456789abcdef"
	files := map[string]string{"config.yaml": text}
	for _, m := range regexp.MustCompile(`secrets/[a-z-]+`).FindAllString(text, -1) {
		files[m] = secret
	}
	files["mappings/acme.yaml"] = "type: event\ntypes: {open: opened}\n"
	files["secrets/warehouse"], files["secrets/crm"] = signing, signing
	cfg, err := config.Load(config.Options{
		File:      "config.yaml",
		ReadFile:  fakeFiles(files),
		Env:       []string{"JETEMAIL_SECRET=" + secret, "CMCOM_TOKEN=" + secret, "BASIC_PASSWORD=" + secret, "DASHBOARD_TOKEN=" + secret + "0", "WAREHOUSE_SECRET=" + signing, "CRM_SECRET=" + signing},
		Providers: []string{"cmcom", "jetemail", "mapping", "vfs"},
		AuthRules: authRules(),
		Now:       now,
	})
	if err != nil {
		t.Fatalf("the examples of config.yaml do not load:\n%v", err)
	}
	return cfg
}

func TestShippedExamplesLoad(t *testing.T) {
	cfg := loadUncommented(t)
	var types, providers []string
	for _, s := range cfg.Sources {
		types, providers = append(types, s.Auth.Type), append(providers, s.Provider)
	}
	slices.Sort(types)
	slices.Sort(providers)
	want := []string{"basic", "bearer", "header", "hmac", "jetemail", "mandrill", "none", "sns", "standard_webhooks", "token"}
	if diff := cmp.Diff(want, slices.Compact(types)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"cmcom", "jetemail", "mapping", "vfs"}, slices.Compact(providers)); diff != "" {
		t.Error(diff)
	}
	if cfg.Server.PublicURL == "" || cfg.Kafka.Embedded.Enabled == nil {
		t.Error("public_url or embedded.enabled is not in the file")
	}
}

func TestShippedFileHasEveryKey(t *testing.T) {
	text := uncomment(readShipped(t))
	for _, l := range leaves() {
		key := l.path[strings.LastIndex(l.path, ".")+1:]
		if !regexp.MustCompile(`(?m)^[^#\n]*\b` + regexp.QuoteMeta(key) + `:`).MatchString(text) {
			t.Errorf("%s is not in config.yaml", l.path)
		}
	}
	// A key of the same name elsewhere must not stand in for one that is missing.
	cfg := loadUncommented(t)
	for _, l := range leaves() {
		if strings.HasPrefix(l.path, "sources") {
			continue
		}
		items := []string{l.path, lastItem(l.path, 1)}
		if !slices.ContainsFunc(items, func(at string) bool { return given(cfg, text, at) }) {
			t.Errorf("%s is not in config.yaml", l.path)
		}
	}
}

// given reports whether the text has the key at path where Place says it is, and
// not only a key above it.
func given(cfg *config.Config, text, path string) bool {
	var line, column int
	if _, err := fmt.Sscanf(cfg.Place(path), "config.yaml:%d:%d", &line, &column); err != nil {
		return false
	}
	key := path[strings.LastIndex(path, ".")+1:]
	return strings.HasPrefix(strings.Split(text, "\n")[line-1][column-1:], key+":")
}

// lastItem is path with another item of its last list.
func lastItem(path string, i int) string {
	at := strings.LastIndex(path, "[0]")
	if at < 0 {
		return path
	}
	return path[:at] + "[" + strconv.Itoa(i) + "]" + path[at+len("[0]"):]
}
