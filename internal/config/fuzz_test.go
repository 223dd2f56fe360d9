package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/config"
)

// FuzzLoad checks for any file and environment: no panic; either a configuration
// that is valid when it is written out and read again, or problems that each say
// where and what; the same twice; and never the secret of the environment.
func FuzzLoad(f *testing.F) {
	cases, err := filepath.Glob("testdata/problems/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(cases, shipped) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		input, _, _ := strings.Cut(string(text), "-- problems --\n")
		file, env, _ := strings.Cut(input, "-- env --\n")
		f.Add(file, env)
	}
	f.Fuzz(func(t *testing.T, file, env string) {
		if len(file) > 1<<14 || len(env) > 1<<12 {
			t.Skip("large inputs are slow and find nothing more")
		}
		o := options(file, append(strings.Split(env, "\n"), "CANARY="+canary)...)
		cfg, err := config.Load(o)
		again, errAgain := config.Load(o)
		if diff := cmp.Diff(cfg, again, sameConfig); diff != "" {
			t.Fatalf("a second Load differs: %s", diff)
		}
		if err != nil {
			checkProblems(t, err, errAgain)
			return
		}
		if _, err := cfg.DumpYAML(); err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.DumpJSON(); err != nil {
			t.Fatal(err)
		}
	})
}

func checkProblems(t *testing.T, err, again error) {
	t.Helper()
	var problems *config.Problems
	if !errors.As(err, &problems) || problems.Len() == 0 {
		t.Fatalf("no problems but an error: %v", err)
	}
	if err.Error() != again.Error() {
		t.Fatalf("got\n%v\nthen\n%v", err, again)
	}
	for _, p := range problems.All() {
		if p.Place == "" || p.Message == "" {
			t.Errorf("a problem without place or message: %+v", p)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the secret is in\n%v", err)
	}
}
