package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/delivery"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/replay/renormalize"
)

// ReplayOptions is what NewReplays takes from its process.
type ReplayOptions struct {
	Log    *zap.Logger
	Now    func() time.Time
	Stdout io.Writer // where a replay to standard output goes
	// Sources are those that raw requests can be renormalized with; nil: none can.
	Sources []*CompiledSource
}

// Replays is an engine of replays on a client of its own choice, with a publisher of
// its own: what replays hold and wait for is no concern of a receiver's.
type Replays struct {
	*replay.Engine

	publisher *broker.GroupCommitter
}

// NewReplays makes the engine of replays by the configuration, on a client that stays
// the caller's. It needs no connection yet. Close it.
func NewReplays(cfg *config.Config, client *broker.Client, o ReplayOptions) *Replays {
	k := cfg.Kafka
	publishing := PublisherOptions(cfg, o.Now, o.Log)
	publishing.Budget, publishing.AttemptTimeout = replayBudget, replayAttempt
	p := broker.NewPublisher(client, publishing)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	opt := replay.Options{
		Client: client, Publisher: p,
		Journal: k.Topics.Replays(), Raw: k.Topics.Raw(), State: []string{k.Topics.Seen(), k.Topics.Replays()}, KeyKind: k.Topics.Key,
		Hash: addressHash(cfg), HTTP: httpTargets(cfg, o.Log, o.Now), Stdout: o.Stdout,
		Dial:  func(t replay.Target) (delivery.Options, error) { return dialTarget(t, o.Log, o.Now) },
		NewID: newReplayID, Host: host, PID: os.Getpid(), Alive: processAlive, Now: o.Now, Log: o.Log,
		Typed: EventTopics(cfg),
	}
	if k.Topics.Create != "never" {
		opt.CreateTopic = func(name string, partitions int) broker.TopicSpec {
			return broker.TopicSpec{
				Name: name, Partitions: cmp.Or(partitions, k.Topics.Partitions), Replication: k.Topics.Replication, Embedded: cfg.EmbeddedBroker(),
				Configs: topicConfigs(k, cfg.EmbeddedBroker(), k.Topics.Retention.Typed, k.Topics.MaxMessageBytes),
			}
		}
	}
	if o.Sources != nil {
		opt.Renormalizer = newRenormalizer(cfg, client, p, o)
	}
	r := &Replays{replay.New(opt), p}
	if m, ok := opt.Renormalizer.(*renormalizer); ok {
		m.runs = r.Runs
	}
	return r
}

// Bounds of a replay's publisher. Nobody waits for an answer, so that it outlasts
// elections.
const (
	replayBudget  = 2 * time.Minute
	replayAttempt = 10 * time.Second
)

// Close ends the publisher. Runs in progress have to be over.
func (r *Replays) Close(ctx context.Context) error {
	if err := r.publisher.Close(ctx); err != nil {
		return fmt.Errorf("app: close the publisher of replays: %w", err)
	}
	return nil
}

// EventTopics are the topics of events, each once: those that a replay reads where no
// topic is named.
func EventTopics(cfg *config.Config) (names []string) {
	k := cfg.Kafka
	for _, s := range TopicSpecs(k, cfg.EmbeddedBroker()) {
		if s.Name != k.Topics.Raw() && s.Name != k.Topics.Deadletter() && (!k.Topics.All || s.Name != k.Topics.AllEvents()) {
			names = append(names, s.Name)
		}
	}
	return names
}

// newReplayID makes the id of a run: ids order by time.
func newReplayID() string { return uuid.Must(uuid.NewV7()).String() }

// processAlive reports whether a process of this machine is there. One that may not
// be asked is.
func processAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// addressHash is what topics hold in place of an address; nil where they hold
// addresses.
func addressHash(cfg *config.Config) func(string) string {
	if cfg.PII.Recipient != "hash" {
		return nil
	}
	pepper := []byte(cfg.PII.Pepper.Reveal())
	return func(address string) string { return normalize.RecipientHash(pepper, address) }
}

// httpTargets are the configured HTTP targets.
func httpTargets(cfg *config.Config, log *zap.Logger, now func() time.Time) map[string]delivery.Options {
	targets := make(map[string]delivery.Options, len(cfg.Replay.Targets))
	for _, t := range cfg.Replay.Targets {
		o := delivery.Options{URL: t.URL, Allow: t.Allow, Log: log, Now: now}
		for _, s := range t.Secrets {
			o.Secrets = append(o.Secrets, delivery.Secret{ID: s.ID, Key: s.Value.Reveal(), NotAfter: s.NotAfter})
		}
		targets[t.Name] = o
	}
	return targets
}

// dialTarget is an HTTP target that somebody named by its address.
func dialTarget(t replay.Target, log *zap.Logger, now func() time.Time) (delivery.Options, error) {
	o := delivery.Options{URL: t.URL, Allow: t.Allow, Log: log, Now: now}
	for _, name := range t.SecretFiles {
		secret, err := readSecret(name)
		if err != nil {
			return o, err
		}
		o.Secrets = append(o.Secrets, delivery.Secret{ID: name, Key: secret})
	}
	return o, nil
}

// readSecret reads the file of a secret that a person named.
func readSecret(name string) (string, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the files
	if err != nil {
		return "", fmt.Errorf("the secret that signs: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes))
	if err != nil {
		return "", fmt.Errorf("the secret that signs: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("the secret that signs: the file %s is empty", name)
	}
	return secret, nil
}

// maxSecretBytes bounds the file of a secret.
const maxSecretBytes = 64 << 10

// renormalizer makes the sinks and reports of renormalizations.
type renormalizer struct {
	opt  renormalize.Options
	runs func(context.Context) ([]replay.Run, error)
}

func newRenormalizer(cfg *config.Config, client *broker.Client, p *broker.GroupCommitter, o ReplayOptions) *renormalizer {
	sources := make([]*ingest.Source, len(o.Sources))
	for i, s := range o.Sources {
		sources[i] = s.Ingest
	}
	return &renormalizer{opt: renormalize.Options{
		Sources: sources, Topics: TopicNames(cfg.Kafka.Topics), Key: cfg.Kafka.Topics.Key, Now: o.Now, Publisher: p, Reader: client,
	}}
}

// Sink implements replay.Renormalizer.
func (r *renormalizer) Sink(_ context.Context, o replay.SinkOptions) (replay.Sink, error) {
	opt := r.opt
	opt.Marker, opt.State = o.Marker, o.Run.Sink
	return renormalize.NewSink(opt) //nolint:wrapcheck // it says who it is
}

// Diff implements replay.Renormalizer.
func (r *renormalizer) Diff(ctx context.Context, plan *replay.Plan, exact bool) (*replay.Diff, error) {
	opt := r.opt
	opt.Runs = r.runs
	return renormalize.Diff(ctx, opt, plan, exact) //nolint:wrapcheck // as above
}
