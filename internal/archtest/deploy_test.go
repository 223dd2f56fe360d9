package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/postrider/postrider/internal/config"
)

// TestDeploymentConfigures loads the configuration that each way of deploying
// ends up with, so that a key that is renamed is renamed there too.
func TestDeploymentConfigures(t *testing.T) {
	repository := os.DirFS("../..")
	for _, tt := range []struct {
		name    string
		files   []string // whose variables are set
		config  string   // the configuration file's text
		brokers string   // what kafka.brokers must come to
		listen  string   // what server.listen must come to
	}{
		{
			"compose",
			[]string{"Dockerfile", "docker-compose.yml"},
			text(t, repository, "config.yaml"),
			"kafka:9092", "0.0.0.0:8080",
		},
		{
			"kubernetes",
			[]string{"Dockerfile", "deploy/kubernetes/postrider.yaml"},
			configMap(t, text(t, repository, "deploy/kubernetes/postrider.yaml")),
			"kafka-0.kafka:9093 kafka-1.kafka:9093 kafka-2.kafka:9093", "0.0.0.0:8080",
		},
		{
			"systemd",
			[]string{"deploy/systemd/postrider.service"},
			text(t, repository, "config.yaml"),
			"", "127.0.0.1:8080",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var env []string
			for _, name := range tt.files {
				env = append(env, variables(text(t, repository, name))...)
			}
			cfg, err := config.Load(config.Options{File: "/etc/postrider/config.yaml", Env: env, ReadFile: readOnly(tt.config)})
			if err != nil {
				t.Fatalf("load with %q: %v", env, err)
			}
			if got := strings.Join(cfg.Kafka.Brokers, " "); got != tt.brokers {
				t.Errorf("kafka.brokers = %q, want %q", got, tt.brokers)
			}
			if cfg.Server.Listen != tt.listen {
				t.Errorf("server.listen = %q, want %q", cfg.Server.Listen, tt.listen)
			}
			for key, dir := range map[string]string{
				"kafka.embedded.dir": cfg.Kafka.Embedded.Dir, "spool.dir": cfg.Spool.Dir, "quarantine.dir": cfg.Quarantine.Dir,
			} {
				if strings.HasPrefix(dir, "/etc/") {
					t.Errorf("%s is %s, want a folder that can be written and outlives the process", key, dir)
				}
			}
		})
	}
}

// variable is a setting in a Dockerfile, a unit, a Compose or a Kubernetes file.
var variable = regexp.MustCompile(`\b(POSTRIDER_[A-Z0-9_]+)(?:=|: |, value: )"?([^\s"}]+)`)

// variables returns the settings of a file that are no comments, in order.
func variables(text string) []string {
	var env []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, m := range variable.FindAllStringSubmatch(line, -1) {
			env = append(env, m[1]+"="+m[2])
		}
	}
	return env
}

// configMap returns config.yaml of the first document of a Kubernetes file.
func configMap(t *testing.T, text string) string {
	t.Helper()
	var doc struct {
		Data map[string]string `yaml:"data"`
	}
	first, _, _ := strings.Cut(text, "\n---\n")
	if err := yaml.Unmarshal([]byte(first), &doc); err != nil {
		t.Fatalf("read the ConfigMap: %v", err)
	}
	if doc.Data["config.yaml"] == "" {
		t.Fatal("the first document has no data with config.yaml")
	}
	return doc.Data["config.yaml"]
}

// readOnly is a disk with a configuration, and a secret in every file that lies
// where secrets do.
func readOnly(configuration string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		switch {
		case path.Base(name) == "config.yaml":
			return []byte(configuration), nil
		case strings.HasPrefix(name, "/run/secrets/"):
			return []byte("whsec_a-secret-that-is-long-enough-for-all\n"), nil
		}
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
}

// text returns a file of the repository.
func text(t *testing.T, repository fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(repository, name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(b)
}
