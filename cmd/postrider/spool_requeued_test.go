package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/spool"
)

// requeueAll sets aside all that a spool holds and puts it back in line.
func requeueAll(t *testing.T, dir string) {
	t.Helper()
	setAside(t, dir, "no")
	for item, err := range spool.Dead(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spool.Requeue(dir, item.Seq); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsToBeTakenInIsSeen: records in requeue/ wait like any other.
func TestWhatIsToBeTakenInIsSeen(t *testing.T) {
	t.Parallel()
	dir := fill(t, numbered(2)...)
	requeueAll(t, dir)
	s := openSpool(t, dir)
	if _, err := s.Append(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out, _, err := postrider(t, nil, "spool", "ls", "--dir", dir)
	if err != nil || !strings.Contains(out, ": 3 records wait") || !strings.Contains(out, "2 of them in requeue/") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	out, _, err = postrider(t, nil, "spool", "ls", "--dir", dir, "--output", "json")
	if err != nil || !strings.Contains(out, `"records":3,"requeued":2,`) {
		t.Errorf("ls: %v\n%s", err, out)
	}
	out, _, err = postrider(t, nil, "spool", "export", "--dir", dir)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("export: %v\n%s", err, out)
	}
	for i, requeued := range []bool{false, true, true} {
		var l spoolLine
		if err := json.Unmarshal([]byte(lines[i]), &l); err != nil || strings.HasPrefix(l.Requeued, "requeue") != requeued || l.Cause != "" {
			t.Errorf("line %d: %v, %s", i, err, lines[i])
		}
	}
}

// TestAdoptMovesWhatIsToBeTakenIn: also what was only moved there itself.
func TestAdoptMovesWhatIsToBeTakenIn(t *testing.T) {
	t.Parallel()
	gone, own := fill(t, numbered(3)...), fill(t, numbered(1)...)
	requeueAll(t, gone)
	env := []string{"POSTRIDER_SPOOL_DIR=" + own, "POSTRIDER_KAFKA_BROKERS=127.0.0.1:1"}
	out, _, err := postrider(t, env, "spool", "adopt", gone, "--move")
	if err != nil || !strings.Contains(out, "3 records moved") {
		t.Errorf("%v\n%s", err, out)
	}
	for item, err := range spool.Requeued(gone) {
		t.Errorf("left: %s (%v)", item.File, err)
	}
	n := 0
	for _, err := range spool.Requeued(own) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 3 {
		t.Errorf("%d records arrived, want 3", n)
	}
}

// TestAuditReadsWhatIsToBeTakenIn: it is not missing.
func TestAuditReadsWhatIsToBeTakenIn(t *testing.T) {
	t.Parallel()
	publish, env := cluster(t)
	records := received(1, 4, time.Now().Add(-time.Hour))
	publish(records[:2]...)
	dir := fill(t, records[2:]...)
	requeueAll(t, dir)
	out, _, err := postrider(t, append(env, "POSTRIDER_SPOOL_DIR="+dir), "audit")
	if err != nil || !strings.Contains(out, "holds 3 records for Kafka: see") {
		t.Errorf("%v\n%s", err, out)
	}
}
