package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of the targets.
const (
	targetEcho   = "echo"   // the yardstick
	targetSync   = "sync"   // embedded broker, fsync before each acknowledgement
	targetNoSync = "nosync" // embedded broker, the page cache as the last stop
	targetKafka  = "kafka"  // a cluster, -brokers
)

// target is a running process under load.
type target struct {
	name    string
	process *child
	counted bool // it counts what it published
}

// build compiles the receiver as it is in this checkout.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "postrider")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/postrider/postrider/cmd/postrider").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("bench: build postrider: %w\n%s", err, out)
	}
	return binary, nil
}

// startEchoTarget starts this very program as the yardstick.
func startEchoTarget(ctx context.Context, dir string) (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: yardstick: %w", err)
	}
	readyFile := filepath.Join(dir, "echo.json")
	p, err := startChild(ctx, command{
		path: self, args: []string{"-role=" + echoRole, "-ready=" + readyFile}, env: os.Environ(),
		readyFile: readyFile, logFile: filepath.Join(dir, "echo.log"),
	})
	if err != nil {
		return nil, err
	}
	return &target{name: targetEcho, process: p}, nil
}

// receiver says how to start one receiver.
type receiver struct {
	name       string // of the target
	binary     string
	secret     string   // that requests are signed with
	brokers    []string // empty for the embedded broker
	sync       bool     // of the embedded broker
	prefix     string   // of the topics
	partitions int      // of each topic
}

// start writes the configuration into a folder of its own, starts the receiver
// and waits until it says that it takes webhooks.
func (r receiver) start(ctx context.Context, dir string) (*target, error) {
	dir = filepath.Join(dir, strings.ReplaceAll(r.name, "@", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", r.name, err)
	}
	file, readyFile := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "ready.json")
	if err := os.WriteFile(file, []byte(r.config()), 0o600); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", r.name, err)
	}
	p, err := startChild(ctx, command{
		path: r.binary, args: []string{"serve", "--config", file},
		env:       cleanEnvironment(os.Environ(), "POSTRIDER_TEST_READY_FILE="+readyFile),
		readyFile: readyFile, logFile: filepath.Join(dir, "output.log"),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	if err := awaitReadiness(ctx, p.ready.Admin); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", r.name, err), p.stop())
	}
	return &target{name: r.name, process: p, counted: true}, nil
}

// config is the receiver's configuration: what is not said here is the default
// that users have too.
func (r receiver) config() string {
	quoted := make([]string, len(r.brokers))
	for i, b := range r.brokers {
		quoted[i] = fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf(`server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
kafka:
  brokers: [%s]
  embedded: {listen: "127.0.0.1:0", dir: data/broker, sync: %t}
  topics: {prefix: %q, partitions: %d, retention: {typed: 1h, raw: 1h, deadletter: 1h}}
log: {format: json}
sources:
  - name: %s
    provider: jetemail
    auth: {type: jetemail, secrets: [{id: bench, value: %q}]}
`, strings.Join(quoted, ", "), r.sync, r.prefix, r.partitions, sourceName, r.secret)
}

// awaitReadiness waits until the receiver says that it is ready.
func awaitReadiness(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("bench: readiness: %w", err)
		}
		if resp, err := (&http.Client{}).Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("bench: readiness of %s: %w", admin, ctx.Err())
		}
	}
}

// plan lists the receivers that the options ask for: each target with the binary
// of this checkout and with every binary to compare.
func plan(o options, binary, secret, prefix string) []receiver {
	builds := append([]labelled{{path: binary}}, o.compare...)
	var rs []receiver
	for _, name := range o.targets {
		if name == targetEcho {
			continue
		}
		for _, b := range builds {
			r := receiver{name: name, binary: b.path, secret: secret, prefix: prefix, partitions: o.partitions, sync: name == targetSync}
			if b.label != "" {
				r.name += "@" + b.label
				r.prefix += "-" + b.label
			}
			if name == targetKafka {
				r.brokers = o.brokers
			}
			rs = append(rs, r)
		}
	}
	return rs
}

// startAll starts the yardstick and every receiver; on an error those that run
// are stopped again.
func startAll(ctx context.Context, o options, dir string, rs []receiver) (ts []*target, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, stopAll(ts))
		}
	}()
	if slices.Contains(o.targets, targetEcho) {
		t, err := startEchoTarget(ctx, dir)
		if err != nil {
			return ts, err
		}
		ts = append(ts, t)
	}
	for _, r := range rs {
		t, err := r.start(ctx, dir)
		if err != nil {
			return ts, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// stopAll stops every target.
func stopAll(ts []*target) error {
	errs := make([]error, 0, len(ts))
	for _, t := range ts {
		errs = append(errs, t.process.stop())
	}
	return errors.Join(errs...)
}
