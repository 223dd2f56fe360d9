package app_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/admin"
)

// Real Apache Kafka for these tests; .ci/run starts one.
const (
	brokersVar     = "POSTRIDER_TEST_BROKERS"
	saslBrokersVar = "POSTRIDER_TEST_SASL_BROKERS"
	caVar          = "POSTRIDER_TEST_CA"
)

// cluster returns a variable's value or skips the test.
func cluster(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Skipf("set %s to run this against a real Apache Kafka (internal/kafkatest/kafka-up.sh starts one)", variable)
	}
	return value
}

// prefix makes topics of its own for a test.
func prefix() string { return "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] }

func TestWholePathOnARealCluster(t *testing.T) {
	p := prefix()
	cfg := settings(t, "POSTRIDER_KAFKA_BROKERS="+cluster(t, brokersVar)+" POSTRIDER_KAFKA_TOPICS_PREFIX="+p+" POSTRIDER_KAFKA_TOPICS_PARTITIONS=3")
	r := run(t, cfg)
	wholePath(t, r, p)
}

func TestWholePathOverTLSAndSCRAM(t *testing.T) {
	p := prefix()
	cfg := settings(t, strings.Join([]string{
		"POSTRIDER_KAFKA_BROKERS=" + cluster(t, saslBrokersVar), "POSTRIDER_KAFKA_TOPICS_PREFIX=" + p,
		"POSTRIDER_KAFKA_TLS_ENABLED=true", "POSTRIDER_KAFKA_TLS_CA_FILE=" + cluster(t, caVar),
		"POSTRIDER_KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "POSTRIDER_KAFKA_SASL_USERNAME=postrider", "POSTRIDER_KAFKA_SASL_PASSWORD=postrider-secret",
		"POSTRIDER_KAFKA_TOPICS_PARTITIONS=3",
	}, " "))
	r := run(t, cfg)
	wholePath(t, r, p)
}

// wholePath sends from many connections at once and checks that just what was
// acknowledged is in the topics.
func wholePath(t *testing.T, r *running, prefix string) {
	t.Helper()
	if code, s := r.ready(); code != http.StatusOK || s.Broker.Kind != "cluster" || s.Status == admin.NotReady {
		t.Errorf("readyz: %d %+v", code, s)
	}
	const senders, each = 16, 25
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if status := r.post(jetEvent(fmt.Sprintf("evt_%d_%d", s, i))); status != http.StatusOK {
					t.Errorf("got %d", status)
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.Logf("log:\n%s", r.log)
	}
	seen := map[string]int{}
	for _, e := range events(t, r.cfg, r.Info().Brokers, prefix+".delivered") {
		seen[e.ID]++
	}
	if len(seen) != senders*each {
		t.Errorf("%d distinct events, want %d", len(seen), senders*each)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	_, metrics := r.get("/metrics")
	want := `postrider_events_total{direction="outbound",provider="jetemail",result="published",source="jet",type="delivered"} ` + strconv.Itoa(senders*each)
	if !strings.Contains(metrics, want+"\n") {
		t.Errorf("metrics do not say %s", want)
	}
}

func TestWrongPasswordEndsTheStart(t *testing.T) {
	cfg := settings(t, strings.Join([]string{
		"POSTRIDER_KAFKA_BROKERS=" + cluster(t, saslBrokersVar),
		"POSTRIDER_KAFKA_TLS_ENABLED=true", "POSTRIDER_KAFKA_TLS_CA_FILE=" + cluster(t, caVar),
		"POSTRIDER_KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "POSTRIDER_KAFKA_SASL_USERNAME=postrider", "POSTRIDER_KAFKA_SASL_PASSWORD=wrong-wrong-wrong",
	}, " "))
	err := startError(t, cfg)
	if err == nil || !strings.Contains(err.Error(), "kafka.sasl") || strings.Contains(err.Error(), "wrong-wrong-wrong") {
		t.Errorf("got %v, want the key and not the password", err)
	}
}

func TestUnknownAuthorityEndsTheStart(t *testing.T) {
	cfg := settings(t, strings.Join([]string{
		"POSTRIDER_KAFKA_BROKERS=" + cluster(t, saslBrokersVar), "POSTRIDER_KAFKA_TLS_ENABLED=true",
		"POSTRIDER_KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "POSTRIDER_KAFKA_SASL_USERNAME=postrider", "POSTRIDER_KAFKA_SASL_PASSWORD=postrider-secret",
	}, " "))
	start := time.Now()
	err := startError(t, cfg)
	if err == nil || !strings.Contains(err.Error(), "kafka.tls.ca_file") {
		t.Errorf("got %v after %s, want the key", err, time.Since(start))
	}
}
