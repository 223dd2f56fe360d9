package app

import (
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/ingest"
	"github.com/postrider/postrider/pkg/event"
)

// TopicNames applies the configured templates to every route.
func TopicNames(t config.Topics) ingest.Topics {
	names := ingest.Topics{
		Typed:      make(map[event.Route]string),
		Raw:        t.Raw(),
		Deadletter: t.Deadletter(),
	}
	for _, r := range event.Routes() {
		names.Typed[r] = typedTopic(t, r)
	}
	if t.All {
		names.All = t.AllEvents()
	}
	return names
}

// typedTopic is the topic of one route.
func typedTopic(t config.Topics, r event.Route) string {
	family := string(r.Type.Family())
	if r.Direction == event.Inbound {
		return t.Inbound(string(r.Type), family)
	}
	return t.Outbound(string(r.Type), family)
}

// RecordKey is the key of an event's record, as the configuration wants it.
func RecordKey(t config.Topics) func(*event.Event) string {
	return func(e *event.Event) string { return ingest.RecordKey(t.Key, e) }
}

// TopicSpecs lists every topic the configuration needs, each once, typed ones
// first. The embedded broker bounds partitions by size too: it reads its log
// into memory at start.
func TopicSpecs(k config.Kafka, embedded bool) []broker.TopicSpec {
	t := k.Topics
	var specs []broker.TopicSpec
	seen := make(map[string]bool)
	add := func(name string, retention time.Duration, maxMessage int) {
		if name == "" || seen[name] {
			return
		}
		seen[name] = true
		specs = append(specs, broker.TopicSpec{
			Name: name, Partitions: t.Partitions, Replication: t.Replication, Embedded: embedded,
			Configs: topicConfigs(k, embedded, retention, maxMessage),
		})
	}
	for _, r := range event.Routes() {
		add(typedTopic(t, r), t.Retention.Typed, 0)
	}
	if t.All {
		add(t.AllEvents(), t.Retention.Typed, 0)
	}
	add(t.Raw(), t.Retention.Raw, t.MaxMessageBytes)
	add(t.Deadletter(), t.Retention.Deadletter, t.MaxMessageBytes)
	return specs
}

// EveryTopic lists the topics of TopicSpecs and those that hold no events: the ids
// of accepted events, and the runs of replays.
func EveryTopic(cfg *config.Config, embedded bool) []broker.TopicSpec {
	return append(TopicSpecs(cfg.Kafka, embedded), seenSpec(cfg, embedded), replaysSpec(cfg.Kafka, embedded))
}

// seenSpec is the topic of the ids of accepted events: one partition, because
// order matters to nobody and every receiver reads all of it. Every record has a
// key of its own, so that compaction only does what retention does too; the
// broker inside the process goes without, whose compaction rewrites its files.
func seenSpec(cfg *config.Config, embedded bool) broker.TopicSpec {
	k := cfg.Kafka
	s := broker.TopicSpec{
		Name: k.Topics.Seen(), Partitions: 1, Replication: k.Topics.Replication, Embedded: embedded,
		Configs: topicConfigs(k, embedded, cfg.Dedupe.Window, 0),
	}
	if !embedded {
		s.Configs["cleanup.policy"] = "compact,delete"
	}
	return s
}

// replaysSpec is the topic of the runs of replays: one partition, because each run
// is followed in its order, and compacted, because only the last word on each
// counts. A run's record names every partition it reads and may be as large as a
// raw request. The broker inside the process rewrites a compacted topic by deleting
// its files first, which a crash must not meet; there the oldest records make room
// for new ones, once the topic has reached its size.
func replaysSpec(k config.Kafka, embedded bool) broker.TopicSpec {
	s := broker.TopicSpec{
		Name: k.Topics.Replays(), Partitions: 1, Replication: k.Topics.Replication, Embedded: embedded,
		Configs: topicConfigs(k, embedded, 0, k.Topics.MaxMessageBytes),
	}
	s.Configs["retention.ms"] = "-1"
	if !embedded {
		s.Configs["cleanup.policy"] = "compact"
	}
	return s
}

// topicConfigs are the settings a topic is created with.
func topicConfigs(k config.Kafka, embedded bool, retention time.Duration, maxMessage int) map[string]string {
	c := map[string]string{
		"cleanup.policy": "delete",
		"retention.ms":   strconv.FormatInt(retention.Milliseconds(), 10),
	}
	if maxMessage > 0 {
		c["max.message.bytes"] = strconv.Itoa(maxMessage)
	}
	if embedded {
		c["retention.bytes"] = strconv.FormatInt(k.Embedded.MaxBytes, 10)
		c["segment.bytes"] = strconv.FormatInt(k.Embedded.SegmentBytes, 10)
	}
	return c
}
