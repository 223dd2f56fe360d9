package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// targetProduce is the bare round trip: one record after the other produced by kafka-go,
// each acknowledged by all in-sync replicas.
const targetProduce = "produce"

// entrant is a program that takes part in the comparison.
type entrant struct {
	name     string
	does     string // for people
	embedded bool   // it has its broker inside
	late     bool   // it answers before Kafka has what was sent
	ours     bool
	otlp     bool // it takes the events as logs of OpenTelemetry
	warm     time.Duration
	// topic is where its events lie.
	topic func(prefix string) string
	// launch starts it, again in the same folder if need be.
	launch func(ctx context.Context, s stand) (*target, error)
}

// stand is where an entrant is started.
type stand struct {
	dir    string // its folder
	prefix string // of its topics
	listen string // host:port for webhooks
	kafka  string // host:port of an embedded broker
}

// newStand takes ports that are free now.
func newStand(ctx context.Context, dir, prefix string) (stand, error) {
	listen, err := freePort(ctx)
	if err != nil {
		return stand{}, err
	}
	kafka, err := freePort(ctx)
	return stand{dir, prefix, listen, kafka}, err
}

// receiverEntrant is a receiver of this project.
func receiverEntrant(r receiver) entrant {
	does := map[string]string{
		targetKafka:           "postrider on Kafka, as it is installed: answers after acks=all, or from its spool while Kafka is away",
		targetKafkaBroker:     "the same with `durability: broker`: answers after acks=all or refuses",
		targetKafkaSpoolFirst: "the same with `durability: spool_first`: answers from its spool, synced to the disk",
		targetSync:            "postrider on its embedded broker, synced to the disk",
		targetNoSync:          "the same without syncing",
	}
	return entrant{
		name: r.name, does: does[r.name], ours: true, embedded: len(r.brokers) == 0, late: r.durability == spoolFirst, warm: briefWarmth,
		topic: func(prefix string) string { return prefix + ".delivered" },
		launch: func(ctx context.Context, s stand) (*target, error) {
			r := r
			r.prefix, r.listen, r.kafka = s.prefix, s.listen, s.kafka
			return r.start(ctx, s.dir)
		},
	}
}

// shared is what the entrants that are not ours need: topics to write to.
type shared struct {
	client     *broker.Client
	brokers    []string
	partitions int
	secret     string // of the signatures
	sources    string // folder of the peers' settings
	cache      string // folder of what was installed
}

// topic makes a topic and returns how to count what it holds.
func (h *shared) topic(ctx context.Context, name string) (func(context.Context) (int, error), error) {
	spec := broker.TopicSpec{Name: name, Partitions: h.partitions, Configs: map[string]string{"retention.ms": "3600000"}}
	if _, err := h.client.EnsureTopics(ctx, []broker.TopicSpec{spec}, true); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return func(ctx context.Context) (int, error) { return held(ctx, h.client, name) }, nil
}

// held counts what a topic holds.
func held(ctx context.Context, client *broker.Client, topic string) (int, error) {
	ranges, err := client.Offsets(ctx, topic)
	n := int64(0)
	for _, r := range ranges {
		n += r.Next - r.First
	}
	return int(n), err //nolint:wrapcheck // it names the topic
}

// itself is the topic that a program writes to whose topic is told.
func itself(prefix string) string { return prefix }

// peerEntrant is somebody else's program.
func (h *shared) peerEntrant(p peer) entrant {
	e := entrant{
		name: p.name, does: p.title + ": answers " + p.answers, late: p.late, otlp: p.name == targetOTel, warm: p.warm, topic: itself,
	}
	e.launch = func(ctx context.Context, s stand) (*target, error) {
		held, err := h.topic(ctx, s.prefix)
		if err != nil {
			return nil, err
		}
		cmd, err := p.start(place{sources: h.sources, cache: h.cache, dir: s.dir, listen: s.listen, brokers: h.brokers, topic: s.prefix})
		if err != nil {
			return nil, err
		}
		process, err := startChild(ctx, cmd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		return &target{name: p.name, process: process, late: p.late, otlp: e.otlp, held: held}, nil
	}
	return e
}

// yardstickEntrant is the receiver of a few lines on bare kafka-go.
func (h *shared) yardstickEntrant() entrant {
	e := entrant{
		name: yardstickRole, warm: briefWarmth, topic: itself,
		does: "a receiver of 300 lines on kafka-go's raw calls that verifies, parses, and publishes one record by idempotent group commit: answers after acks=all",
	}
	e.launch = func(ctx context.Context, s stand) (*target, error) {
		held, err := h.topic(ctx, s.prefix)
		if err != nil {
			return nil, err
		}
		settings, err := json.Marshal(yardstickSettings{Listen: s.listen, Brokers: h.brokers, Topic: s.prefix, Lanes: h.partitions, Secret: h.secret})
		if err != nil {
			return nil, fmt.Errorf("bench: yardstick: %w", err)
		}
		process, err := startSelf(ctx, s.dir, yardstickRole, "-settings="+string(settings))
		if err != nil {
			return nil, err
		}
		return &target{name: yardstickRole, process: process, held: held}, nil
	}
	return e
}

// echoEntrant is the bare handler.
func echoEntrant() entrant {
	return entrant{
		name: targetEcho, warm: briefWarmth, does: "a bare Echo handler that reads the body and answers",
		launch: func(ctx context.Context, s stand) (*target, error) {
			if err := os.MkdirAll(s.dir, 0o700); err != nil {
				return nil, fmt.Errorf("bench: %w", err)
			}
			return startEchoTarget(ctx, s.dir)
		},
	}
}

// produceEntrant produces from this very process.
func (h *shared) produceEntrant() entrant {
	return entrant{
		name: targetProduce, does: "one record of 830 bytes after the other, produced by kafka-go with acks=all: what a round trip to this broker takes", topic: itself,
		launch: func(ctx context.Context, s stand) (*target, error) {
			if _, err := h.topic(ctx, s.prefix); err != nil {
				return nil, err
			}
			return &target{name: targetProduce, probe: roundTrips(h.brokers, s.prefix)}, nil
		},
	}
}

// startSelf starts this very program in another role.
func startSelf(ctx context.Context, dir, role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w", role, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", role, err)
	}
	readyFile := filepath.Join(dir, role+".json")
	return startChild(ctx, command{
		path: self, args: append([]string{"-role=" + role, "-ready=" + readyFile}, args...), env: os.Environ(),
		readyFile: readyFile, logFile: filepath.Join(dir, role+".log"),
	})
}

// entrants are those of the targets that can be started here, in the order of the
// tables.
func (h *shared) entrants(names []string, receivers []receiver, installed []peer) []entrant {
	all := []entrant{echoEntrant(), h.produceEntrant(), h.yardstickEntrant()}
	for _, r := range receivers {
		all = append(all, receiverEntrant(r))
	}
	for _, p := range installed {
		all = append(all, h.peerEntrant(p))
	}
	return slices.DeleteFunc(all, func(e entrant) bool { return !slices.Contains(names, e.name) })
}

// launchAll starts them all beside one another; on an error those that run are stopped.
func launchAll(ctx context.Context, es []entrant, dir, prefix string) (ts []*target, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, stopAll(ts))
		}
	}()
	for _, e := range es {
		s, err := newStand(ctx, filepath.Join(dir, e.name), prefix+"-"+e.name)
		if err != nil {
			return ts, err
		}
		t, err := e.launch(ctx, s)
		if err != nil {
			return ts, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}
