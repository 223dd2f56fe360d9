package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/config"
)

var update = flag.Bool("update", false, "rewrite the expected problems in testdata/problems")

// TestProblems runs every file of testdata/problems: a configuration, then lines
// "-- env --" with variables and "-- problems --" with what Load has to say.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(content), "-- problems --\n")
			text, env, _ := strings.Cut(input, "-- env --\n")
			got := problemsOf(t, text, strings.Split(strings.TrimSpace(env), "\n"))
			if *update {
				if err := os.WriteFile(file, []byte(input+"-- problems --\n"+got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func problemsOf(t *testing.T, text string, env []string) string {
	t.Helper()
	cfg, err := config.Load(options(text, env...))
	if err == nil {
		t.Fatalf("no problems; notices %q", cfg.Notices)
	}
	wd, wdErr := os.Getwd()
	if wdErr != nil {
		t.Fatal(wdErr)
	}
	return strings.ReplaceAll(err.Error(), filepath.ToSlash(wd), "WD") + "\n"
}

func TestProblemsOfUnreadableFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"not UTF-8": {"a: \xff\n", "config.yaml: the file is not UTF-8 text (save it as UTF-8)"},
		"too large": {strings.Repeat("#\n", 1<<20), "config.yaml: the file is larger than 1MiB"},
		"a list":    {"- a\n", "config.yaml:1:1: the configuration is a group of keys such as `server:`, not a list"},
		"a word":    {"hunter2\n", "config.yaml:1:1: the configuration is a group of keys such as `server:`, not text"},
		"documents": {"log: {level: warn}\n---\nlog: {level: info}\n", "config.yaml:3:4: a second YAML document (put everything into one document, without a line of three dashes)"},
		"tab":       {"log:\n\tlevel: warn\n", "config.yaml:2:1: not YAML: found character '\t' that cannot start any token"},
		"bracket":   {"kafka: {brokers: [a\n", "config.yaml:1:18: not YAML: sequence end token ']' not found"},
		"reference": {"kafka: {brokers: [${HOST}]}\n", "config.yaml:1:20: not YAML: ',' or ']' must be specified (between [ ] or { } a value with ${NAME} has to be in quotes)"},
		"deep":      {"a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", "config.yaml:1:36: a" + strings.Repeat("[0]", 32) + ": nested too deeply"},
	} {
		_, err := config.Load(options(c.text))
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), c.want) {
			t.Errorf("%s: got\n%v\nwant the line\n%s", name, err, c.want)
		}
	}
}
