package app_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/admin"
	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/webhook"
)

// A second secret of no real account.
const nextSecret = "whsec_9Zk4mP7cQw2xTb5h"

// reloading is a configuration that a test rewrites.
type reloading struct {
	t    *testing.T
	file string
	env  []string
}

// newReloading makes a folder for configurations; env overrides each of them.
func newReloading(t *testing.T, env ...string) *reloading {
	t.Helper()
	return &reloading{t: t, file: filepath.Join(t.TempDir(), "config.yaml"), env: env}
}

// write replaces the file. What a test does not say is as in settings.
func (f *reloading) write(rest string) {
	f.t.Helper()
	text := "server: {listen: 127.0.0.1:0, trusted_proxies: []}\nadmin: {listen: 127.0.0.1:0}\nlog: {level: info}\n"
	if !strings.Contains(rest, "kafka:") {
		text += "kafka: {embedded: {listen: 127.0.0.1:0, sync: false}}\n"
	}
	if err := os.WriteFile(f.file, []byte(text+rest), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// load reads the file as the command does.
func (f *reloading) load() (*config.Config, error) {
	return config.Load(config.Options{
		File: f.file, Env: f.env, Now: time.Now, Providers: app.ProviderIDs(), AuthTypes: webhook.Types(), Check: app.CheckSources,
	})
}

// start writes a configuration and runs it.
func (f *reloading) start(rest string) *running {
	f.t.Helper()
	f.write(rest)
	cfg, err := f.load()
	if err != nil {
		f.t.Fatal(err)
	}
	return run(f.t, cfg)
}

// reload writes a configuration and has it read.
func (f *reloading) reload(r *running, rest string) error {
	f.t.Helper()
	f.write(rest)
	return r.Reload(f.load)
}

// jetSource is a JetEmail source with one secret, and what else is given.
func jetSource(secret, more string) string {
	return "sources: [{name: jet, provider: jetemail, auth: {type: jetemail, secrets: [{id: a, value: " + secret + "}]}" + more + "}]\n"
}

func TestFiveHundredReloadsUnderLoadFailNoRequest(t *testing.T) {
	f := newReloading(t)
	r := f.start(jetSource(jetSecret, ""))
	acked := &acknowledged{ids: map[string]bool{}}
	var refused atomic.Int64
	var senders sync.WaitGroup
	stop := make(chan struct{})
	for s := range 4 {
		senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if status := r.post(jetEvent(fmt.Sprintf("evt_%d_%d", s, i))); status != http.StatusOK {
					refused.Add(1)
				} else {
					acked.add(fmt.Sprintf("evt_%d_%d", s, i))
				}
			}
		})
	}
	for i := range 500 {
		if err := f.reload(r, jetSource(jetSecret, ", max_body_bytes: "+strconv.Itoa(100_000+i))); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	until(t, "requests went on", func() bool { return acked.count() > 100 })
	close(stop)
	senders.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, int(n)+acked.count())
	}
	if _, body := r.get("/metrics"); !strings.Contains(body, `postrider_config_reloads_total{result="done"} 500`+"\n") {
		t.Error("the metrics do not count 500 reloads")
	}
}

func TestARotatedSecretCountsFromTheReloadOn(t *testing.T) {
	f := newReloading(t)
	r := f.start(jetSource(nextSecret, ""))
	if status := r.post(jetEvent("evt_1")); status != http.StatusUnauthorized {
		t.Fatalf("before: got %d, want 401", status)
	}
	if err := f.reload(r, jetSource(jetSecret, "")); err != nil {
		t.Fatal(err)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("after: got %d, want 200", status)
	}
	if err := f.reload(r, jetSource(jetSecret, ", allow: [192.0.2.0/24]")); err != nil {
		t.Fatal(err)
	}
	if status := r.post(jetEvent("evt_2")); status != http.StatusUnauthorized {
		t.Errorf("with an allow list: got %d, want 401", status)
	}
	if err := f.reload(r, strings.ReplaceAll(jetSource(jetSecret, ""), "name: jet,", "name: other,")); err != nil {
		t.Fatal(err)
	}
	if status := r.post(jetEvent("evt_2")); status != http.StatusNotFound {
		t.Errorf("removed: got %d, want 404", status)
	}
}

func TestABrokenConfigurationKeepsTheOldAndSaysWhy(t *testing.T) {
	f := newReloading(t)
	r := f.start(jetSource(jetSecret, ""))
	for name, text := range map[string]string{
		"not YAML":     "sources: [",
		"two problems": strings.Replace(jetSource(nextSecret, ", durability: disk"), "jetemail", "jetmail", 1),
		"no sources":   "", // the sources are gone, and none were generated
	} {
		if err := f.reload(r, text); err == nil {
			t.Errorf("%s: taken over", name)
		}
	}
	if err := os.Remove(f.file); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(f.load); err == nil {
		t.Error("a file that is gone is taken over")
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d: the old configuration is not in force", status)
	}
	for _, want := range []string{`"reason_code":"reload_refused"`, "sources[0].provider", "sources[0].durability", "config.yaml:"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, r.log)
		}
	}
	if strings.Contains(r.log.String(), nextSecret) {
		t.Error("a secret is in the log")
	}
	if _, body := r.get("/metrics"); !strings.Contains(body, `postrider_config_reloads_total{result="refused"} 4`+"\n") {
		t.Error("the metrics do not count four refusals")
	}
}

func TestKeysThatNeedARestartAreNamed(t *testing.T) {
	f := newReloading(t)
	r := f.start(jetSource(jetSecret, ""))
	if err := f.reload(r, "spool: {max_bytes: 2GiB}\n"+jetSource(jetSecret, "")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.log.String(), `"keys":["spool.max_bytes"]`) {
		t.Errorf("the log does not name the key:\n%s", r.log)
	}
}

func TestASourceThatNeedsTheSpoolIsRefusedWithoutOne(t *testing.T) {
	f := newReloading(t)
	r := f.start(jetSource(jetSecret, ", durability: broker"))
	err := f.reload(r, jetSource(jetSecret, ", durability: spool_first"))
	if err == nil || !strings.Contains(err.Error(), "sources[0].durability") || !strings.Contains(err.Error(), "restart") {
		t.Errorf("got %v", err)
	}
	if _, s := r.ready(); s.Durability["jet"] != "broker" || s.Spool.State != admin.SpoolOff {
		t.Errorf("readyz: %+v", s)
	}
}

func TestTheLogLevelIsReloaded(t *testing.T) {
	f := newReloading(t)
	f.write(jetSource(jetSecret, ""))
	cfg, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	level := zap.NewAtomicLevel()
	r := runWith(t, cfg, app.Options{Level: &level})
	f.env = []string{"POSTRIDER_LOG_LEVEL=error"}
	if err := r.Reload(f.load); err != nil || level.Level() != zap.ErrorLevel {
		t.Errorf("level %s, %v", level.Level(), err)
	}
}

func TestGeneratedSourcesAreReloaded(t *testing.T) {
	f := newReloading(t)
	r := f.start("")
	file := r.Info().GeneratedFile
	if file == "" || !r.Info().Generated {
		t.Fatalf("%+v", r.Info())
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusNotFound {
		t.Fatalf("got %d, want 404", status)
	}
	if err := os.WriteFile(file, []byte(jetSource(jetSecret, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(f.load); err != nil {
		t.Fatal(err)
	}
	if status := r.post(jetEvent("evt_1")); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
}

// Kafka's password changes while Kafka is away: new connections log in with the
// new one, and what waited is published.
func TestKafkasPasswordIsReloaded(t *testing.T) {
	address := freeAddress(t)
	kafka := func(password string) string {
		return "kafka: {brokers: ['" + address + "'], publish: {budget: 300ms}, sasl: {mechanism: PLAIN, username: me, password: " + password + ", allow_plaintext: true}}\n"
	}
	f := newReloading(t)
	r := f.start(kafka("old-password-here") + jetSource(jetSecret, ""))
	r.postStory(0, 3)
	if err := f.reload(r, kafka("new-password-here")+jetSource(jetSecret, "")); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n), kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "new-password-here"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	r.drained()
	cfg, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	wantStory(t, cfg, address, 3)
	if strings.Contains(r.log.String(), "password-here") {
		t.Error("a password is in the log")
	}
	r.stop()
}
