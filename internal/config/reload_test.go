package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReloadTakesOverWhatItCanAndNamesTheRest(t *testing.T) {
	const sources = "sources: [{name: a, provider: vfs, auth: {type: none}}]\n"
	running := mustLoad(t, sources)
	next := mustLoad(t, `
server: {listen: "127.0.0.1:1", trusted_proxies: [10.0.0.0/8]}
kafka:
  brokers: [k:9092]
  tls: {enabled: true}
  sasl: {mechanism: PLAIN, username: u, password: p}
  embedded: {enabled: false}
log: {level: debug, format: json}
dedupe: {window: 5d}
sources: [{name: b, provider: vfs, auth: {type: none}, dedupe_window: 4d}]
`)
	before := *running
	got, kept := running.Reload(next)
	want := []string{
		"server.listen", "kafka.brokers", "kafka.embedded.enabled", "kafka.tls.enabled", "kafka.sasl.mechanism", "dedupe.window", "log.format",
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Error(diff)
	}
	if got.Sources[0].Name != "b" || got.Log.Level != "debug" || len(got.Server.TrustedProxies) != 1 || got.Kafka.SASL.Password.Reveal() != "p" {
		t.Errorf("not taken over: %+v", got)
	}
	if got.Server.Listen != before.Server.Listen || len(got.Kafka.Brokers) != 0 || got.Dedupe != before.Dedupe || got.Log.Format != "auto" {
		t.Errorf("taken over, though it needs a restart: %+v", got)
	}
	if diff := cmp.Diff(&before, running, sameConfig); diff != "" {
		t.Errorf("the running configuration was changed: %s", diff)
	}
	if next.Server.Listen != "127.0.0.1:1" || got.Place("sources[0].name") != next.Place("sources[0].name") {
		t.Error("the new configuration was changed, or its places are lost")
	}
}

func TestReloadOfTheSameKeepsNothingBack(t *testing.T) {
	text := "kafka: {embedded: {enabled: true}}\nserver: {trusted_proxies: [10.0.0.0/8]}\n"
	if _, kept := mustLoad(t, text).Reload(mustLoad(t, text)); len(kept) > 0 {
		t.Errorf("kept back %q", kept)
	}
}
