package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
)

// The runs of replays are kept for ever, one after the other: on a cluster the last
// word on each, on the broker inside the process as much as fits.
func TestTopicOfReplays(t *testing.T) {
	cfg := config.Default()
	cfg.Kafka.Topics.Replication = 3
	for embedded, want := range map[bool]map[string]string{
		false: {"cleanup.policy": "compact", "retention.ms": "-1", "max.message.bytes": "16777216"},
		true: {
			"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "16777216",
			"retention.bytes": "16777216", "segment.bytes": "4194304",
		},
	} {
		specs := app.EveryTopic(cfg, embedded)
		got := specs[len(specs)-1]
		spec := broker.TopicSpec{Name: "email.replays", Partitions: 1, Replication: 3, Embedded: embedded, Configs: want}
		if diff := cmp.Diff(spec, got); diff != "" {
			t.Errorf("embedded %v: %s", embedded, diff)
		}
	}
}
