package main

import (
	"cmp"
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

	// The same with another durability than the default, broker_then_spool.
	targetKafkaBroker     = "kafka-broker"
	targetKafkaSpoolFirst = "kafka-spool-first"
)

// target is a running process under load.
type target struct {
	name    string
	process *child
	counted bool // it counts what it published
	events  int  // of a request
	late    bool // it answers before Kafka has what was sent
	otlp    bool // it takes the events as logs of OpenTelemetry
	// held counts the records that it has written; nil where nobody asks.
	held func(context.Context) (int, error)
	// probe measures by itself, without a process: the bare round trip of one client.
	probe func(context.Context, time.Duration, time.Duration) (*observed, error)
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
	p, err := startSelf(ctx, dir, echoRole)
	if err != nil {
		return nil, err
	}
	return &target{name: targetEcho, process: p}, nil
}

// receiver says how to start one receiver.
type receiver struct {
	name       string // of the target
	binary     string
	signs      credentials // of the requests
	batch      int         // events of a request
	brokers    []string    // empty for the embedded broker
	sync       bool        // of the embedded broker
	prefix     string      // of the topics
	partitions int         // of each topic
	durability string      // of the sources; "" is the default
	listen     string      // host:port for webhooks; "" takes a free port
	kafka      string      // host:port of the embedded broker; "" takes a free port
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
	return &target{name: r.name, process: p, counted: true, events: max(1, r.batch), late: r.durability == spoolFirst}, nil
}

// config is the receiver's configuration: what is not said here is the default
// that users have too.
func (r receiver) config() string {
	quoted := make([]string, len(r.brokers))
	for i, b := range r.brokers {
		quoted[i] = fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf(`server: {listen: %q}
admin: {listen: "127.0.0.1:0"}
kafka:
  brokers: [%s]
  embedded: {listen: %q, dir: data/broker, sync: %t}
  topics: {prefix: %q, partitions: %d, retention: {typed: 1h, raw: 1h, deadletter: 1h}}
log: {format: json}
sources:
  - name: %s
    provider: jetemail
    durability: %s
    auth: {type: jetemail, secrets: [{id: bench, value: %q}]}
%s`, cmp.Or(r.listen, anyPort), strings.Join(quoted, ", "), cmp.Or(r.kafka, anyPort), r.sync, r.prefix, r.partitions,
		sourceName, cmp.Or(r.durability, brokerThenSpool), r.signs.secret, r.batchConfig())
}

// anyPort lets the system choose a port.
const anyPort = "127.0.0.1:0"

// Values of a source's durability.
const (
	brokerOnly      = "broker"
	brokerThenSpool = "broker_then_spool"
	spoolFirst      = "spool_first"
)

// batchConfig is the source that batches go to; "" where single events are sent.
func (r receiver) batchConfig() string {
	if r.batch == 0 {
		return ""
	}
	return fmt.Sprintf("  - name: %s\n    provider: sendgrid\n    auth: {type: sendgrid, secrets: [{id: bench, value: %q}]}\n", batchSource, r.signs.verifier)
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
func plan(o options, binary string, signs credentials, prefix string) []receiver {
	builds := append([]labelled{{path: binary}}, o.compare...)
	var rs []receiver
	for _, name := range o.targets {
		if name == targetEcho {
			continue
		}
		for _, b := range builds {
			r := receiver{
				name: name, binary: b.path, signs: signs, batch: o.batch, prefix: prefix, partitions: o.partitions,
				sync: name == targetSync, durability: durabilities()[name],
			}
			if b.label != "" {
				r.name += "@" + b.label
				r.prefix += "-" + b.label
			}
			if onKafka(name) {
				r.brokers = o.brokers
			}
			rs = append(rs, r)
		}
	}
	return rs
}

// durabilities are those of the targets that have another than the default.
func durabilities() map[string]string {
	return map[string]string{targetKafkaBroker: brokerOnly, targetKafkaSpoolFirst: spoolFirst}
}

// onKafka reports whether a target is a receiver on a real Kafka.
func onKafka(name string) bool {
	return slices.Contains([]string{targetKafka, targetKafkaBroker, targetKafkaSpoolFirst}, name)
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
		if t.process != nil {
			errs = append(errs, t.process.stop())
		}
	}
	return errors.Join(errs...)
}
