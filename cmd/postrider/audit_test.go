package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/audit"
	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/broker/embedded"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
)

// logs stands in for a cluster: the log of partition 0 of each topic, of which
// the records up to First are gone.
type logs map[string]struct {
	first   int64
	records []broker.Message
	report  broker.TopicReport
}

func (l logs) Offsets(_ context.Context, topic string) (map[int]broker.OffsetRange, error) {
	log, ok := l[topic]
	if !ok {
		return nil, &broker.UnknownTopicError{Topic: topic, Partition: -1}
	}
	return map[int]broker.OffsetRange{0: {First: log.first, Next: log.first + int64(len(log.records))}}, nil
}

func (l logs) OffsetsAt(_ context.Context, topic string, at time.Time) (map[int]int64, error) {
	log := l[topic]
	next := log.first
	for _, m := range log.records {
		if !m.Time.Before(at) {
			break
		}
		next++
	}
	return map[int]int64{0: next}, nil
}

func (l logs) Read(ctx context.Context, topic string, _ int, from, to int64, fn func(broker.Message) error) error {
	log := l[topic]
	return partitions{log.records}.Read(ctx, topic, 0, from-log.first, to-log.first, fn)
}

func (l logs) Topics(_ context.Context, names ...string) ([]broker.TopicReport, error) {
	return []broker.TopicReport{l[names[0]].report}, nil
}

// TestAuditKnowsWhatWasDeleted: what retention may have taken is not missing.
func TestAuditKnowsWhatWasDeleted(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	three := []broker.Message{at(500_000), at(600_000), at(900_000)}
	for name, c := range map[string]struct {
		first   int64
		records []broker.Message
		report  broker.TopicReport
		want    int64 // milliseconds; 0: all of it is kept
	}{
		"nothing was":            {0, three, broker.TopicReport{Retention: time.Hour, RetentionBytes: -1}, 0},
		"by age":                 {7, three, broker.TopicReport{Retention: 700 * time.Second, RetentionBytes: -1}, 300_000},
		"by size":                {7, three, broker.TopicReport{Retention: 700 * time.Second, RetentionBytes: 1}, 500_000},
		"by hand":                {7, three, broker.TopicReport{Retention: -1, RetentionBytes: -1}, 500_000},
		"settings are not known": {7, three, broker.TopicReport{}, 500_000},
		"all of it":              {7, nil, broker.TopicReport{}, 1_000_000},
	} {
		topics := config.Default().Kafka.Topics
		cluster := logs{topics.Raw(): {c.first, c.records, c.report}, topics.Deadletter(): {}}
		notes := 0
		r := &auditReader{store: cluster, now: now, note: func(string, ...any) { notes++ }}
		if err := r.plan(t.Context(), topics, time.UnixMilli(600_000)); err != nil {
			t.Fatal(err)
		}
		var want time.Time
		if c.want != 0 {
			want = time.UnixMilli(c.want)
		}
		if !r.rawKept.Equal(want) || !r.typedKept.IsZero() {
			t.Errorf("%s: kept since %v and %v, want %v", name, r.rawKept, r.typedKept, want)
		}
		if c.records != nil && (r.records != 2 || r.spans[0].from != c.first+1) {
			t.Errorf("%s: %d records are read: %+v", name, r.records, r.spans)
		}
		if want := len(typedTopics(topics)); notes != want {
			t.Errorf("%s: %d notes on topics that do not exist, want %d", name, notes, want)
		}
	}
	r := &auditReader{store: logs{}, note: func(string, ...any) {}}
	if err := r.plan(t.Context(), config.Default().Kafka.Topics, time.Time{}); err == nil || !strings.Contains(err.Error(), "email.raw") {
		t.Errorf("without a raw topic: %v", err)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"now": now, "beginning": {}, "-1h": now.Add(-time.Hour), "90m": now.Add(-90 * time.Minute), "2026-11-20T00:00:00Z": now.Add(-36 * time.Hour),
	} {
		if got, err := moment("--from", in, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "-1"} {
		if _, err := moment("--to", in, now); err == nil || !strings.Contains(err.Error(), "audit: --to") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// cluster is a broker with all topics, a way to publish to it, and the program's
// environment for it.
func cluster(t *testing.T) (publish func(...broker.Record), env []string) {
	t.Helper()
	b, err := embedded.Start(embedded.Options{Listen: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	client, err := broker.Dial(broker.Options{Brokers: []string{b.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := client.EnsureTopics(t.Context(), app.TopicSpecs(config.Default().Kafka, true), true); err != nil {
		t.Fatal(err)
	}
	pub := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: time.Minute})
	t.Cleanup(func() {
		if err := pub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	publish = func(records ...broker.Record) {
		t.Helper()
		if err := pub.Publish(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	return publish, []string{"POSTRIDER_KAFKA_BROKERS=" + b.Addr()}
}

// postrider runs the program in this process.
func postrider(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out bytes.Buffer
	var errs lockedBuffer // the log writes on a goroutine of its own
	root := newRoot(&cli{in: strings.NewReader(""), out: &out, errOut: &errs, env: env, now: time.Now})
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// received is a request as the receiver publishes it: its raw record, which says
// that it has so many events, and those events.
func received(n, events int, at time.Time) []broker.Record {
	rawID, stamp := fmt.Sprintf("01a1ffc0-edd0-7268-8cc8-%012x", n), event.NewTime(at, 3)
	records := []broker.Record{{
		Topic: "email.raw", Key: []byte("vfs/" + rawID), Value: fmt.Appendf(nil, "body %d", n), Time: at,
		Headers: []broker.Header{
			{Key: "source", Value: []byte("vfs")},
			{Key: "id", Value: []byte(rawID)},
			{Key: "received_at", Value: []byte(stamp.String())},
			{Key: "events", Value: strconv.AppendInt(nil, int64(events), 10)},
			{Key: "dead-letters", Value: []byte("0")},
			{Key: "repeats", Value: []byte("0")},
		},
	}}
	for i := range events {
		e := event.Event{
			Schema: event.Schema, ID: fmt.Sprintf("%016x%016x", n, i), Type: event.Bounced, Family: event.Bounced.Family(),
			Direction: event.Outbound, Provider: "vfs", Source: "vfs", ProviderType: "HardBounce", ReceivedAt: stamp, RawID: rawID,
		}
		records = append(records, broker.Record{
			Topic: "email.bounced", Key: []byte(e.Key()), Value: e.AppendJSON(nil), Headers: e.AppendHeaders(nil, event.Stamp{}), Time: at,
		})
	}
	return records
}

// TestAudit runs the command on topics that lack a record.
func TestAudit(t *testing.T) {
	t.Parallel()
	publish, env := cluster(t)
	hour := time.Now().Add(-time.Hour)
	publish(received(1, 3, hour)...)
	out, _, err := postrider(t, env, "audit")
	if err != nil || !strings.Contains(out, "nothing is missing") || !strings.Contains(out, "\nvfs     1         3 ") {
		t.Fatalf("%v\n%s", err, out)
	}
	publish(received(2, 3, hour)[:3]...)
	publish(received(3, 1, hour)[1:]...)
	publish(received(4, 2, time.Now())[:2]...) // in progress
	publish(received(1, 1, hour)[1])
	out, stderr, err := postrider(t, env, "audit", "--from", "-2h", "--output", "json")
	if exitCode(err) != 1 || !strings.Contains(err.Error(), "audit: 1 request is incomplete, 1 request whose raw record is missing") || stderr != "" {
		t.Errorf("%v, %s", err, stderr)
	}
	var got audit.Report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	want := audit.Source{Name: "all", Requests: 3, Events: 8, Duplicates: 1, Incomplete: 1, Orphaned: 1, InProgress: 1}
	if diff := cmp.Diff(want, got.Total); diff != "" || len(got.Findings) != 3 {
		t.Errorf("%s%+v", diff, got.Findings)
	}
	out, _, err = postrider(t, env, "audit")
	for _, line := range []string{
		"incomplete  vfs       01a1ffc0-edd0-7268-8cc8-000000000002  email.raw[", "1 of 3 events and dead letters are missing",
		"orphaned    vfs       01a1ffc0-edd0-7268-8cc8-000000000003  email.bounced[", "duplicate ", "1 request in progress", "2 lack something",
	} {
		if err == nil || !strings.Contains(out, line) {
			t.Errorf("%v: output lacks %q:\n%s", err, line, out)
		}
	}
	if out, _, err := postrider(t, env, "audit", "--to", "-30m", "--from", "-45m"); err != nil || !strings.Contains(out, "0 requests received from") {
		t.Errorf("another window: %v\n%s", err, out)
	}
}

// TestAuditListsAreBounded: a person is not shown thousands of lines.
func TestAuditListsAreBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out, errOut: io.Discard}
	r := &audit.Report{Omitted: map[string]int{audit.Duplicate: 5}}
	for range mostListed + 3 {
		r.Findings = append(r.Findings, audit.Finding{Kind: audit.Duplicate, Place: "email.sent[0]@1"})
	}
	if err := c.printAudit(&auditOutcome{Report: r}); err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "email.sent[0]@1"); n != mostListed || !strings.Contains(out.String(), "and 8 more: duplicate") {
		t.Errorf("%d findings are listed:\n%s", n, &out)
	}
}
