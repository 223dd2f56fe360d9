package app_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/spool"
)

// startBroker starts a broker at an address; it ends with the test.
func startBroker(t *testing.T, address, dir string) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: address, Dir: dir, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// storyEvent is the nth event of one message: all of them have one key, and so an
// order.
func storyEvent(n int) string {
	return fmt.Sprintf(`{"id":"evt_%d","service":"outbound","type":"outbound.delivered","created_at":1704825600,`+
		`"data":{"uid":"one-message","from":"sender@example.com","to":"jane.doe@example.com","response":"250 2.0.0 OK"}}`, n)
}

// postStory posts events from..to-1 of one message, which must all be accepted.
func (r *running) postStory(from, to int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		if status := r.post(storyEvent(n)); status != http.StatusOK {
			r.t.Fatalf("event %d: got %d, want 200\n%s", n, status, r.log)
		}
	}
}

// wantStory checks that events 0..n-1 are in their topic, once and in order.
func wantStory(t *testing.T, cfg *config.Config, address string, n int) {
	t.Helper()
	var got, want []string
	for _, e := range events(t, cfg, []string{address}, "email.delivered") {
		got = append(got, e.ProviderEventID)
	}
	for i := range n {
		want = append(want, "evt_"+strconv.Itoa(i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in the topic: %s", diff)
	}
}

// drained waits until nothing is left in the spool.
func (r *running) drained() {
	r.t.Helper()
	until(r.t, "the spool is empty", func() bool {
		_, s := r.ready()
		return s.Broker.Reachable && s.Spool.Records == 0
	})
}

func TestEventsWaitInTheSpoolForAClusterThatIsAwayAtStart(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_KAFKA_BROKERS="+address)
	r := run(t, cfg)
	if code, s := r.ready(); code != http.StatusOK || s.Status != admin.Degraded || s.Spool.State != admin.SpoolReady || s.Spool.Mode != "broker_then_spool" {
		t.Errorf("readyz: %d %+v, want 200, degraded and a spool that is ready", code, s)
	}
	r.postStory(0, 10)
	if code, s := r.ready(); code != http.StatusOK || s.Spool.Records < 10 || s.Spool.Oldest == nil || len(s.Outages) > 0 {
		t.Errorf("readyz: %d %+v, want ten events and more in the spool, and no outage", code, s)
	}
	startBroker(t, address, t.TempDir())
	r.drained()
	r.postStory(10, 12)
	wantStory(t, cfg, address, 12)
	if code, s := r.ready(); code != http.StatusOK || s.Spool.Records != 0 {
		t.Errorf("readyz: %d %+v", code, s)
	}
}

func TestAStopNamesWhatIsLeftAndTheNextStartPublishesIt(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_SPOOL_DRAIN_TIMEOUT=200ms POSTRIDER_KAFKA_BROKERS="+address)
	first := run(t, cfg)
	first.postStory(0, 5)
	first.stop()
	for _, want := range []string{`"reason_code":"spool_left"`, `"records":`, `"bytes":`, cfg.Spool.Dir, "spool adopt"} {
		if !strings.Contains(first.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, first.log)
		}
	}
	startBroker(t, address, t.TempDir())
	second := run(t, cfg)
	if !strings.Contains(second.log.String(), `"reason_code":"spool_resumed"`) {
		t.Errorf("the log does not say that the spool holds records:\n%s", second.log)
	}
	second.postStory(5, 7) // behind what was there
	second.drained()
	wantStory(t, cfg, address, 7)
	second.stop()
	if strings.Contains(second.log.String(), `"reason_code":"spool_left"`) {
		t.Errorf("something is left:\n%s", second.log)
	}
}

func TestSpoolFirstIsPublishedAndLeavesNothing(t *testing.T) {
	cfg := settings(t, "POSTRIDER_SOURCES_0_DURABILITY=spool_first")
	r := run(t, cfg)
	r.postStory(0, 5)
	if _, s := r.ready(); s.Spool.Mode != "spool_first" || s.Durability["jet"] != "spool_first" || s.Spool.Bytes == 0 {
		t.Errorf("readyz: %+v", s)
	}
	r.drained()
	wantStory(t, cfg, r.Info().Kafka, 5)
}

func TestASpoolThatCannotBeUsedEndsTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := "POSTRIDER_SPOOL_DIR=" + filepath.Join(file, "spool")
	if err := startError(t, settings(t, dir)); err == nil || !strings.Contains(err.Error(), "spool.dir") || !strings.Contains(err.Error(), "durability: broker") {
		t.Errorf("got %v, want the key and the way out", err)
	}
	r := run(t, settings(t, dir+withoutSpool))
	if code, s := r.ready(); code != http.StatusOK || s.Spool.State != admin.SpoolOff {
		t.Errorf("readyz: %d %+v, want a spool that is off", code, s)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
}

func TestTwoProcessesDoNotShareASpool(t *testing.T) {
	cfg := settings(t, "")
	run(t, cfg)
	err := startError(t, settings(t, "POSTRIDER_SPOOL_DIR="+cfg.Spool.Dir))
	if !errors.Is(err, spool.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want ErrLocked with the process's id", err)
	}
}

func TestWithoutSourcesThatUseItThereIsNoSpool(t *testing.T) {
	cfg := settings(t, withoutSpool)
	r := run(t, cfg)
	if _, s := r.ready(); s.Spool.State != admin.SpoolOff || s.Spool.Mode != "broker" {
		t.Errorf("readyz: %+v", s)
	}
	if _, err := os.Stat(cfg.Spool.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// What an earlier process left is published also when no source uses the spool
// any more.
func TestASpoolThatIsNotUsedAnyMoreIsDrained(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_SPOOL_DRAIN_TIMEOUT=200ms POSTRIDER_KAFKA_BROKERS="+address)
	first := run(t, cfg)
	first.postStory(0, 3)
	first.stop()
	startBroker(t, address, t.TempDir())
	next := settings(t, "POSTRIDER_KAFKA_BROKERS="+address+" POSTRIDER_SPOOL_DIR="+cfg.Spool.Dir+withoutSpool)
	run(t, next).drained()
	wantStory(t, next, address, 3)
}

func TestAFullSpoolIsNoSafetyNet(t *testing.T) {
	address := freeAddress(t)
	r := run(t, settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_SPOOL_MIN_FREE=1000TiB POSTRIDER_KAFKA_BROKERS="+address))
	if code, s := r.ready(); code != http.StatusServiceUnavailable || s.Spool.State != admin.SpoolFull {
		t.Errorf("readyz: %d %+v, want 503 and a full spool", code, s)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503: the event is nowhere", status)
	}
	if _, s := r.ready(); len(s.Outages) != 1 || s.Outages[0].Source != "jet" || s.Outages[0].SecondsLeft < 3600 {
		t.Errorf("readyz: %+v, want JetEmail's five hours", s.Outages)
	}
	const left = `postrider_outage_seconds_left{source="jet"}`
	if _, body := r.get("/metrics"); !strings.Contains(body, left) || !strings.Contains(body, "postrider_spool_usable 0\n") {
		t.Error("the metrics do not tell of the outage and of the spool")
	}
	startBroker(t, address, t.TempDir())
	until(t, "Kafka is enough", func() bool { code, _ := r.ready(); return code == http.StatusOK })
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if _, s := r.ready(); len(s.Outages) > 0 || !strings.Contains(r.log.String(), `"reason_code":"outage_over"`) {
		t.Errorf("the outage does not end: %+v\n%s", s.Outages, r.log)
	}
	if _, body := r.get("/metrics"); strings.Contains(body, left) {
		t.Error("the metrics still tell of the outage")
	}
}

// While the cluster has not told its topics' limits, those that we create them
// with count: a large request is kept whole.
func TestALargeRequestIsKeptWholeBeforeTheLimitsAreKnown(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms POSTRIDER_KAFKA_BROKERS="+address)
	r := run(t, cfg)
	body := strings.TrimSuffix(storyEvent(0), "}") + `,"padding":"` + strings.Repeat("x", 2<<20) + `"}`
	if status := r.post(body); status != http.StatusOK {
		t.Fatalf("got %d, want 200\n%s", status, r.log)
	}
	if strings.Contains(r.log.String(), "raw_omitted") {
		t.Errorf("the request is not kept:\n%s", r.log)
	}
	startBroker(t, address, t.TempDir())
	r.drained()
	if raw, err := rawValues(t, cfg, []string{address}); err != nil || len(raw) != 1 || raw[0] != body {
		t.Errorf("the raw topic holds %d requests, %v", len(raw), err)
	}
}

// The spool one source uses is none for another that does without: what a 200
// means is the source's own.
func TestASourceWithoutTheSpoolWaitsForKafka(t *testing.T) {
	f := newReloading(t)
	sources := strings.TrimSuffix(jetSource(jetSecret, ", durability: broker"), "]\n") +
		", {name: vfs, provider: vfs, auth: {type: token, secrets: [{id: a, value: 9f86d081884c7d659a2feaa0c55ad015}]}}]\n"
	r := f.start("kafka: {brokers: ['" + freeAddress(t) + "'], publish: {budget: 300ms}}\n" + sources)
	if status := r.post(jetEvent("evt_1")); status != http.StatusServiceUnavailable {
		t.Errorf("durability broker: got %d, want 503", status)
	}
	code, s := r.ready()
	if code != http.StatusOK || s.Spool.Mode != "mixed" || s.Spool.Records != 0 || s.Durability["jet"] != "broker" || s.Durability["vfs"] != "broker_then_spool" {
		t.Errorf("readyz: %d %+v", code, s)
	}
	if !strings.Contains(strings.Join(s.Reasons, "\n"), "without the spool: jet") {
		t.Errorf("the source that is refused is not named: %q", s.Reasons)
	}
}
