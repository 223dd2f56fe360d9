package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// site is a receiver with a configuration of its own. It can be started again in the
// same folder.
type site struct {
	name    string
	binary  string
	dir     string   // of its configuration and all its state
	brokers []string // empty: the embedded broker
	prefix  string   // of its topics
	config  siteConfig
}

// siteConfig is what sites differ by; a zero value is the receiver's default.
type siteConfig struct {
	partitions    int   // of the topics it creates
	maxIDs        int   // of its window of ids
	brokerBytes   int64 // that a partition of an embedded broker keeps
	brokerSegment int64
	sources       string // YAML
}

// yaml is the configuration's text.
func (s *site) yaml() string {
	quoted := make([]string, len(s.brokers))
	for i, b := range s.brokers {
		quoted[i] = fmt.Sprintf("%q", b)
	}
	c := s.config
	return fmt.Sprintf(`server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
kafka:
  brokers: [%s]
  embedded: {listen: "127.0.0.1:0", dir: data/broker, sync: false, max_bytes: %d, segment_bytes: %d}
  topics: {prefix: %q, partitions: %d, retention: {typed: 1h, raw: 1h, deadletter: 1h}}
dedupe: {max_ids: %d}
log: {format: json}
sources:
%s`, strings.Join(quoted, ", "), orDefault(c.brokerBytes, 16<<20), orDefault(c.brokerSegment, 4<<20), s.prefix,
		orDefault(c.partitions, 6), orDefault(c.maxIDs, 2_000_000), c.sources)
}

// orDefault is v, or def where v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// start starts the receiver and waits until it is ready.
func (s *site) start(ctx context.Context) (*target, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", s.name, err)
	}
	file, readyFile := filepath.Join(s.dir, "config.yaml"), filepath.Join(s.dir, "ready.json")
	if err := os.WriteFile(file, []byte(s.yaml()), 0o600); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", s.name, err)
	}
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("bench: %s: %w", s.name, err)
	}
	p, err := startChild(ctx, command{
		path: s.binary, args: []string{"serve", "--config", file},
		env:       cleanEnvironment(os.Environ(), "POSTRIDER_TEST_READY_FILE="+readyFile),
		readyFile: readyFile, logFile: filepath.Join(s.dir, "output.log"),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if err := awaitReadiness(ctx, p.ready.Admin); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.name, err), p.stop())
	}
	return &target{name: s.name, process: p, counted: true, events: 1}, nil
}

// kafka says where the brokers of a started site are.
func (s *site) kafka() ([]string, error) {
	if len(s.brokers) > 0 {
		return s.brokers, nil
	}
	b, err := os.ReadFile(filepath.Join(s.dir, "ready.json"))
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w", s.name, err)
	}
	var said struct {
		Brokers []string `json:"brokers"`
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return nil, fmt.Errorf("bench: %s: ready file: %w", s.name, err)
	}
	return said.Brokers, nil
}

// jetSources is the YAML of n sources of single events; each has a secret of its own.
func jetSources(n int, secret string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {name: %s, provider: jetemail, auth: {type: jetemail, secrets: [{id: bench, value: %q}]}}\n", numbered(i), secretOf(i, secret))
	}
	return b.String()
}

// numbered is the name of the i-th source.
func numbered(i int) string { return fmt.Sprintf("source-%03d", i) }

// secretOf is its secret.
func secretOf(i int, secret string) string { return fmt.Sprintf("%s%03d", secret, i) }
