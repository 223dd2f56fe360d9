package app_test

import (
	"strings"
	"testing"
)

// What an earlier process accepted while Kafka was away is known to the next one:
// its ids lie in the spool beside its events.
func TestRepeatsAreRecognisedAcrossARestartDuringAnOutage(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_SPOOL_DRAIN_TIMEOUT=200ms POSTRIDER_KAFKA_BROKERS="+address)
	first := run(t, cfg)
	first.postStory(0, 5)
	first.stop()
	second := run(t, cfg)
	second.postStory(0, 6)
	if _, body := second.get("/metrics"); !strings.Contains(body, `result="duplicate",source="jet"} 5`+"\n") {
		t.Error("the metrics do not count five requests of repeats")
	}
	startBroker(t, address, t.TempDir())
	second.drained()
	wantStory(t, cfg, address, 6)
}
