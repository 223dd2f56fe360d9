package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
)

// TestMain lets the test binary be the yardstick and the target too, as the real one is.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-role="+echoRole) || slices.Contains(os.Args, "-role="+sinkRole) {
		main()
	}
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	var out, progress bytes.Buffer
	args := []string{
		"-targets=echo", "-c=2", "-rounds=2", "-duration=100ms", "-warmup=10ms", "-pool=50", "-output=json", "-dir=" + dir,
	}
	if code := run(t.Context(), args, nil, &out, &progress); code != 0 {
		t.Fatalf("exit code %d\n%s", code, progress.String())
	}
	var got struct {
		Command string `json:"command"`
		Rows    []struct {
			Target    string             `json:"target"`
			Conns     int                `json:"connections"`
			PerSecond map[string]float64 `json:"requests_per_second"`
			Errors    map[string]int     `json:"errors"`
		} `json:"rows"`
		Measurements []struct{} `json:"measurements"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("output is not JSON: %v\n%s", err, out.String())
	}
	if len(got.Rows) != 1 || len(got.Measurements) != 2 {
		t.Fatalf("got %d rows of %d measurements, want 1 of 2\n%s", len(got.Rows), len(got.Measurements), out.String())
	}
	r := got.Rows[0]
	if r.Target != "echo" || r.Conns != 2 || r.PerSecond["median"] <= 0 || len(r.Errors) != 0 {
		t.Errorf("row: %+v", r)
	}
	if want := "go run ./internal/bench -targets=echo"; !strings.HasPrefix(got.Command, want) {
		t.Errorf("command %q, want it to begin with %q", got.Command, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-targets=nginx", `unknown target "nginx"`},
		{"-targets=kafka", "kafka needs -brokers"},
		{"-c=0", `"0" is no positive number`},
		{"-rounds=0", "must be positive"},
		{"-partitions=0", "must be positive"},
		{"-output=xml", `"xml" is none of text, markdown, json`},
		{"-compare=/tmp/postrider", "want label=path"},
		{"extra", `unexpected argument "extra"`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			var said bytes.Buffer
			if code := run(t.Context(), []string{tt.args}, nil, &said, &said); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			if !strings.Contains(said.String(), tt.want) {
				t.Errorf("got %q, want it to contain %q", said.String(), tt.want)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	var said bytes.Buffer
	o, err := parseOptions([]string{"-brokers=a:1,b:2", "-compare=old=/old"}, &said)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	var got []string
	for _, r := range plan(o, "/new", credentials{secret: "s"}, "p") {
		got = append(got, strings.Join(append([]string{r.name, r.binary, r.prefix}, r.brokers...), " "))
	}
	want := []string{
		"sync /new p", "sync@old /old p-old",
		"nosync /new p", "nosync@old /old p-old",
		"kafka /new p a:1 b:2", "kafka@old /old p-old a:1 b:2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestReceiverConfig reads the generated configuration as the receiver does.
func TestReceiverConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	for _, r := range []receiver{
		{name: targetSync, signs: credentials{secret: testSecret}, sync: true, prefix: "p", partitions: 1},
		{name: targetKafka, signs: credentials{secret: testSecret}, brokers: []string{"a:1", "b:2"}, prefix: "p", partitions: 3},
	} {
		if err := os.WriteFile(file, []byte(r.config()), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Options{File: file, Providers: []string{"jetemail"}, AuthTypes: webhook.Types()})
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		k := cfg.Kafka
		if !slices.Equal(k.Brokers, r.brokers) || k.Embedded.Sync != r.sync || k.Topics.Prefix != r.prefix || k.Topics.Partitions != r.partitions {
			t.Errorf("%s: got brokers %q, sync %t, prefix %q, %d partitions", r.name, k.Brokers, k.Embedded.Sync, k.Topics.Prefix, k.Topics.Partitions)
		}
		if len(cfg.Sources) != 1 || cfg.Sources[0].Name != sourceName || cfg.Sources[0].Auth.Secrets[0].Value.Reveal() != testSecret {
			t.Errorf("%s: the source is not the one the generator posts to", r.name)
		}
	}
}
