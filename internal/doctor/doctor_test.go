package doctor_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/doctor"
)

// now is the tests' clock.
func now() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }

// secret stands in no finding.
const secret = "a-secret-nobody-should-see"

// installation is a configuration on free ports with one source.
func installation(t *testing.T, notAfter time.Time) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Listen, cfg.Admin.Listen, cfg.Kafka.Embedded.Listen = free(t), free(t), free(t)
	data := filepath.Join(t.TempDir(), "data")
	cfg.Kafka.Embedded.Dir, cfg.Spool.Dir = filepath.Join(data, "broker"), filepath.Join(data, "spool")
	cfg.SourcesGiven = true
	cfg.Sources = []config.Source{
		{Name: "shop", ID: "shop", Provider: "jetemail", Auth: config.Auth{Type: "jetemail", Secrets: []config.KeySecret{{ID: "a", Value: secret, NotAfter: notAfter}}}},
		{Name: "velma", ID: "velma", Provider: "vfs", Auth: config.Auth{Type: "token", Secrets: []config.KeySecret{{ID: "t", Value: "0123456789abcdef0123"}}}},
	}
	return cfg
}

// free finds a port that is free at the moment.
func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// examine runs the doctor and returns the findings.
func examine(t *testing.T, cfg *config.Config, hide bool) []doctor.Check {
	t.Helper()
	o := doctor.Options{Config: cfg, Now: now, HideTokens: hide}
	o.Sources, o.SourcesErr = app.CompileSources(cfg, cfg.Sources)
	var found []doctor.Check
	doctor.Run(t.Context(), o, func(c doctor.Check) { found = append(found, c) })
	for _, c := range found {
		if strings.Contains(c.Text+c.Do, secret) {
			t.Errorf("a secret is shown: %+v", c)
		}
		if (c.Status == doctor.Fail || c.Status == doctor.Warn) && c.Text == "" {
			t.Errorf("nothing said: %+v", c)
		}
	}
	return found
}

// wants checks that a finding of this status has that text.
func wants(t *testing.T, found []doctor.Check, s doctor.Status, text string) {
	t.Helper()
	for _, c := range found {
		if c.Status == s && strings.Contains(c.Area+": "+c.Text, text) {
			return
		}
	}
	t.Errorf("no %s with %q in %+v", s, text, found)
}

func TestNothingRunsYet(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	found := examine(t, cfg, false)
	wants(t, found, doctor.OK, "server.listen: "+cfg.Server.Listen+" is free")
	wants(t, found, doctor.Note, "kafka: the embedded broker at "+cfg.Kafka.Embedded.Listen+" is not running")
	wants(t, found, doctor.OK, "shop: http://"+cfg.Server.Listen+"/v1/webhooks/shop")
	wants(t, found, doctor.OK, "/v1/webhooks/velma/0123456789abcdef0123")
	wants(t, found, doctor.Note, "providers cannot reach")
	wants(t, found, doctor.OK, "(made at the first start)")
	for _, c := range found {
		if c.Status == doctor.Fail {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range examine(t, cfg, true) {
		if strings.Contains(c.Text, "0123456789abcdef0123") {
			t.Errorf("a token is shown though it is to be hidden: %+v", c)
		}
	}
}

func TestSecretsEnd(t *testing.T) {
	t.Parallel()
	found := examine(t, installation(t, now().Add(-time.Hour)), false)
	wants(t, found, doctor.Note, `secret "a" ended at 2026-11-21T08:00:00Z`)
	wants(t, found, doctor.Fail, "no secret is in force")
	found = examine(t, installation(t, now().Add(73*time.Hour)), false)
	wants(t, found, doctor.Warn, "ends in 3 days")
	found = examine(t, installation(t, now().Add(1000*time.Hour)), false)
	wants(t, found, doctor.OK, "is set, until 2027-01-02T01:00:00Z")
}

func TestTakenPortAndMissingCluster(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", cfg.Server.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg.Kafka.Brokers = []string{free(t)}
	found := examine(t, cfg, false)
	wants(t, found, doctor.Fail, "server.listen: "+cfg.Server.Listen+" cannot be taken")
	wants(t, found, doctor.Fail, "kafka: broker "+cfg.Kafka.Brokers[0])
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{
		"http://127.0.0.1:8080":        "this machine only",
		"https://192.168.3.4":          "the address is private",
		"http://hooks.example.invalid": "is not encrypted",
	} {
		cfg := installation(t, time.Time{})
		cfg.Server.PublicURL = public
		wants(t, examine(t, cfg, false), doctor.Warn, want)
	}
}

// TestReceiver lets a server stand in for a running receiver's admin listener.
func TestReceiver(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		code   int
		status doctor.Status
		text   string
	}{
		`{"status":"ready","version":"v1"}`:                          {200, doctor.OK, "receiver: runs and is ready (version v1"},
		`{"status":"degraded","reasons":["two replicas"]}`:           {200, doctor.Warn, "runs, but is degraded: two replicas"},
		`{"status":"not_ready","reasons":["Kafka does not answer"]}`: {503, doctor.Fail, "runs, but is not ready: Kafka does not answer"},
		`hello`:           {200, doctor.Fail, "admin.listen: "},
		`{"status":"ok"}`: {200, doctor.Fail, "admin.listen: "},
	} {
		cfg := installation(t, time.Time{})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(want.code)
			_, _ = w.Write([]byte(answer))
		}))
		cfg.Admin.Listen = s.Listener.Addr().String()
		wants(t, examine(t, cfg, false), want.status, want.text)
		s.Close()
	}
}

// TestOtherReceiver lets another installation's receiver hold the admin port.
func TestOtherReceiver(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	instance := "another"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"ready","version":"v1","instance":%q}`, instance)
	}))
	defer s.Close()
	cfg.Admin.Listen = s.Listener.Addr().String()
	found := examine(t, cfg, false)
	wants(t, found, doctor.Warn, "receiver: the receiver on "+cfg.Admin.Listen+" is another installation")
	wants(t, found, doctor.Fail, "ports: admin.listen: "+cfg.Admin.Listen+" cannot be taken")
	instance = app.Instance(cfg)
	wants(t, examine(t, cfg, false), doctor.OK, "receiver: runs and is ready")
}

// TestInstance: what tells installations apart is where their data is and where
// they listen, and nothing that a restart may change.
func TestInstance(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	before := app.Instance(cfg)
	cfg.Log.Level = "debug"
	if got := app.Instance(cfg); got != before || len(got) != 12 {
		t.Errorf("got %q, want %q", got, before)
	}
	cfg.Kafka.Embedded.Dir = filepath.Join(t.TempDir(), "data", "broker")
	if app.Instance(cfg) == before {
		t.Error("another data folder is the same installation")
	}
}

// TestConfigurationChangedSinceStart: the file is read at start only.
func TestConfigurationChangedSinceStart(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	cfg.File = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(cfg.File, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(cfg.File, now(), now()); err != nil {
		t.Fatal(err)
	}
	started := now().Add(-time.Minute)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"ready","version":"v1","started":%q}`, started.Format(time.RFC3339))
	}))
	defer s.Close()
	cfg.Admin.Listen = s.Listener.Addr().String()
	wants(t, examine(t, cfg, false), doctor.Warn, "receiver: runs since 2026-11-21T08:59:00Z; "+cfg.File+" was changed after that")
	started = now().Add(time.Minute)
	for _, c := range examine(t, cfg, false) {
		if strings.Contains(c.Text, "was changed") {
			t.Errorf("found %+v though the receiver started later", c)
		}
	}
}

func TestNoSources(t *testing.T) {
	t.Parallel()
	cfg := installation(t, time.Time{})
	var found []doctor.Check
	doctor.Run(t.Context(), doctor.Options{Config: cfg, Now: now, SourcesErr: app.ErrNoSources}, func(c doctor.Check) { found = append(found, c) })
	wants(t, found, doctor.Note, "one with a fresh secret is made for each seed provider")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	doctor.Run(ended, doctor.Options{Config: cfg, Now: now}, func(c doctor.Check) { t.Errorf("found %+v though the context has ended", c) })
}

func TestTheSpoolsFolderIsExamined(t *testing.T) {
	cfg := installation(t, time.Time{})
	cfg.Spool.MinFree, cfg.Spool.MaxBytes = 0, 1<<20
	wants(t, examine(t, cfg, false), doctor.OK, "spool: "+cfg.Spool.Dir+" (made at the first start) can be written to and has room for spool.max_bytes (1 MiB)")
	cfg.Spool.MaxBytes = 1 << 60
	wants(t, examine(t, cfg, false), doctor.Warn, "less than spool.max_bytes")
	cfg.Spool.MinFree = 1 << 60
	wants(t, examine(t, cfg, false), doctor.Fail, "takes nothing")
	cfg.Spool.Dir = "/proc/self/spool"
	wants(t, examine(t, cfg, false), doctor.Fail, "cannot be written to: ")
	for i := range cfg.Sources {
		cfg.Sources[i].Durability = "broker"
	}
	wants(t, examine(t, cfg, false), doctor.Note, "spool: no source uses it")
}
