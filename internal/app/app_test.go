package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// A secret of no real account.
const jetSecret = "whsec_6Tq2wL9vXr4nB8mZ"

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *zap.Logger {
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(enc, zapcore.AddSync(l), zap.DebugLevel))
}

// settings are a configuration on free ports in a fresh folder, with one source.
func settings(t *testing.T, extra string) *config.Config {
	t.Helper()
	text := `
server: {listen: 127.0.0.1:0}
admin: {listen: 127.0.0.1:0}
kafka: {embedded: {listen: 127.0.0.1:0, sync: false}}
sources:
  - name: jet
    provider: jetemail
    auth: {type: jetemail, secrets: [{id: a, value: ` + jetSecret + `}]}
`
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{
		File: file, Env: strings.Fields(extra), Now: time.Now,
		Providers: app.ProviderIDs(), AuthTypes: webhook.Types(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// running is an App that was started.
type running struct {
	*app.App
	t    *testing.T
	cfg  *config.Config
	log  *logBuffer
	stop func()
}

// run starts an App and stops it at the end of the test, or by stop.
func run(t *testing.T, cfg *config.Config) *running {
	t.Helper()
	return runWith(t, cfg, app.Options{})
}

// runWith is run with more options; the log, the clock and the version are set.
func runWith(t *testing.T, cfg *config.Config, o app.Options) *running {
	t.Helper()
	r := &running{t: t, cfg: cfg, log: &logBuffer{}}
	o.Log, o.Now, o.Version = r.log.logger(), time.Now, "test"
	a, err := app.New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	r.App = a
	if err := a.Start(t.Context()); err != nil {
		t.Fatalf("start: %v\n%s", err, r.log)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Wait(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// post sends a signed JetEmail event and returns the status.
func (r *running) post(body string) int {
	r.t.Helper()
	return r.postSigned(jetSecret, body)
}

// postSigned is post with a secret of one's own.
func (r *running) postSigned(secret, body string) int {
	r.t.Helper()
	cfg := webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{{ID: "a", Value: []byte(secret)}}}
	w := webhook.Request{Header: http.Header{}, Body: []byte(body)}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &w, time.Now()); err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.Info().Listen+"/v1/webhooks/jet", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = w.Header
	status, _ := r.do(req)
	return status
}

// get asks the admin listener.
func (r *running) get(path string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.Info().Admin+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do(req)
}

func (r *running) do(req *http.Request) (int, string) {
	r.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// ready returns the state that /readyz tells.
func (r *running) ready() (int, admin.Status) {
	r.t.Helper()
	code, body := r.get("/readyz")
	var s admin.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		r.t.Fatalf("readyz says %q: %v", body, err)
	}
	return code, s
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("timed out waiting until %s", what)
		case <-tick.C:
		}
	}
}

// events reads every event of a topic.
func events(t *testing.T, cfg *config.Config, brokers []string, topic string) []event.Event {
	t.Helper()
	client, err := app.Dial(cfg, brokers)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ranges, err := client.Offsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var out []event.Event
	for partition, r := range ranges {
		err := client.Read(ctx, topic, partition, r.First, r.Next, func(m broker.Message) error {
			e, err := event.Decode(m.Value)
			out = append(out, e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func jetEvent(id string) string {
	return fmt.Sprintf(`{"id":%q,"service":"outbound","type":"outbound.delivered","created_at":1704825600,`+
		`"data":{"uid":"uid-%s","from":"sender@example.com","to":"jane.doe@example.com","response":"250 2.0.0 OK"}}`, id, id)
}

func TestAcknowledgedEventIsInItsTopicAcrossARestart(t *testing.T) {
	cfg := settings(t, "")
	first := run(t, cfg)
	if status := first.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Fatalf("got %d\n%s", status, first.log)
	}
	first.stop()
	second := run(t, cfg)
	got := events(t, cfg, second.Info().Brokers, "email.delivered")
	if len(got) != 1 || got[0].ProviderEventID != "evt_1" || got[0].Source != "jet" {
		t.Errorf("got %+v", got)
	}
	if raw, err := rawValues(t, cfg, second.Info().Brokers); err != nil || len(raw) != 1 || raw[0] != jetEvent("evt_1") {
		t.Errorf("raw topic holds %q, %v", raw, err)
	}
}

// rawValues reads the raw topic.
func rawValues(t *testing.T, cfg *config.Config, brokers []string) ([]string, error) {
	t.Helper()
	client, err := app.Dial(cfg, brokers)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ranges, err := client.Offsets(t.Context(), "email.raw")
	var out []string
	for partition, r := range ranges {
		if err == nil {
			err = client.Read(t.Context(), "email.raw", partition, r.First, r.Next, func(m broker.Message) error {
				out = append(out, string(m.Value))
				return nil
			})
		}
	}
	return out, err
}

func TestNeitherSecretsNorRecipientsAreLogged(t *testing.T) {
	r := run(t, settings(t, ""))
	r.post(jetEvent("evt_1"))
	r.post(`{"id":"evt_2","type":17,"data":{"to":"jane.doe@example.com"}}`)
	r.post(`not json jane.doe@example.com`)
	r.stop()
	_ = r.log.String()
	for _, secret := range []string{jetSecret, "jane.doe"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, r.log)
		}
	}
	if !strings.Contains(r.log.String(), "missing_type") {
		t.Errorf("the dead letter is not in the log:\n%s", r.log)
	}
}

func TestMetricsTellWhatHappened(t *testing.T) {
	r := run(t, settings(t, ""))
	r.post(jetEvent("evt_1"))
	r.post(`{}`)
	if status, _ := r.unsigned(); status != http.StatusUnauthorized {
		t.Errorf("unsigned: got %d", status)
	}
	_, body := r.get("/metrics")
	for _, line := range []string{
		`postrider_requests_total{code="200",provider="jetemail",result="published",source="jet"} 2`,
		`postrider_requests_total{code="401",provider="jetemail",result="refused",source="jet"} 1`,
		`postrider_events_total{direction="outbound",provider="jetemail",result="published",source="jet",type="delivered"} 1`,
		`postrider_dead_letters_total{provider="jetemail",reason="missing_type",source="jet",stage="parse"} 1`,
		`postrider_auth_failures_total{provider="jetemail",reason="missing_proof",source="jet"} 1`,
		`postrider_verified_total{key="a",source="jet"} 2`,
		`postrider_publish_seconds_count{source="jet"} 2`,
		`postrider_event_to_ack_seconds_count{source="jet"} 1`,
		`postrider_request_body_bytes_count{source="jet"} 2`,
		`postrider_broker_up 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(body, "jane.doe") || strings.Contains(body, "evt_1") {
		t.Error("payload text in the metrics")
	}
}

func (r *running) unsigned() (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.Info().Listen+"/v1/webhooks/jet", strings.NewReader("{}"))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do(req)
}

// withoutSpool makes the source do without the spool.
const withoutSpool = " POSTRIDER_SOURCES_0_DURABILITY=broker"

func TestClusterThatIsAwayAtStartIsWaitedFor(t *testing.T) {
	address := freeAddress(t)
	cfg := settings(t, "POSTRIDER_KAFKA_BROKERS="+address+withoutSpool)
	r := run(t, cfg)
	if code, s := r.ready(); code != http.StatusServiceUnavailable || s.Status != admin.NotReady || len(s.Reasons) == 0 {
		t.Errorf("readyz: %d %+v", code, s)
	}
	if code, _ := r.get("/livez"); code != http.StatusOK {
		t.Errorf("livez: %d, want 200: nobody should restart us because Kafka is away", code)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", status)
	}
	b, err := embedded.Start(embedded.Options{Listen: address, Dir: t.TempDir(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	until(t, "ready", func() bool { code, _ := r.ready(); return code == http.StatusOK })
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if got := events(t, cfg, []string{address}, "email.delivered"); len(got) != 1 {
		t.Errorf("%d events, want 1: what was answered 503 must not be published as well", len(got))
	}
	r.stop()
}

func TestBrokerThatDiesMakesItNotReady(t *testing.T) {
	address := freeAddress(t)
	b, err := embedded.Start(embedded.Options{Listen: address, Dir: t.TempDir(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, settings(t, "POSTRIDER_KAFKA_BROKERS="+address+" POSTRIDER_KAFKA_PUBLISH_BUDGET=300ms"+withoutSpool))
	if code, s := r.ready(); code != http.StatusOK {
		t.Fatalf("readyz: %d %+v", code, s)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", status)
	}
	until(t, "not ready", func() bool { code, s := r.ready(); return code == http.StatusServiceUnavailable && !s.Broker.Reachable })
}

func TestMissingTopicsThatMayNotBeCreatedEndTheStart(t *testing.T) {
	cfg := settings(t, "POSTRIDER_KAFKA_TOPICS_CREATE=never")
	err := startError(t, cfg)
	if err == nil || !strings.Contains(err.Error(), "email.delivered") || !strings.Contains(err.Error(), "kafka.topics.create") {
		t.Errorf("got %v, want every missing topic and the key", err)
	}
}

func TestTricklingClientDoesNotSpoilTheStop(t *testing.T) {
	r := run(t, settings(t, "POSTRIDER_SERVER_SHUTDOWN_TIMEOUT=100ms"))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Info().Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "POST /v1/webhooks/jet HTTP/1.1\r\nHost: x\r\nX-Webhook-Signature: sha256=" + strings.Repeat("0", 64) + "\r\nContent-Length: 100\r\n\r\n{"
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	until(t, "the request is in progress", func() bool {
		_, body := r.get("/metrics")
		return strings.Contains(body, "postrider_requests_in_flight 1\n")
	})
	r.stop() // fails the test if it returns an error
	if !strings.Contains(r.log.String(), "cut_off") {
		t.Errorf("nothing is said of the request that was cut off:\n%s", r.log)
	}
}

func TestTakenPortNamesItsKey(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, env := range map[string]string{
		"server.listen": "POSTRIDER_SERVER_LISTEN", "admin.listen": "POSTRIDER_ADMIN_LISTEN",
		"kafka.embedded.listen": "POSTRIDER_KAFKA_EMBEDDED_LISTEN",
	} {
		if err := startError(t, settings(t, env+"="+taken.Addr().String())); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

// startError starts an App that should not start.
func startError(t *testing.T, cfg *config.Config) error {
	t.Helper()
	a, err := app.New(cfg, app.Options{Log: zap.NewNop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a.Start(t.Context())
}

func TestEveryTakenPortIsReportedAtOnce(t *testing.T) {
	var taken [2]net.Listener
	for i := range taken {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken[i] = l
	}
	other := freeAddress(t)
	err := startError(t, settings(t, "POSTRIDER_SERVER_LISTEN="+taken[0].Addr().String()+
		" POSTRIDER_ADMIN_LISTEN="+other+" POSTRIDER_KAFKA_EMBEDDED_LISTEN="+taken[1].Addr().String()))
	if err == nil || !strings.Contains(err.Error(), "server.listen") || !strings.Contains(err.Error(), "kafka.embedded.listen") {
		t.Errorf("got %v, want both keys", err)
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", other)
	if err != nil {
		t.Fatalf("the admin port is still taken after the failed start: %v", err)
	}
	free.Close()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A port that is taken queues requests: while start-up waits for Kafka, nobody is
// to wait with it.
func TestNobodyWaitsForTheStart(t *testing.T) {
	frozen, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	webhooks, watched := freeAddress(t), freeAddress(t)
	cfg := settings(t, "POSTRIDER_SERVER_LISTEN="+webhooks+" POSTRIDER_ADMIN_LISTEN="+watched+" POSTRIDER_SPOOL_DRAIN_TIMEOUT=200ms POSTRIDER_KAFKA_BROKERS="+frozen.Addr().String())
	looked := make(chan error, 1)
	go func() {
		for { // Start takes the admin port first
			if s, err := readiness(t.Context(), watched); err == nil {
				looked <- starting(t.Context(), s, webhooks)
				return
			} else if t.Context().Err() != nil {
				return
			}
		}
	}()
	r := run(t, cfg)
	if err := <-looked; err != nil {
		t.Error(err)
	}
	if _, s := r.ready(); s.Status == admin.NotReady {
		t.Errorf("readyz: %+v, want what the spool takes", s)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d, want 200 from the spool", status)
	}
	r.stop()
}

// starting tells what is wrong with a receiver that does not serve yet.
func starting(ctx context.Context, s admin.Status, webhooks string) error {
	if s.Status != admin.NotReady || !slices.Contains(s.Reasons, "starting") {
		return fmt.Errorf("readyz says %s %q, want that it starts", s.Status, s.Reasons)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", webhooks)
	if err == nil {
		return errors.Join(errors.New("a connection for webhooks is queued during the start"), conn.Close())
	}
	return nil
}

// readiness asks an admin listener that may not be there yet.
func readiness(ctx context.Context, address string) (s admin.Status, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return s, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	return s, json.NewDecoder(res.Body).Decode(&s)
}
