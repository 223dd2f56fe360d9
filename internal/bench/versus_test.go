package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVersusMarks: ratios are of the same round, and each goal is held against the
// receiver with the default durability alone.
func TestVersusMarks(t *testing.T) {
	ms := []measurement{
		sample(targetProduce, 1, 1, 4000, unknown(), 0.2), sample(targetKafka, 1, 1, 3000, 20, 0.31),
		sample(targetEcho, 64, 1, 1000, 2, 1), sample(targetOTel, 64, 1, 200, 9, 1), sample(targetKafka, 64, 1, 500, 4, 1),
		sample(targetEcho, 64, 2, 2000, 1, 1), sample(targetOTel, 64, 2, 500, 9, 1), sample(targetKafka, 64, 2, 1000, 2.6, 1),
		sample(targetKafkaSpoolFirst, 64, 1, 1, 99, 1),
	}
	for i := range ms {
		ms[i].Memory, ms[i].Window = 100, 30
	}
	var got []string
	for _, m := range versusMarks(ms) {
		got = append(got, m.Target+": "+m.sentence(spread{Median: m.Got}.median("%.2f")))
	}
	want := []string{
		"kafka: mark missed: p50 at one connection at most 1.5 times that of a bare produce round trip: 1.55",
		"kafka: mark reached: at least 2 times the collector's requests a second at 64 connections: 2.25",
		"kafka: mark reached: the floor, 1.5 times at 64 connections: 2.25",
		"kafka: mark reached: at least 0.5 of echo's requests a second at 64 connections: 0.50",
		"kafka: mark reached: the floor, 0.35 at 64 connections: 0.50",
		"kafka: mark reached: at most 2.5 times echo's processor time a request at 64 connections: 2.30",
		"kafka: mark reached: p99 at most 20 ms at 64 connections: 0.00",
		"kafka: mark missed: peak memory beside the remembered ids at most 64 MiB at 64 connections: 70.00",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBatchGoals(t *testing.T) {
	ms := batchGoals(rows([]measurement{sample(targetKafka, 4, 1, 149, 800, 1), sample(targetKafka, 8, 1, 151, 810, 1)}), 1000)
	if len(ms) != 3 || !ms[0].Reached || ms[0].Got != 151_000 || !ms[1].Reached || ms[2].Reached || ms[2].Got != 8.1 {
		t.Errorf("got %+v, want the goal for events reached by 151000, and that for time missed by 8.1 µs", ms)
	}
}

// TestLedger: every way in which what was answered and what is stored can differ.
func TestLedger(t *testing.T) {
	l := newLedger()
	for serial, got := range map[int]outcome{1: accepted, 2: accepted, 3: accepted, 4: refused, 5: refused, 6: unanswered, 7: unanswered} {
		l.note(serial, got, time.Duration(serial)*time.Second)
	}
	var o outage
	l.compare(map[int]int{1: 1, 2: 2, 4: 1, 6: 2, 99: 1}, &o)
	want := outage{Accepted: 3, Refused: 2, Unanswered: 2, Lost: 1, Twice: 2, Ghosts: 2, Longest: 5000}
	if o != want {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
}

// TestSerialIn finds an event's id in what the programs make of it.
func TestSerialIn(t *testing.T) {
	body := string(deliveredEvent(4711, time.Unix(1, 0)))
	quoted, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{
		body, `{"fields":{"value":` + string(quoted) + `}}`, `{"id":"evt_0198","provider_event_id":"` + eventID(4711) + `"}`,
	} {
		if got, ok := serialIn([]byte(value)); !ok || got != 4711 {
			t.Errorf("found %d, %t in %s", got, ok, value)
		}
	}
	for _, value := range []string{"", "evt_", "evt_0123", "evt_" + strings.Repeat("f", 32)} {
		if got, ok := serialIn([]byte(value)); ok {
			t.Errorf("found %d in %q", got, value)
		}
	}
}

// TestPeersSettings: every placeholder in the peers' settings is filled, and no source is
// copied.
func TestPeersSettings(t *testing.T) {
	for _, p := range peers() {
		dir := filepath.Join(t.TempDir(), p.name)
		at := place{sources: "peers", dir: dir, listen: "127.0.0.1:4711", brokers: []string{"a:1", "b:2"}, topic: "some-topic"}
		if err := at.settle(p.name); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		var all bytes.Buffer
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".go") || f.Name() == "go.mod" {
				t.Errorf("%s: %s is no setting", p.name, f.Name())
			}
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if f.Name() != "pom.xml" {
				all.Write(b)
			}
		}
		for _, want := range []string{"4711", "some-topic", "a:1", "b:2"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: the settings lack %q:\n%s", p.name, want, all.String())
			}
		}
		if strings.Contains(all.String(), "${") {
			t.Errorf("%s: a placeholder is left:\n%s", p.name, all.String())
		}
	}
}

// TestVersionsOfPeers: what the report says was measured is what the files install.
func TestVersionsOfPeers(t *testing.T) {
	for file, want := range map[string]string{
		"peers/otel/go.mod":   "kafkaexporter v" + versionOTel,
		"peers/camel/pom.xml": "<camel>" + versionCamel + "</camel>",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), want) {
			t.Errorf("%s does not have %s", file, want)
		}
	}
}

// TestPeersThatCannotBeInstalled are left out, and the reason is said.
func TestPeersThatCannotBeInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	found, missing, err := available(t.Context(), targetNames(), "peers", t.TempDir(), func(string) {})
	if err != nil || len(found) != 0 || len(missing) != len(peers()) {
		t.Fatalf("found %d, missing %q, %v", len(found), missing, err)
	}
	if want := "otel: not installable here: go: "; !strings.HasPrefix(missing[0], want) {
		t.Errorf("got %q, want it to begin with %q", missing[0], want)
	}
}

// TestLogRequest: a collector gets the very event.
func TestLogRequest(t *testing.T) {
	now := time.Unix(1_760_000_000, 0)
	raw, err := logRequest(7, now)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var got struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					Body struct{ StringValue string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if text := got.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Body.StringValue; text != string(deliveredEvent(7, now)) {
		t.Errorf("got %s", text)
	}
	if want := fmt.Sprintf("Content-Length: %d\r\n", len(body)); !bytes.Contains(raw, []byte(want)) {
		t.Errorf("the length is not that of %d bytes:\n%s", len(body), raw)
	}
}

// TestVersusReport: the tables hold what was measured, and a peer's losses are a result
// where ours are a failure.
func TestVersusReport(t *testing.T) {
	r := &versusReport{
		Entrants: []described{{targetOTel, "a collector", false}, {targetKafka, "ours", true}}, Missing: []string{"camel: not installable here: no mvn"},
		Measurements: []measurement{sample(targetOTel, 64, 1, 100, 9, 1), sample(targetKafka, 64, 1, 250, 9, 1)},
		Batches:      []measurement{sample(targetKafka, 4, 1, 150, 700, 5)},
		Faults:       []outage{{Target: targetTelegraf, Killed: strikeItself, Accepted: 600, Lost: 198}},
	}
	r.judge()
	var b bytes.Buffer
	if err := r.write(&b, outputMarkdown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 2.50 (2.50–2.50) |", "| kafka | 4 | 150000 (150000–150000) |", "| 7.0 (7.0–7.0) |",
		"| telegraf | itself, kill -9 | 600 | 0 | 0 | 198 |", "- camel: not installable here: no mvn", "- kafka: mark reached: at least 2 times the collector's",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if !r.sound() {
		t.Error("what a peer loses does not make the run unsound")
	}
	if ms := faultMarks([]outage{{Trouble: "no broker"}, {}, {Lost: 1}}); ms[0].Reached || !ms[1].Reached || ms[2].Reached {
		t.Errorf("got %+v, want only the second reached", ms)
	}
	r.Faults = append(r.Faults, outage{Target: targetKafka, Killed: strikeBroker, Lost: 1})
	if r.sound() {
		t.Error("one lost event of ours must make the run unsound")
	}
}
