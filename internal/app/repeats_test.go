package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/admin"
)

// A repeat is recognised in the process that accepted the event, and in the next.
func TestRepeatsAreRecognisedAcrossARestart(t *testing.T) {
	cfg := settings(t, "")
	first := run(t, cfg)
	for range 3 {
		first.postStory(0, 2)
	}
	if _, body := first.get("/metrics"); !strings.Contains(body, `result="duplicate",source="jet"} 4`+"\n") {
		t.Error("the metrics do not count four requests of repeats")
	}
	first.stop()
	second := run(t, cfg)
	second.postStory(0, 3)
	wantStory(t, cfg, second.Info().Kafka, 3)
	if _, body := second.get("/metrics"); !strings.Contains(body, "postrider_dedupe_loaded 1\n") {
		t.Error("the metrics do not say that the ids were read")
	}
}

// What is in the spool is known too: the provider that sends it again, because it
// never saw the answer, is told that all is well.
func TestRepeatsOfWhatIsInTheSpoolAreRecognised(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_KAFKA_BROKERS="+address)
	r := run(t, cfg)
	r.postStory(0, 2)
	r.postStory(0, 3)
	startBroker(t, address, t.TempDir())
	r.drained()
	wantStory(t, cfg, address, 3)
	until(t, "the ids are read and written", func() bool {
		_, body := r.get("/metrics")
		return strings.Contains(body, "postrider_dedupe_loaded 1\n") && strings.Contains(body, "postrider_dedupe_pending_ids 0\n")
	})
	if code, s := r.ready(); code != http.StatusOK || s.Spool.State != admin.SpoolReady {
		t.Errorf("readyz: %d %+v", code, s)
	}
}
